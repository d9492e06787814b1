/* XEP-0203 section 4: a client may not say in the name of its server that a stanza was delayed. */
#ifndef JACKDAW_ROUTER_XEP0203_DELAY_H
#define JACKDAW_ROUTER_XEP0203_DELAY_H

#include "stanza/stanza.h"

#include <stdbool.h>

struct router;

/* Takes off each <delay/> from one of our domains. True when there was one; what is new is in
 * `arena`. */
bool delay_drop_forged(const struct router *router, struct stanza *stanza, struct arena *arena);

#endif
