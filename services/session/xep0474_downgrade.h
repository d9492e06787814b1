/* SCRAM downgrade protection (XEP-0474): the server's first message carries a hash of what the
 * stream advertised. The proof covers it, so a list that was changed on its way is found out. */
#ifndef JACKDAW_SESSION_XEP0474_DOWNGRADE_H
#define JACKDAW_SESSION_XEP0474_DOWNGRADE_H

#include "base/arena.h"
#include "bus/wire.h"
#include "crypt/crypt.h"

/* "h=BASE64" in `arena`, from the state's mechanisms and binding_types; empty when the stream does
 * not say what it advertised. */
struct span xep0474_attribute(enum crypt_hash hash, const struct wire_sasl_state *state,
                              struct arena *arena);

#endif
