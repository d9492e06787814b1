/* Parcels: what goes to one holder because of one stanza, as one `deliver` item. */
#ifndef JACKDAW_ROUTER_PARCEL_H
#define JACKDAW_ROUTER_PARCEL_H

#include "base/list.h"
#include "route.h"

struct holder;

/* What is known of one of its sessions. */
struct parcel_part {
    struct span jid; /* the address it was chosen for */
    uint64_t epoch;
    bool is_resumable; /* it has entered its lane */
};

struct parcel {
    struct list_node node; /* holder->waiting, holder->sending or in a lane */
    struct holder *holder;
    struct job *job; /* held */
    struct bus_peer *peer;
    uint64_t since_ms;
    uint32_t count;
    bool is_rerouted;                /* what a session that is gone did not get is routed anew */
    const struct parcel_part *parts; /* `count` of them, or NULL */
    uint64_t sids[];                 /* then the parts and their text */
};

/* Notes that `session` is to get the routing's stanza, addressed to `jid`. */
void parcel_add(struct routing *routing, const struct route_session *session, struct span jid);
/* Whether it was noted already. */
bool parcel_is_for(const struct routing *routing, const struct route_session *session);
/* Makes parcels of what was noted and sends them. */
void parcel_flush(struct routing *routing);
/* Gives it to the bus. -1: no room. (For holder.c.) */
int parcel_send(struct parcel *parcel, struct bus_peer *peer);
/* The holder is gone: what is for sessions that can be resumed is kept for them, anything else is
 * routed to whom it was for without those sessions; frees. */
void parcel_lost(struct parcel *parcel);

#endif
