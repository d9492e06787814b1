/* Custody: how a daemon that holds sessions keeps what it was given for them.
 *
 * A delivery is settled at its router when each session it is for has it: when Redis has it in the
 * session's resume queue (queue.h), or when the client has acknowledged it. What a session that is
 * not here any more did not get is told back (`missed`). What was delivered lately is remembered, so
 * that none is delivered twice (seen.h); who takes a session over learns it from the queue.
 *
 * One struct custody per process: edges, c2s and session daemons hold one.
 */
#ifndef JACKDAW_CUSTODY_CUSTODY_H
#define JACKDAW_CUSTODY_CUSTODY_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/list.h"
#include "bus/bus.h"
#include "custody/seen.h"
#include "loop/task.h"
#include "loop/timer.h"

#include <stdbool.h>
#include <stdint.h>

struct redis;

struct custody_options {
    struct loop *loop;
    struct bus *bus;
    struct redis *redis;  /* NULL: there are no queues */
    uint64_t remember_ms; /* deliveries are remembered for so long; 0: not */
    uint32_t keep_ms;     /* what a client acknowledged stays in its queue for this long at least */
};

/* Embeddable; private but for `seen` and its size. */
struct custody {
    struct custody_options options;
    struct seen seen;
    struct list_node held;   /* struct delivery.node: queues have them */
    struct list_node untold; /* struct delivery.node: `missed` items the bus had no room for */
    struct list_node told;   /* struct delivery.node: with the bus */
    struct list_node dirty;  /* struct custody_queue.dirty: to be written when this turn ends */
    struct list_node active; /* struct custody_queue.active: with something to trim */
    struct list_node noting; /* remember.c: commands under way */
    struct loop_task flush;
    struct loop_timer tell_again;
    struct loop_timer write_again;
    struct loop_timer tick;
    struct arena arena; /* of the command being made */
    struct buf encoded;
};

void custody_init(struct custody *custody, const struct custody_options *options);
/* Every queue must be closed before; deliveries that were not told back are forgotten. */
void custody_deinit(struct custody *custody);
/* For bus_handlers.peer_down: must be called. */
void custody_peer_down(struct custody *custody, struct bus_peer *peer);

/* ---- deliveries ---- */
/* An item until everybody it is for has it. Counted; the last release settles it. */
struct delivery {
    struct list_node node;
    struct custody *custody;
    struct bus_peer *peer; /* NULL: nobody waits for it, or who did is gone */
    uint64_t token;
    uint64_t origin_sid;
    uint64_t origin_n;
    uint64_t *missed; /* sessions that did not get it */
    uint32_t missed_count;
    uint32_t room; /* in `missed` */
    uint32_t flags;
    uint32_t refs;
    uint32_t stanza_len;
    char stanza[]; /* encoded */
};

/* Returns owned, one reference. `peer` may be NULL. Copies the stanza; at most `recipients` can
 * miss it. */
struct delivery *delivery_new(struct custody *custody, struct bus_peer *peer, uint64_t token,
                              const struct wire_deliver *item);
void delivery_ref(struct delivery *delivery);
void delivery_release(struct delivery *delivery);
/* Session `sid` did not get it. */
void delivery_missed(struct delivery *delivery, uint64_t sid);

static inline struct span delivery_stanza(const struct delivery *delivery)
{
    return (struct span){delivery->stanza, delivery->stanza_len};
}

#endif
