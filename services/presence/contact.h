/* What a contact gets to see: the presence of the account's resources. */
#ifndef JACKDAW_PRESENCE_CONTACT_H
#define JACKDAW_PRESENCE_CONTACT_H

#include "state.h"

struct job;

/* Sends the session's stored presence to `to`, stamped with when it came (XEP-0203), if it is
 * available. Returns whether it is. */
bool contact_send_session(struct job *job, const struct state_session *session, struct span to);
/* The same for every session of `state`. Returns how many are available. */
size_t contact_send_available(struct job *job, const struct state *state, struct span to);
/* Sends unavailable presence of every available session to `to`. */
void contact_send_unavailable(struct job *job, const struct state *state, struct span to);
/* The contact loses what subscription there was in `before` (STATE_* bits): cancels both ways
 * (RFC 6121 section 2.5.2), after telling that all resources are gone. */
void contact_cancel(struct job *job, const struct state *state, unsigned before, struct span to);

#endif
