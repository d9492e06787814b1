/* Cleaning up after holders whose lease has lapsed: used by `session` only.
 *
 * A sweep is claimed by one session daemon for a while; when that one dies too, the claim lapses
 * and another goes on where it stopped: sessions leave the index one by one as they are dealt with.
 */
#ifndef JACKDAW_REGISTRY_SWEEP_H
#define JACKDAW_REGISTRY_SWEEP_H

#include "registry/registry.h"

#include <stddef.h>
#include <stdint.h>

/* `lapsed` names a holder and its generation, empty when there is nothing to sweep. */
typedef void registry_claim_fn(void *arg, enum registry_status status, struct span lapsed);
/* Claims one lapsed holder (or one whose claim has lapsed) for `claim_ms`. */
void registry_sweep_claim(struct redis *redis, uint32_t claim_ms, registry_claim_fn *fn, void *arg);

struct registry_left {
    uint64_t sid;
    struct span jid; /* full */
};
typedef void registry_left_fn(void *arg, enum registry_status status,
                              const struct registry_left *sessions, size_t count);
/* The next sessions (about `max`) `lapsed` has left behind, none when all are dealt with; prolongs
 * the claim. */
void registry_sweep_next(struct redis *redis, struct span lapsed, uint32_t max, uint32_t claim_ms,
                         registry_left_fn *fn, void *arg);
/* One of them is dealt with: removes it from the registry (if it is still that sid, and this
 * holder's) and the index. */
void registry_sweep_session(struct redis *redis, struct span lapsed,
                            const struct registry_left *left, registry_done_fn *fn, void *arg);
/* One of them is somebody else's by now: removes it from the index only. */
void registry_sweep_forget(struct redis *redis, struct span lapsed, uint64_t sid,
                           registry_done_fn *fn, void *arg);
/* All are dealt with. */
void registry_sweep_done(struct redis *redis, struct span lapsed, registry_done_fn *fn, void *arg);
/* The instance name in `lapsed`. */
struct span registry_sweep_holder(struct span lapsed);

#endif
