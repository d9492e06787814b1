/* The sweeper: cleans up the sessions of holders (edges) whose lease has lapsed.
 *
 * For each such session it says unavailable through the routers, as the holder would have done,
 * waits until that has been taken, then unbinds it. One holder at a time; several session daemons
 * share the work by claims (registry/sweep.h). After Redis was away (or this daemon just started)
 * it waits for one lease time, so that living holders can renew theirs first.
 */
#ifndef JACKDAW_SESSION_SWEEP_H
#define JACKDAW_SESSION_SWEEP_H

struct session;
struct sweep;

/* Returns owned; starts looking every session.sweep_interval. */
struct sweep *sweep_new(struct session *session);
/* Starts nothing new. */
void sweep_stop(struct sweep *sweep);
/* After redis_free. */
void sweep_free(struct sweep *sweep);

#endif
