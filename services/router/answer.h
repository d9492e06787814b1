/* Stanzas the router makes itself: answers to what it was asked, errors for what it cannot deliver.
 */
#ifndef JACKDAW_ROUTER_ANSWER_H
#define JACKDAW_ROUTER_ANSWER_H

#include "route.h"

/* Sends `reply` to the sender of the routing's stanza; the job is not settled before it is. To a
 * client it goes straight to the session that asked, without looking anything up. Its origin derives
 * from the question's: asked again, the same answer is sent again, and its holder drops it. */
void answer_send(struct routing *routing, const struct stanza *reply);
/* An iq result with `payload`. */
void answer_result(struct routing *routing, struct span payload);
/* An error about `target`; nothing when the stanza must not be answered with one. */
void answer_error(struct routing *routing, const struct target *target, const char *condition);
void answer_stanza_error(struct routing *routing, const struct target *target,
                         const struct stanza_error *error);

#endif
