/* What was delivered lately: the memory by which a receiver drops a stanza it already has.
 *
 * Every hop of a stanza is at-least-once: a router that dies between handing a stanza over and saying
 * so leaves its sender to send it again. A stanza is named for good by the session it came from and
 * its number there, so the holder of the recipient's stream remembers the last `capacity` deliveries
 * and writes none of them twice.
 */
#ifndef JACKDAW_CUSTODY_SEEN_H
#define JACKDAW_CUSTODY_SEEN_H

#include "base/map.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Embeddable. */
struct seen {
    struct map64 keys;
    uint64_t *ring; /* in the order they came */
    size_t capacity;
    size_t at;
};

/* A delivery: stanza `origin_n` of session `origin_sid`, for session `sid`. */
struct seen_delivery {
    uint64_t origin_sid;
    uint64_t origin_n;
    uint64_t sid;
};

/* Allocates nothing yet. `capacity` 0: remembers nothing. */
void seen_init(struct seen *seen, size_t capacity);
void seen_deinit(struct seen *seen);
bool seen_has(const struct seen *seen, const struct seen_delivery *delivery);
/* Remembers it; forgets the oldest when full. A stanza without origin is not remembered. */
void seen_add(struct seen *seen, const struct seen_delivery *delivery);
/* It was not delivered after all: when it comes again it is new. */
void seen_remove(struct seen *seen, const struct seen_delivery *delivery);

#endif
