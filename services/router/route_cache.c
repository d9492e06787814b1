/* Asking for what is not known, and serving those who wait. */
#include "base/assert.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "metric/metric.h"
#include "route_cache_internal.h"

#define RETRY_MS       250   /* after a failed reading */
#define EXISTS_TRUE_MS 60000 /* how long an account that exists is believed to */

/* ---- what is known ---- */

static bool existence_was_asked(const struct route_cache *cache, const struct account *account)
{
    return account->was_asked &&
           (!account->pub.exists || loop_now_ms(cache->options.loop) < account->exists_until);
}

static bool existence_is_known(const struct route_cache *cache, const struct account *account)
{
    if (account->is_known && account->pub.count > 0)
        return true;
    return existence_was_asked(cache, account);
}

static bool knows(const struct route_cache *cache, const struct account *account, unsigned needs)
{
    if ((needs & ROUTE_SESSIONS) && !account->is_known)
        return false;
    if ((needs & ROUTE_ASKED) && !existence_was_asked(cache, account))
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

bool route_cache_is_sure(const struct route_cache *cache, const struct route_entry *entry)
{
    return existence_was_asked(cache,
                               CONTAINER_OF((struct route_entry *)entry, struct account, pub));
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
    cache->options.source.load(cache->options.source.ctx, account->jid,
                               account->is_known && account->pub.count == 0);
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
    if (((needs & ROUTE_EXISTENCE) && !existence_is_known(cache, account)) ||
        ((needs & ROUTE_ASKED) && !existence_was_asked(cache, account)))
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

void route_cache_warm(struct route_cache *cache, struct span jid)
{
    struct account *account = account_make(cache, jid);

    if (!account->is_known)
        start_load(cache, account);
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

void route_cache_blocked(struct route_cache *cache, struct span jid, const struct span *jids,
                         size_t count)
{
    struct account *account = account_find(cache, jid);

    ASSERT(account && account->is_loading);
    blocked_set(account, jids, count);
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
