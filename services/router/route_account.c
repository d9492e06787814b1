/* Accounts of the route cache and their sessions; who is forgotten when there are too many. */
#include "base/mem.h"
#include "holder.h"
#include "route_cache_internal.h"

#define EVICT_STEPS 64 /* busy accounts to pass over before giving up */

/* ---- sessions of an account ---- */

static void session_clear(struct route_session *session)
{
    mem_free((char *)(uintptr_t)session->resource.data);
}

void sessions_clear(struct account *account)
{
    for (uint32_t i = 0; i < account->pub.count; i++)
        session_clear(&account->pub.sessions[i]);
    mem_free(account->pub.sessions);
    account->pub.sessions = NULL;
    account->pub.count = 0;
}

void session_add(struct route_cache *cache, struct account *account,
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
        .flags = from->flags,
        .changes = from->changes,
        .priority = from->priority,
        .is_available = from->is_available,
    };
}

void session_remove(struct account *account, struct route_session *session)
{
    session_clear(session);
    *session = account->pub.sessions[--account->pub.count];
}

struct route_session *session_by_sid(struct account *account, uint64_t sid)
{
    for (uint32_t i = 0; i < account->pub.count; i++) {
        if (account->pub.sessions[i].sid == sid)
            return &account->pub.sessions[i];
    }
    return NULL;
}

struct route_session *session_by_resource(struct account *account, struct span resource)
{
    for (uint32_t i = 0; i < account->pub.count; i++) {
        if (span_eq(account->pub.sessions[i].resource, resource))
            return &account->pub.sessions[i];
    }
    return NULL;
}

/* ---- what it blocks ---- */

void blocked_set(struct account *account, const struct span *jids, size_t count)
{
    map_deinit(&account->blocked);
    map_init(&account->blocked);
    for (size_t i = 0; i < count; i++)
        map_put(&account->blocked, jids[i], account);
    account->pub.blocked = count > 0 ? &account->blocked : NULL;
}

/* ---- accounts ---- */

void account_free(struct route_cache *cache, struct account *account)
{
    map_remove(&cache->accounts, account->jid);
    list_remove(&account->use);
    list_remove(&account->retry);
    sessions_clear(account);
    map_deinit(&account->blocked);
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

struct account *account_find(struct route_cache *cache, struct span jid)
{
    return map_get(&cache->accounts, jid);
}

struct account *account_make(struct route_cache *cache, struct span jid)
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

void account_touch(struct route_cache *cache, struct account *account)
{
    list_remove(&account->use);
    list_add_tail(&cache->use, &account->use);
}

void account_invalidate(struct account *account)
{
    if (account->is_loading)
        account->is_stale = true;
    account->is_known = false;
    sessions_clear(account);
    blocked_set(account, NULL, 0);
}
