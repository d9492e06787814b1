/* A holder's lease: as long as a daemon that holds sessions renews it, they are its own.
 *
 * A holder is an instance name plus a generation, a random name per life of the process: what an
 * earlier life left behind is swept as soon as the next one takes its lease. When the lease lapses
 * (the process is stopped, dead or cut off from Redis while others are not) `session` sweeps its
 * sessions; a holder that finds its lease gone has lost its sessions and must end them.
 */
#ifndef JACKDAW_REGISTRY_LEASE_H
#define JACKDAW_REGISTRY_LEASE_H

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct redis;
struct registry_lease;

/* The lease was lost: every session bound before this call is swept by others. A new lease is being
 * taken already. */
typedef void registry_lost_fn(void *arg);

/* Takes the lease as soon as Redis is there, and renews it every third of `lease_ms` (option
 * cluster.lease). `lost` may be NULL. Returns owned. Do not bind sessions before it is held. */
struct registry_lease *registry_lease_new(struct loop *loop, struct redis *redis,
                                          const char *holder, uint32_t lease_ms,
                                          registry_lost_fn *lost, void *arg);
/* Taken, and not lost as far as we know: for readiness. Stays true while Redis is away. */
bool registry_lease_is_held(const struct registry_lease *lease);
/* Gives the lease up (what is still bound is swept at once) and frees. Before redis_free. NULL is
 * allowed. */
void registry_lease_free(struct registry_lease *lease);

#endif
