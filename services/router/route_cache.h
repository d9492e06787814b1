/* What the router knows of local accounts: their sessions, where those are held, who is available.
 *
 * Read from Redis when first needed, kept fresh by notices, dropped when notices may have been
 * missed, bounded (the account that was not used for longest goes first). Nobody may act on "not
 * there" from memory alone, since a notice may still be on its way: such answers are asked for with
 * ROUTE_FRESH.
 *
 * Order: an account somebody waits for is unknown to all others, so that nobody overtakes; waiters
 * are called in the order they came.
 */
#ifndef JACKDAW_ROUTER_ROUTE_CACHE_H
#define JACKDAW_ROUTER_ROUTE_CACHE_H

#include "base/list.h"
#include "base/span.h"
#include "bus/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct holder;
struct holders;
struct loop;
struct map;
struct route_cache;

struct route_session {
    uint64_t sid;
    uint64_t epoch;
    struct holder *holder;
    struct span resource;
    uint32_t flags;   /* WIRE_SESSION_* */
    uint32_t changes; /* of the record: news of an earlier state are old */
    int16_t priority;
    bool is_available;
};

/* An account. Read only, and only until control goes back to the loop. */
struct route_entry {
    struct route_session *sessions;
    uint32_t count;
    const struct map *blocked; /* its block list, as keys; NULL: it blocks nobody; with sessions */
    bool exists; /* false only when somebody asked with ROUTE_EXISTENCE and it does not */
};

/* What a reader needs to know. */
#define ROUTE_SESSIONS  1u /* and what the account blocks */
#define ROUTE_EXISTENCE 2u
#define ROUTE_FRESH     4u /* the sessions as Redis has them now */
#define ROUTE_ASKED     8u /* existence, of which sessions are no proof: they may outlive an account */

enum route_answer {
    ROUTE_KNOWN,
    ROUTE_FAILED, /* Redis or session gave no answer for ROUTE_PATIENCE_MS */
    ROUTE_CLOSED, /* the cache is being freed */
};

#define ROUTE_PATIENCE_MS 10000

/* Embedded in whatever waits; everything but `fn` and `arg` is the cache's. */
struct route_waiter {
    struct list_node node;
    bool is_fresh; /* when `fn` is called: the sessions were read since the wait began */
    /* `entry` is what was asked for; with ROUTE_FAILED what is remembered, perhaps nothing. */
    void (*fn)(void *arg, enum route_answer answer, const struct route_entry *entry);
    void *arg;
    unsigned needs;
    uint32_t load; /* how often the account had been read when the wait began */
    uint64_t since_ms;
};

/* Where knowledge comes from. `account` lives until the answer is given. Never answers from inside.
 */
struct route_source {
    void *ctx;
    bool (*is_up)(void *ctx);
    /* Ends in route_cache_loaded. `was_empty`: there were no sessions the last time. */
    void (*load)(void *ctx, struct span account, bool was_empty);
    void (*exists)(void *ctx, struct span account); /* ends in route_cache_existence */
};

struct route_cache_options {
    struct loop *loop;
    struct holders *holders;
    struct route_source source;
    size_t max_accounts;
    size_t max_waiting;
};

struct route_cache *route_cache_new(const struct route_cache_options *options);
/* Waiters are called with ROUTE_CLOSED. */
void route_cache_free(struct route_cache *cache);
void route_cache_set_limits(struct route_cache *cache, size_t max_accounts, size_t max_waiting);
size_t route_cache_accounts(const struct route_cache *cache);

/* The account if everything in `needs` is known now, else NULL. */
const struct route_entry *route_cache_get(struct route_cache *cache, struct span account,
                                          unsigned needs);
/* Whether it was asked lately that this account, an entry of the cache, exists. */
bool route_cache_is_sure(const struct route_cache *cache, const struct route_entry *entry);
/* Has `waiter` called once all of `needs` is known; never from inside. -1 when too many wait, or
 * when the truth cannot be had now (ROUTE_FRESH while Redis is away). */
int route_cache_wait(struct route_cache *cache, struct span account, unsigned needs,
                     struct route_waiter *waiter);

/* Has the account read unless its sessions are known: somebody will ask soon. */
void route_cache_warm(struct route_cache *cache, struct span account);

/* ---- answers of the source ---- */
struct route_loaded {
    struct span resource;
    struct span holder;
    uint64_t sid;
    uint64_t epoch;
    uint32_t flags;
    uint32_t changes;
    int16_t priority;
    bool is_available;
};
/* `sessions` NULL: Redis gave no answer. */
void route_cache_loaded(struct route_cache *cache, struct span account,
                        const struct route_loaded *sessions, size_t count);
/* Before route_cache_loaded, when the list was read as well: what the account blocks. */
void route_cache_blocked(struct route_cache *cache, struct span account, const struct span *jids,
                         size_t count);
enum route_existence { ROUTE_EXISTS, ROUTE_EXISTS_NOT, ROUTE_EXISTS_UNKNOWN };
void route_cache_existence(struct route_cache *cache, struct span account,
                           enum route_existence existence);

/* ---- news ---- */
void route_cache_session(struct route_cache *cache, const struct wire_session_changed *news);
void route_cache_presence(struct route_cache *cache, const struct wire_presence_changed *news);
void route_cache_blocks_changed(struct route_cache *cache, struct span account);
void route_cache_removed(struct route_cache *cache, struct span account);
/* A holder says this session is not there. */
void route_cache_forget(struct route_cache *cache, struct span account, uint64_t sid);
/* Notices may have been missed: nothing remembered counts any more. */
void route_cache_gap(struct route_cache *cache);

#endif
