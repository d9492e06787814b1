/* What notices say, applied to the accounts that are remembered. When in doubt, forget: the next
 * one who asks reads Redis. */
#include "holder.h"
#include "jid/jid.h"
#include "route_cache_internal.h"

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
                                     .epoch = news->epoch,
                                     .flags = news->flags,
                                     .changes = news->changes};
        session_add(cache, account, &fresh);
    } else if (session->sid != news->sid) {
        account_invalidate(account); /* which of the two is newer only Redis knows */
    } else if (session->epoch < news->epoch ||
               (session->epoch == news->epoch && session->changes <= news->changes)) {
        session->epoch = news->epoch;
        session->changes = news->changes;
        session->flags = news->flags;
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

void route_cache_blocks_changed(struct route_cache *cache, struct span jid)
{
    struct account *account = account_find(cache, jid);

    if (account)
        account_invalidate(account);
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
