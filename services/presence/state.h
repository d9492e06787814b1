/* Presence state of sessions, in Redis: jd:p:{account}, joined with the registry of sessions.
 *
 * A record counts only while the registry has a session of the same sid under that resource;
 * records that do not are removed by whoever finds them while at work for the account.
 */
#ifndef JACKDAW_PRESENCE_STATE_H
#define JACKDAW_PRESENCE_STATE_H

#include "base/span.h"
#include "stanza/stanza.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STATE_PRIORITY_ZERO 128 /* priorities are stored with this added */

struct job;

/* A bound session. */
struct state_session {
    struct span resource;
    struct span jid; /* full */
    uint64_t sid;
    uint32_t flags; /* WIRE_PRESENCE_*; 0 when it has no record */
    uint32_t priority_plus_128;
    struct span stanza; /* its last presence, encoded; empty unless available */
    uint64_t
        changed_n; /* the stanza that made it available or unavailable, or changed what everybody
                           must know; 0: none */
    uint64_t since_ms; /* real time when `stanza` came; 0: not known */
};

struct state {
    struct span account;
    struct state_session *sessions;
    size_t count;
    struct state_session *stale; /* records of sessions that are not bound any more */
    size_t stale_count;
};

/* Reads the account's sessions and their presence into `state` (zeroed by this, lives in the job's
 * arena as does all in it). Holds the job; many reads of one turn are one round trip. */
void state_read(struct job *job, struct span account, struct state *state);
/* The session with that sid, or NULL. */
struct state_session *state_find(const struct state *state, uint64_t sid);
/* The record without a session with that sid, or NULL. */
struct state_session *state_find_stale(const struct state *state, uint64_t sid);
static inline bool state_is_available(const struct state_session *session)
{
    return (session->flags & 1u) != 0;
}
/* How many sessions are available. */
size_t state_available_count(const struct state *state);
/* Full JIDs of the sessions that have one of `flags`; returns how many, the list is in the job's
 * arena. */
size_t state_jids(struct job *job, const struct state *state, uint32_t flags,
                  const struct span **jids_out);

/* Stores what `session` now is (nothing left: removes it) and removes stale records. Holds the job.
 */
void state_write(struct job *job, const struct state *state, const struct state_session *session);
/* Removes the record of a session that is not bound any more. Holds the job. */
void state_erase(struct job *job, struct span resource);

#endif
