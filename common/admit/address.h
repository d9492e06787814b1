/* Network addresses as limits see them: what one customer of a provider has is one address.
 *
 * An IPv6 address stands for its /64, an IPv4-mapped one is IPv4. What is no IP address ("unix",
 * "") stands for nobody in particular and is never counted.
 */
#ifndef JACKDAW_ADMIT_ADDRESS_H
#define JACKDAW_ADMIT_ADDRESS_H

#include "base/map.h"
#include "base/span.h"

#include <stdbool.h>
#include <stdint.h>

#define ADMIT_ADDRESS_MAX 64 /* as text, with its NUL */

/* The group of `address` as text; `address` itself (cut to fit) when it is no IP address. */
void admit_address_group(struct span address, char out[ADMIT_ADDRESS_MAX]);
/* A number for the group; 0 when it is nobody's. */
uint64_t admit_address_key(struct span address);

/* How many connections each group has. All zero is an empty one. */
struct admit_counts {
    struct map64 by_key;
};

/* One more, unless there are `max` (0: no limit). True when it was counted in; then `key` must be
 * given back to admit_leave. Key 0 always may. */
bool admit_enter(struct admit_counts *counts, uint64_t key, uint32_t max);
/* Whether admit_enter would let one in. */
bool admit_has_room(const struct admit_counts *counts, uint64_t key, uint32_t max);
void admit_leave(struct admit_counts *counts, uint64_t key);
void admit_counts_deinit(struct admit_counts *counts);

#endif
