/* The keeper: sessions whose client is not there at the moment (XEP-0198 section 5).
 *
 * It is a holder like an edge, with a lease of its own: routers deliver to it, and it puts what comes
 * into the session's resume queue. It gets a session when its holder hands it over (detach), when a
 * holder has died (the sweep, or a router that has something for the session), and gives it to
 * whoever the client comes back to (resume). When the time to resume is over it says unavailable,
 * has routers find other ways for what the client did not acknowledge, and unbinds. What it keeps
 * when it dies itself is swept like any holder's.
 */
#ifndef JACKDAW_SESSION_KEEPER_H
#define JACKDAW_SESSION_KEEPER_H

#include "registry/change.h"
#include "registry/sweep.h"
#include "session.h"

struct keeper;

/* `instance` is the daemon's, `bus` may be NULL in tests. Returns owned. */
struct keeper *keeper_new(struct session *session, struct bus *bus, const char *instance);
/* First before redis_free: lets go of all sessions, whoever sweeps them gets them. */
void keeper_stop(struct keeper *keeper);
/* After redis_free. NULL is fine. */
void keeper_free(struct keeper *keeper);
/* Whether it may be handed sessions: its lease is held. */
bool keeper_is_ready(const struct keeper *keeper);
/* Sessions kept at the moment. */
size_t keeper_count(const struct keeper *keeper);

/* Items that are for holders: true when it was one. */
bool keeper_item(struct keeper *keeper, struct bus_peer *peer, uint64_t token,
                 const struct wire_msg *msg);
void keeper_peer_down(struct keeper *keeper, struct bus_peer *peer);

/* A session a dead holder has left behind. `done` with REGISTRY_OK: it is kept; REGISTRY_CONFLICT:
 * it is somebody else's; REGISTRY_GONE: it cannot be kept, or is not there. */
typedef void keeper_done_fn(void *arg, enum registry_status status);
void keeper_sweep(struct keeper *keeper, const struct registry_left *left, struct span holder,
                  keeper_done_fn *done, void *arg);

#endif
