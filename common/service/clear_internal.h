/* Items `clear_account`, until they are settled; in a list that the service has. */
#ifndef JACKDAW_SERVICE_CLEAR_INTERNAL_H
#define JACKDAW_SERVICE_CLEAR_INTERNAL_H

#include "base/list.h"
#include "service/service.h"

struct clear_item {
    struct bus_peer *peer;
    uint64_t token;
    struct span account;
};

/* Hands it to the table's `clear`. Borrows `options` until it is ended or freed. */
void clear_item(const struct service_options *options, struct list_node *clears,
                const struct clear_item *item);
void clear_peer_down(struct list_node *clears, const struct bus_peer *peer);
/* Frees all, settling none. */
void clear_free(struct list_node *clears);

#endif
