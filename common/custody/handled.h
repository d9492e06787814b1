/* What was handled of a client's stanzas (XEP-0198 `h`): they are numbered as they come, settled in
 * any order, and acknowledged in order, up to the first that is not settled.
 */
#ifndef JACKDAW_CUSTODY_HANDLED_H
#define JACKDAW_CUSTODY_HANDLED_H

#include <stdbool.h>
#include <stdint.h>

/* Embeddable; all zero begins at nothing. */
struct custody_handled {
    uint64_t count;   /* all up to this number are settled */
    uint64_t last;    /* that came */
    uint8_t *settled; /* ring of flags, by number; NULL while nothing is unsettled */
    uint32_t size;    /* a power of two */
};

/* A session goes on where `count` were handled. */
void custody_handled_start(struct custody_handled *handled, uint64_t count);
void custody_handled_free(struct custody_handled *handled);
/* One came: its number. */
uint64_t custody_handled_begin(struct custody_handled *handled);
/* It is settled. True when `count` has grown. */
bool custody_handled_settle(struct custody_handled *handled, uint64_t number);

#endif
