/* The accounts a router knows: a map, a list by last use, and who waits for what. */
#include "route_cache.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "holder.h"
#include "jid/jid.h"
#include "loop/loop.h"
#include "loop/timer.h"
#include "metric/metric.h"

#define RETRY_MS       250   /* after a failed reading */
#define EXISTS_TRUE_MS 60000 /* how long an account that exists is believed to */
#define EVICT_STEPS    64    /* busy accounts to pass over before giving up */

struct account {
    struct route_entry pub;
    struct list_node use;   /* by last use, oldest first */
    struct list_node retry; /* in cache->retry while a reading must be repeated */
    struct list_node waiters;
    uint32_t loads_started;
    uint32_t loads_done;
    uint32_t pins; /* in use further up the stack */
    bool is_known; /* pub.sessions are what Redis has */
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

/* ---- sessions of an account ---- */

static void session_clear(struct route_session *session)
{
    mem_free((char *)(uintptr_t)session->resource.data);
}

static void sessions_clear(struct account *account)
{
    for (uint32_t i = 0; i < account->pub.count; i++)
        session_clear(&account->pub.sessions[i]);
    mem_free(account->pub.sessions);
    account->pub.sessions = NULL;
    account->pub.count = 0;
}

static void session_add(struct route_cache *cache, struct account *account,
                        const struct route_loaded *from)
{
    struct route_session *session;

    account->pub.sessions = mem_realloc_array(account->pub.sessions, account->pub.count + 1,
                                              sizeof(*account->pub.sessions));
    session = &account->pub.sessions[account->pub.count++];
    *session = (struct route_session){
        .sid = from->sid,
        .epoch = from->epoch,
        .holder = holder_get(cache->options.holders, from->holder),
        .resource = span_of(mem_strdup_span(from->resource), from->resource.len),
        .priority = from->priority,
        .is_available = from->is_available,
    };
}

static void session_remove(struct account *account, struct route_session *session)
{
    session_clear(session);
    *session = account->pub.sessions[--account->pub.count];
}

static struct route_session *session_by_sid(struct account *account, uint64_t sid)
{
    for (uint32_t i = 0; i < account->pub.count; i++) {
        if (account->pub.sessions[i].sid == sid)
            return &account->pub.sessions[i];
    }
    return NULL;
}

static struct route_session *session_by_resource(struct account *account, struct span resource)
{
    for (uint32_t i = 0; i < account->pub.count; i++) {
        if (span_eq(account->pub.sessions[i].resource, resource))
            return &account->pub.sessions[i];
    }
    return NULL;
}

/* ---- accounts ---- */

static void account_free(struct route_cache *cache, struct account *account)
{
    map_remove(&cache->accounts, account->jid);
    list_remove(&account->use);
    list_remove(&account->retry);
    sessions_clear(account);
    mem_free(account);
}

static bool account_is_busy(const struct account *account)
{
    return account->pins > 0 || account->is_loading || account->is_asking ||
           !list_is_empty(&account->waiters);
}

static void evict(struct route_cache *cache)
{
    int steps = EVICT_STEPS;

    LIST_FOREACH_SAFE(node, &cache->use)
    {
        struct account *account = CONTAINER_OF(node, struct account, use);

        if (map_count(&cache->accounts) < cache->options.max_accounts || steps-- == 0)
            return;
        if (!account_is_busy(account))
            account_free(cache, account);
    }
}

static struct account *account_find(struct route_cache *cache, struct span jid)
{
    return map_get(&cache->accounts, jid);
}

static struct account *account_make(struct route_cache *cache, struct span jid)
{
    struct account *account = account_find(cache, jid);

    if (account)
        return account;
    if (map_count(&cache->accounts) >= cache->options.max_accounts)
        evict(cache);
    account = mem_calloc(1, sizeof(*account) + jid.len);
    memcpy(account->text, jid.data, jid.len);
    account->jid = span_of(account->text, jid.len);
    account->pub.exists = true;
    list_init(&account->retry);
    list_init(&account->waiters);
    list_add_tail(&cache->use, &account->use);
    map_put(&cache->accounts, account->jid, account);
    return account;
}

static void account_touch(struct route_cache *cache, struct account *account)
{
    list_remove(&account->use);
    list_add_tail(&cache->use, &account->use);
}

/* What is remembered of the sessions counts no more. */
static void account_invalidate(struct account *account)
{
    if (account->is_loading)
        account->is_stale = true;
    account->is_known = false;
    sessions_clear(account);
}

static bool existence_is_known(const struct route_cache *cache, const struct account *account)
{
    if (account->is_known && account->pub.count > 0)
        return true;
    return account->was_asked &&
           (!account->pub.exists || loop_now_ms(cache->options.loop) < account->exists_until);
}

static bool knows(const struct route_cache *cache, const struct account *account, unsigned needs)
{
    if ((needs & ROUTE_SESSIONS) && !account->is_known)
        return false;
    return !(needs & ROUTE_EXISTENCE) || existence_is_known(cache, account);
}

const struct route_entry *route_cache_get(struct route_cache *cache, struct span jid,
                                          unsigned needs)
{
    struct account *account = account_find(cache, jid);

    if (!account || !list_is_empty(&account->waiters) || !knows(cache, account, needs)) {
        metric_inc(METRIC_router_cache_misses);
        return NULL;
    }
    account_touch(cache, account);
    return &account->pub;
}

/* ---- asking ---- */

static void start_load(struct route_cache *cache, struct account *account)
{
    if (account->is_loading)
        return;
    account->is_loading = true;
    account->is_stale = false;
    account->loads_started++;
    metric_inc(METRIC_router_cache_loads);
    cache->options.source.load(cache->options.source.ctx, account->jid);
}

static void start_asking(struct route_cache *cache, struct account *account)
{
    if (account->is_asking)
        return;
    account->is_asking = true;
    cache->options.source.exists(cache->options.source.ctx, account->jid);
}

static void start_for(struct route_cache *cache, struct account *account, unsigned needs)
{
    if ((needs & ROUTE_FRESH) || ((needs & ROUTE_SESSIONS) && !account->is_known))
        start_load(cache, account);
    if ((needs & ROUTE_EXISTENCE) && !existence_is_known(cache, account))
        start_asking(cache, account);
}

int route_cache_wait(struct route_cache *cache, struct span jid, unsigned needs,
                     struct route_waiter *waiter)
{
    struct account *account;

    if (cache->waiting >= cache->options.max_waiting)
        return -1;
    if ((needs & ROUTE_FRESH) && !cache->options.source.is_up(cache->options.source.ctx))
        return -1;
    account = account_make(cache, jid);
    account_touch(cache, account);
    start_for(cache, account, needs);
    waiter->needs = needs;
    waiter->load = account->loads_done;
    waiter->since_ms = loop_now_ms(cache->options.loop);
    list_add_tail(&account->waiters, &waiter->node);
    cache->waiting++;
    return 0;
}

/* ---- answering those who wait ---- */

static bool is_satisfied(const struct route_cache *cache, const struct account *account,
                         const struct route_waiter *waiter)
{
    if ((waiter->needs & ROUTE_FRESH) && account->loads_done == waiter->load)
        return false;
    return knows(cache, account, waiter->needs);
}

static void answer(struct route_cache *cache, struct account *account, struct route_waiter *waiter,
                   enum route_answer answer)
{
    list_remove(&waiter->node);
    cache->waiting--;
    waiter->is_fresh = account->loads_done != waiter->load;
    waiter->fn(waiter->arg, answer, &account->pub);
}

/* Those who wait at the front and can be answered; the next one says what is missing. */
static void serve(struct route_cache *cache, struct account *account)
{
    struct list_node *node;

    account->pins++;
    while ((node = list_first(&account->waiters)) != NULL) {
        struct route_waiter *waiter = CONTAINER_OF(node, struct route_waiter, node);

        if (!is_satisfied(cache, account, waiter)) {
            start_for(cache, account, waiter->needs & ~ROUTE_FRESH);
            break;
        }
        answer(cache, account, waiter, ROUTE_KNOWN);
    }
    account->pins--;
    if (!account->pub.exists) { /* an account may be made any time: not remembered */
        account->was_asked = false;
        account->pub.exists = true;
    }
}

static void fail_old(struct route_cache *cache, struct account *account)
{
    uint64_t now = loop_now_ms(cache->options.loop);
    struct list_node *node;

    account->pins++;
    while ((node = list_first(&account->waiters)) != NULL) {
        struct route_waiter *waiter = CONTAINER_OF(node, struct route_waiter, node);

        if (now - waiter->since_ms < ROUTE_PATIENCE_MS)
            break;
        answer(cache, account, waiter, ROUTE_FAILED);
    }
    account->pins--;
}

static void repeat_later(struct route_cache *cache, struct account *account)
{
    if (!list_is_linked(&account->retry))
        list_add_tail(&cache->retry, &account->retry);
    if (!loop_timer_is_active(&cache->retry_timer))
        loop_timer_start(&cache->retry_timer, RETRY_MS, 0);
}

static void retry_all(void *arg)
{
    struct route_cache *cache = arg;
    struct list_node todo;
    struct list_node *node;

    list_init(&todo);
    while ((node = list_pop(&cache->retry)) != NULL)
        list_add_tail(&todo, node);
    while ((node = list_pop(&todo)) != NULL) {
        struct account *account = CONTAINER_OF(node, struct account, retry);
        struct list_node *first;

        fail_old(cache, account);
        first = list_first(&account->waiters);
        if (first)
            start_for(cache, account, CONTAINER_OF(first, struct route_waiter, node)->needs);
    }
}

void route_cache_loaded(struct route_cache *cache, struct span jid,
                        const struct route_loaded *sessions, size_t count)
{
    struct account *account = account_find(cache, jid);

    ASSERT(account && account->is_loading);
    account->is_loading = false;
    if (!sessions) {
        repeat_later(cache, account);
        return;
    }
    if (account->is_stale) {
        start_load(cache, account);
        return;
    }
    sessions_clear(account);
    for (size_t i = 0; i < count; i++)
        session_add(cache, account, &sessions[i]);
    account->is_known = true;
    account->loads_done = account->loads_started;
    serve(cache, account);
}

void route_cache_existence(struct route_cache *cache, struct span jid,
                           enum route_existence existence)
{
    struct account *account = account_find(cache, jid);

    ASSERT(account && account->is_asking);
    account->is_asking = false;
    if (existence == ROUTE_EXISTS_UNKNOWN) {
        repeat_later(cache, account);
        return;
    }
    account->was_asked = true;
    account->pub.exists = existence == ROUTE_EXISTS;
    account->exists_until = loop_now_ms(cache->options.loop) + EXISTS_TRUE_MS;
    serve(cache, account);
}

/* ---- news ---- */

void route_cache_session(struct route_cache *cache, const struct wire_session_changed *news)
{
    struct account *account = account_find(cache, jid_bare(news->jid));
    struct route_session *session;

    if (!account)
        return;
    if (!account->is_known || account->is_loading) {
        account_invalidate(account);
        return;
    }
    session = session_by_resource(account, jid_resource(news->jid));
    if (!news->bound) {
        if (session && session->sid == news->sid)
            session_remove(account, session);
    } else if (!session) {
        struct route_loaded fresh = {.resource = jid_resource(news->jid),
                                     .holder = news->holder,
                                     .sid = news->sid,
                                     .epoch = news->epoch};
        session_add(cache, account, &fresh);
    } else if (session->sid != news->sid) {
        account_invalidate(account); /* which of the two is newer only Redis knows */
    } else if (session->epoch <= news->epoch) {
        session->epoch = news->epoch;
        session->holder = holder_get(cache->options.holders, news->holder);
    }
}

void route_cache_presence(struct route_cache *cache, const struct wire_presence_changed *news)
{
    struct account *account = account_find(cache, jid_bare(news->jid));
    struct route_session *session;

    if (!account)
        return;
    if (!account->is_known || account->is_loading) {
        account_invalidate(account);
        return;
    }
    session = session_by_sid(account, news->sid);
    if (session) {
        session->is_available = news->available != 0;
        session->priority = (int16_t)((int)(news->priority_plus_128 & 0xff) - 128);
    } else if (news->available) {
        account_invalidate(account); /* it overtook the news that the session is there */
    }
}

void route_cache_removed(struct route_cache *cache, struct span jid)
{
    struct account *account = account_find(cache, jid);

    if (!account)
        return;
    account_invalidate(account);
    account->was_asked = false;
    account->pub.exists = true;
}

void route_cache_forget(struct route_cache *cache, struct span jid, uint64_t sid)
{
    struct account *account = account_find(cache, jid);
    struct route_session *session = account ? session_by_sid(account, sid) : NULL;

    if (session)
        session_remove(account, session);
}

void route_cache_gap(struct route_cache *cache)
{
    struct map_cursor at = {0};
    void *value;

    while (map_next(&cache->accounts, &at, NULL, &value)) {
        struct account *account = value;

        account_invalidate(account);
        account->was_asked = false;
    }
}

/* ---- the cache ---- */

struct route_cache *route_cache_new(const struct route_cache_options *options)
{
    struct route_cache *cache = mem_calloc(1, sizeof(*cache));

    cache->options = *options;
    map_init(&cache->accounts);
    list_init(&cache->use);
    list_init(&cache->retry);
    loop_timer_init(&cache->retry_timer, options->loop, retry_all, cache);
    return cache;
}

void route_cache_free(struct route_cache *cache)
{
    if (!cache)
        return;
    loop_timer_stop(&cache->retry_timer);
    cache->options.max_waiting = 0;
    LIST_FOREACH_SAFE(node, &cache->use)
    {
        struct account *account = CONTAINER_OF(node, struct account, use);
        struct list_node *first;

        while ((first = list_first(&account->waiters)) != NULL)
            answer(cache, account, CONTAINER_OF(first, struct route_waiter, node), ROUTE_CLOSED);
        account_free(cache, account);
    }
    map_deinit(&cache->accounts);
    mem_free(cache);
}

void route_cache_set_limits(struct route_cache *cache, size_t max_accounts, size_t max_waiting)
{
    cache->options.max_accounts = max_accounts;
    cache->options.max_waiting = max_waiting;
}

size_t route_cache_accounts(const struct route_cache *cache)
{
    return map_count(&cache->accounts);
}
