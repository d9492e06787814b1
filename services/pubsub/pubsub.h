/* The pubsub daemon as a whole: what its files share.
 *
 * What an account stores is rows in SQL (store.h). Nothing about an account is kept here between
 * two requests, so that any instance can take the next one. What one account asks for goes to the
 * database in the order it came in, for its statements share a key (struct sql's ordering).
 */
#ifndef JACKDAW_PUBSUB_PUBSUB_H
#define JACKDAW_PUBSUB_PUBSUB_H

#include "base/list.h"
#include "daemon/daemon.h"
#include "redis/redis.h"
#include "service/service.h"
#include "sql/sql.h"

struct pubsub_limits {
    size_t max_vcard;              /* bytes */
    size_t max_private;            /* bytes of one element */
    uint32_t max_private_elements; /* of an account */
};

struct pubsub {
    struct daemon *daemon;
    struct redis *redis;
    struct sql *sql;
    struct service *service;
    struct pubsub_limits limits;
    size_t asks;                 /* requests at the database */
    struct list_node forgetting; /* forget.c's */
    daemon_done_fn *drained;
    void *drained_arg;
};

extern const struct service_table pubsub_table;

/* For daemon_spec. */
size_t pubsub_announce(struct arena *arena, const struct span **lines_out);
int pubsub_open(struct daemon *d, void **ctx_out);
bool pubsub_is_ready(void *ctx, struct buf *why);
void pubsub_reload(void *ctx);
void pubsub_drain(void *ctx, daemon_done_fn *done, void *arg);
void pubsub_close(void *ctx);
void pubsub_item(void *ctx, struct bus_peer *peer, uint64_t token, const struct wire_msg *msg);
void pubsub_peer_down(void *ctx, struct bus_peer *peer);
void pubsub_notice(void *ctx, const struct wire_msg *msg);

/* ---- handlers ---- */
service_handler_fn xep0049_get;    /* xep0049_private.c */
service_handler_fn xep0049_set;    /* xep0049_private.c */
service_handler_fn xep0054_get;    /* xep0054_vcard.c: of an account */
service_handler_fn xep0054_set;    /* xep0054_vcard.c */
service_handler_fn xep0054_server; /* xep0054_vcard.c: the server's own */

#endif
