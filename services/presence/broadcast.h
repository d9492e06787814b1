/* Broadcast: presence of one session to everybody who is to see it. */
#ifndef JACKDAW_PRESENCE_BROADCAST_H
#define JACKDAW_PRESENCE_BROADCAST_H

#include "contact.h"
#include "job.h"
#include "roster_store.h"
#include "state.h"

/* To contacts that are subscribed (FROM) and to the account's available resources, the sender among
 * them: one forward. `came_sid` not 0: that session can take messages to the account from now on, which
 * the archive hears of by the same way (bus/wire.def, forward). */
void broadcast_send(struct job *job, const struct stanza *stanza, const struct roster *contacts,
                    const struct state *state, uint64_t came_sid);
/* Tells the cluster what the session now is; Redis has it already. */
void broadcast_notice(struct job *job, const struct state_session *session);

#endif
