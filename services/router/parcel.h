/* Parcels: what goes to one holder because of one stanza, as one `deliver` item. */
#ifndef JACKDAW_ROUTER_PARCEL_H
#define JACKDAW_ROUTER_PARCEL_H

#include "base/list.h"
#include "route.h"

struct holder;

struct parcel {
    struct list_node node; /* holder->waiting or holder->sending */
    struct holder *holder;
    struct job *job; /* held */
    struct bus_peer *peer;
    uint64_t since_ms;
    uint32_t count;
    bool has_jids; /* `sids` is followed by that many struct span and their text */
    uint64_t sids[];
};

/* Notes that `session` is to get the routing's stanza, addressed to `jid`. */
void parcel_add(struct routing *routing, const struct route_session *session, struct span jid);
/* Whether it was noted already. */
bool parcel_is_for(const struct routing *routing, const struct route_session *session);
/* Makes parcels of what was noted and sends them. */
void parcel_flush(struct routing *routing);
/* Gives it to the bus. -1: no room. (For holder.c.) */
int parcel_send(struct parcel *parcel, struct bus_peer *peer);
/* The holder is gone: routes to whom it was for without those sessions; frees. */
void parcel_lost(struct parcel *parcel);

#endif
