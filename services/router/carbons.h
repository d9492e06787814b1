/* XEP-0280: copies of messages for the other resources of both accounts.
 *
 * A copy is a stanza of its own (a child job of the message's, with its origin id), addressed to the full JID
 * of one session; rules.h has a row for it: it goes there or nowhere. The message is settled when its copies are.
 * Holders drop what a session has had under the same origin id, so a message that is routed again
 * copies nothing twice.
 */
#ifndef JACKDAW_ROUTER_CARBONS_H
#define JACKDAW_ROUTER_CARBONS_H

#include "route.h"

#include <stdbool.h>

/* Section 6.1: the message is one that is copied. */
bool carbons_is_eligible(const struct stanza *stanza);
/* It is such a copy, on its way. Clients cannot make one: their `from` is a full JID. */
bool carbons_is_copy(const struct stanza *stanza);
/* Section 8: to the other sessions of the sender, a client. Looks the sender's account up if it must. */
void carbons_sent(struct routing *routing, const struct target *target);
/* Section 6.1: an error for a message that is eligible itself, made here for the session `asker_sid`; to the
 * other sessions of its account. `answering` is the routing of the error. */
void carbons_answered(struct routing *answering, uint64_t asker_sid);
/* Section 7: to the sessions of the recipient, whose `target->entry` is known, that do not get the
 * message itself. To be called when the routing has its parcels; does nothing but for messages. */
void carbons_received(struct routing *routing, const struct target *target);

#endif
