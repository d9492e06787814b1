/* Holders: the daemons that hold sessions, by the name of their instance, and what waits for them.
 *
 * Sessions name their holder before we need have heard of it, and outlive it in Redis for a while.
 * A holder that has not said hello yet is waited for (router.holder_wait); one that was here and
 * went is gone at once: its sessions count as not there until it comes back.
 */
#ifndef JACKDAW_ROUTER_HOLDER_H
#define JACKDAW_ROUTER_HOLDER_H

#include "base/list.h"
#include "base/span.h"
#include "loop/timer.h"

#include <stdbool.h>
#include <stdint.h>

struct bus_peer;
struct holders;
struct loop;
struct parcel;

struct holder {
    struct holders *holders;
    struct bus_peer *peer; /* NULL: not here */
    bool is_gone;
    struct list_node waiting; /* struct parcel.node: until it comes, or until it has room */
    struct list_node sending; /* struct parcel.node: with the bus, not settled */
    struct loop_timer timer;
    struct span name;
    char text[];
};

/* Returns owned. */
struct holders *holders_new(struct loop *loop, uint32_t wait_ms);
/* Frees everything, parcels too; their jobs are not released. */
void holders_free(struct holders *holders);
void holders_set_wait(struct holders *holders, uint32_t wait_ms);

/* The holder of that name, known or not; lives as long as `holders`. */
struct holder *holder_get(struct holders *holders, struct span name);
void holder_up(struct holders *holders, struct bus_peer *peer);
void holder_down(struct holders *holders, struct bus_peer *peer);
/* Takes the parcel and sends it now, or when the holder is there and has room; ends in parcel_lost
 * when it does not come. Order is kept. */
void holder_send(struct holder *holder, struct parcel *parcel);

#endif
