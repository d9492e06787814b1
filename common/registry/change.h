/* Changing a session that is bound: its flags, or who holds it. Used by `session` only.
 *
 * One primitive for everything: the record is read, changed, and written back only if it still is
 * what was read, in one script that also renames the session's resume queue when its epoch changes.
 * So a takeover happens once whoever tries at the same time, and what an earlier holder still
 * appends finds no queue any more: that is how it learns that the session is not its own.
 */
#ifndef JACKDAW_REGISTRY_CHANGE_H
#define JACKDAW_REGISTRY_CHANGE_H

#include "registry/registry.h"

struct registry_change {
    struct span account; /* bare JID; the session is found by its sid */
    uint64_t sid;
    uint64_t epoch;   /* what it must be; 0: any */
    struct span from; /* who must hold it; empty: whoever */
    uint32_t need;    /* flags it must have */
    uint32_t set;     /* flags */
    uint32_t clear;
    /* A takeover, unless empty: the new holder. The epoch becomes one higher. */
    struct span holder;
    struct span address; /* of the client, and how it is connected; empty: unchanged */
    struct span transport;
    /* With a takeover: since when no client is there (an earlier time stays); 0: one is. */
    uint64_t detached_ms;
    bool sets_resume;  /* resume_s counts */
    bool needs_resume; /* what cannot be resumed any more (resume_s 0) is not found */
    uint32_t resume_s;
    uint32_t lease_ms; /* as in registry_bind */
};

/* `now` is the session as it is (REGISTRY_OK: as it has become; REGISTRY_CONFLICT: its epoch or
 * its holder is another), `before` the record that was changed; NULL where there is none. REGISTRY_GONE: there is
 * no such session, or it has not what was needed. */
typedef void registry_change_fn(void *arg, enum registry_status status,
                                const struct registry_session *now,
                                const struct wire_session_record *before);
/* Copies what it needs. REGISTRY_DOWN leaves open whether it was done. */
void registry_change(struct redis *redis, const struct registry_change *change,
                     registry_change_fn *fn, void *arg);

#endif
