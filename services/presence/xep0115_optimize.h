/* XEP-0115 section 8.4, caps optimisation: what a contact knows of a session's capabilities is not sent again
 * with every change of its presence, and a client may leave it out itself. */
#ifndef JACKDAW_PRESENCE_XEP0115_OPTIMIZE_H
#define JACKDAW_PRESENCE_XEP0115_OPTIMIZE_H

#include "job.h"
#include "state.h"

/* `now` is the new presence of an available session, whose earlier one is in `session`. Puts the <c/> of
 * the earlier one into `now` when it has none, so that who asks is told; in the job's arena. True when
 * both have the same: whoever got the earlier one need not get it again. */
bool caps_keep(struct job *job, const struct state_session *session, struct stanza *now);
/* Takes <c/> out. */
void caps_strip(struct job *job, struct stanza *shown);

#endif
