/* XEP-0359: the id a message has in the archive of an account, on the message itself. */
#ifndef JACKDAW_ROUTER_XEP0359_STANZA_ID_H
#define JACKDAW_ROUTER_XEP0359_STANZA_ID_H

#include "base/arena.h"
#include "stanza/stanza.h"

#include <stdbool.h>
#include <stdint.h>

struct stanza_id {
    struct span by; /* bare JID */
    uint8_t bytes[16];
};

/* The id of the `n`-th stanza of session `sid` in the archive of `account` (borrowed). */
void stanza_id_make(uint64_t sid, uint64_t n, struct span account, struct stanza_id *id_out);
/* Takes every <stanza-id/> by `account` off: nobody but its server may set one (section 3). True
 * when there was one; what is new is in `arena`. */
bool stanza_id_strip(struct stanza *stanza, struct span account, struct arena *arena);
void stanza_id_add(struct stanza *stanza, const struct stanza_id *id, struct arena *arena);

#endif
