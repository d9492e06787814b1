/* The route cache's own: accounts as route_account.c keeps them, route_cache.c asks and serves,
 * route_news.c updates. */
#ifndef JACKDAW_ROUTER_ROUTE_CACHE_INTERNAL_H
#define JACKDAW_ROUTER_ROUTE_CACHE_INTERNAL_H

#include "base/map.h"
#include "loop/timer.h"
#include "route_cache.h"

struct account {
    struct route_entry pub;
    struct list_node use;   /* by last use, oldest first */
    struct list_node retry; /* in cache->retry while a reading must be repeated */
    struct list_node waiters;
    uint32_t loads_started;
    uint32_t loads_done;
    uint32_t pins;      /* in use further up the stack */
    struct map blocked; /* pub.blocked, unless empty */
    bool is_known;      /* pub.sessions and pub.blocked are what Redis has */
    bool is_loading;
    bool is_stale; /* something changed while it was loading */
    bool is_asking;
    bool was_asked;        /* pub.exists is an answer */
    uint64_t exists_until; /* ms, while pub.exists */
    struct span jid;
    char text[];
};

struct route_cache {
    struct route_cache_options options;
    struct map accounts;
    struct list_node use;
    struct list_node retry;
    struct loop_timer retry_timer;
    size_t waiting;
};

/* NULL when it is not remembered. */
struct account *account_find(struct route_cache *cache, struct span jid);
/* Makes it when it is not; may forget others that nobody waits for. */
struct account *account_make(struct route_cache *cache, struct span jid);
void account_free(struct route_cache *cache, struct account *account);
/* It was used just now. */
void account_touch(struct route_cache *cache, struct account *account);
/* What is remembered of the sessions counts no more. */
void account_invalidate(struct account *account);

void sessions_clear(struct account *account);
void blocked_set(struct account *account, const struct span *jids, size_t count);
void session_add(struct route_cache *cache, struct account *account,
                 const struct route_loaded *from);
void session_remove(struct account *account, struct route_session *session);
struct route_session *session_by_sid(struct account *account, uint64_t sid);
struct route_session *session_by_resource(struct account *account, struct span resource);

#endif
