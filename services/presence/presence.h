/* The presence daemon as a whole: what its files share.
 *
 * Roster and subscriptions are rows in SQL (roster_store.h, roster_change.h), presence of sessions
 * is in Redis (state.h). Nothing about an account is kept here between two requests, so that any
 * instance can take the next one; while requests for one account are at work they wait for each
 * other (job.h).
 *
 * Each request runs through the same phases: VALIDATE (is it well-formed and allowed; what is
 * blocked does not come here, that is the routers' phase BLOCK), GATHER (read roster and state, side by side),
 * STORE (SQL and Redis), PUSH (roster pushes), DELIVER (stanzas to contacts and own resources).
 */
#ifndef JACKDAW_PRESENCE_PRESENCE_H
#define JACKDAW_PRESENCE_PRESENCE_H

#include "base/map.h"
#include "daemon/daemon.h"
#include "job.h"
#include "redis/redis.h"
#include "service/service.h"
#include "sql/sql.h"

struct presence_limits {
    uint32_t max_items;    /* in a roster */
    uint32_t max_groups;   /* of an item */
    uint32_t max_name;     /* bytes of a name or a group */
    uint32_t max_requests; /* unanswered subscription requests of an account */
    uint32_t max_blocked;  /* JIDs in a block list */
    uint32_t max_request;  /* bytes of one that is kept whole; else only its header */
    uint32_t retry_for_ms; /* how long work waits for Redis or the database */
};

struct presence {
    struct daemon *daemon;
    struct redis *redis;
    struct sql *sql;
    struct service *service;
    struct presence_limits limits;
    struct map accounts; /* bare JID to struct job_queue: accounts with work */
    size_t jobs;
    struct map clears; /* bare JID to struct service_clear: accounts about to be made */
    daemon_done_fn *drained;
    void *drained_arg;
};

extern const struct service_table presence_table;

/* For daemon_spec. */
size_t presence_announce(struct arena *arena, const struct span **lines_out);
int presence_open(struct daemon *d, void **ctx_out);
bool presence_is_ready(void *ctx, struct buf *why);
void presence_reload(void *ctx);
void presence_drain(void *ctx, daemon_done_fn *done, void *arg);
void presence_close(void *ctx);
void presence_item(void *ctx, struct bus_peer *peer, uint64_t token, const struct wire_msg *msg);
void presence_peer_down(void *ctx, struct bus_peer *peer);
void presence_notice(void *ctx, const struct wire_msg *msg);

/* Whether the JID's domain is ours. */
bool presence_is_local(const struct presence *presence, struct span jid);

/* ---- handlers: each starts a job ---- */
service_handler_fn presence_stanza;  /* presence.c: by direction and type to one of the following */
service_handler_fn roster_get;       /* roster.c */
service_handler_fn roster_set;       /* roster.c */
service_handler_fn available_out;    /* available.c: presence without `to` */
service_handler_fn unavailable_out;  /* unavailable.c: the same with type unavailable */
service_handler_fn directed_out;     /* directed.c: presence with `to` */
service_handler_fn subscription_out; /* subscription.c */
service_handler_fn subscription_in;  /* subscription.c */
service_handler_fn probe_out;        /* probe.c */
service_handler_fn probe_in;         /* probe.c */
service_handler_fn xep0012_last;     /* xep0012_last.c: of an account */
service_handler_fn xep0012_resource; /* xep0012_last.c: of a session, by whom it may be asked */
service_handler_fn xep0030_account;  /* xep0030_account.c */
service_handler_fn xep0191_get;      /* xep0191_blocking.c: <blocklist/> */
service_handler_fn xep0191_set;      /* xep0191_blocking.c: <block/>, <unblock/> */
/* removal.c: the account is gone. */
void removal_start(struct presence *presence, struct span account);
service_clear_fn removal_clear; /* removal.c: an account of that name is about to be made */

#endif
