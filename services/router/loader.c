/* Three commands to Redis, in one write, make an account: who is bound (jd:s), who is available
 * (jd:p), whom it blocks (jd:b). */
#include "loader.h"

#include "base/arena.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "bus/bus.h"
#include "redis/keys.h"
#include "redis/redis.h"
#include "registry/registry.h"

#define EXISTS_DEADLINE_MS 3000

struct loader {
    struct redis *redis;
    struct bus *bus;
    struct route_cache *cache;
    struct list_node asking; /* struct asking.node */
};

/* An account being read. */
struct loading {
    struct loader *loader;
    struct arena arena;
    struct span account;
    struct route_loaded *sessions;
    size_t count;
    const struct span *blocked;
    size_t blocked_count;
    bool has_blocked; /* the list was asked for */
    unsigned missing; /* answers that are not there yet */
    bool failed;
};

/* ---- sessions and presence ---- */

static void loading_done(struct loading *loading)
{
    static const struct route_loaded none[1];

    if (--loading->missing > 0)
        return;
    if (loading->loader->cache && loading->has_blocked && !loading->failed)
        route_cache_blocked(loading->loader->cache, loading->account, loading->blocked,
                            loading->blocked_count);
    if (loading->loader->cache)
        route_cache_loaded(loading->loader->cache, loading->account,
                           loading->failed      ? NULL
                           : loading->count > 0 ? loading->sessions
                                                : none,
                           loading->count);
    arena_deinit(&loading->arena);
    mem_free(loading);
}

static void on_sessions(void *arg, enum registry_status status,
                        const struct registry_session *sessions, size_t count)
{
    struct loading *loading = arg;

    loading->failed |= status != REGISTRY_OK;
    loading->count = status == REGISTRY_OK ? count : 0;
    loading->sessions =
        arena_calloc(&loading->arena, loading->count + 1, sizeof(*loading->sessions));
    for (size_t i = 0; i < loading->count; i++) {
        loading->sessions[i] = (struct route_loaded){
            .resource = arena_copy(&loading->arena, sessions[i].resource),
            .holder = arena_copy(&loading->arena, sessions[i].record.holder),
            .sid = sessions[i].record.sid,
            .epoch = sessions[i].record.epoch,
            .flags = sessions[i].record.flags,
            .changes = sessions[i].record.changes,
        };
    }
    loading_done(loading);
}

/* A record counts for the session it names only: what an earlier one of that resource left, does
 * not. */
static void apply_presence(struct loading *loading, const struct wire_presence_record *record)
{
    for (size_t i = 0; i < loading->count; i++) {
        struct route_loaded *session = &loading->sessions[i];

        if (session->sid != record->sid)
            continue;
        session->is_available = (record->flags & WIRE_PRESENCE_AVAILABLE) != 0;
        session->priority = (int16_t)((int)(record->priority_plus_128 & 0xff) - 128);
    }
}

/* Redis answers in order: the sessions are there already. */
static void on_presence(void *arg, const struct redis_reply *reply)
{
    struct loading *loading = arg;

    loading->failed |= redis_failed(reply);
    for (size_t i = 1; i < redis_count(reply); i += 2) {
        struct wire_msg msg;

        if (wire_decode(redis_text(redis_at(reply, i)), &loading->arena, &msg, NULL) == 0 &&
            msg.id == WIRE_ID_presence_record)
            apply_presence(loading, &msg.u.presence_record);
        else
            LOG_WARN("bad-presence-record", "account=%.*s", SPAN_ARG(loading->account));
    }
    loading_done(loading);
}

/* A list that cannot be read must not count as none: the account stays unknown. */
static void on_blocked(void *arg, const struct redis_reply *reply)
{
    struct loading *loading = arg;
    struct wire_msg msg;

    loading->failed |= redis_failed(reply);
    if (redis_type(reply) == REDIS_STRING) {
        if (wire_decode(arena_copy(&loading->arena, redis_text(reply)), &loading->arena, &msg,
                        NULL) == 0 &&
            msg.id == WIRE_ID_block_record) {
            loading->blocked = msg.u.block_record.jids.items;
            loading->blocked_count = msg.u.block_record.jids.count;
        } else {
            LOG_ERROR("bad-block-record", "account=%.*s", SPAN_ARG(loading->account));
            loading->failed = true;
        }
    }
    loading_done(loading);
}

static void load_all(struct loading *loading)
{
    loading->missing = 3;
    loading->has_blocked = true;
    registry_read(loading->loader->redis, loading->account, on_sessions, loading);
    redis_call(loading->loader->redis, on_presence, loading, SPAN("HGETALL"),
               redis_key(REDIS_KEY_presence, loading->account, (struct span){0}, &loading->arena));
    redis_call(loading->loader->redis, on_blocked, loading, SPAN("GET"),
               redis_key(REDIS_KEY_blocked, loading->account, (struct span){0}, &loading->arena));
}

static void on_any(void *arg, const struct redis_reply *reply)
{
    struct loading *loading = arg;

    if (!redis_failed(reply) && redis_integer(reply) > 0) {
        load_all(loading);
        return;
    }
    loading->failed = redis_failed(reply);
    loading->missing = 1;
    loading_done(loading);
}

/* Presence goes to many who are not there, and each time it must be made sure: who had no session
 * is asked for with the cheapest command. */
static void load(void *ctx, struct span account, bool was_empty)
{
    struct loader *loader = ctx;
    struct loading *loading = mem_calloc(1, sizeof(*loading));

    loading->loader = loader;
    loading->account = arena_copy(&loading->arena, account);
    if (was_empty)
        redis_call(loader->redis, on_any, loading, SPAN("EXISTS"),
                   redis_key(REDIS_KEY_sessions, account, (struct span){0}, &loading->arena));
    else
        load_all(loading);
}

/* ---- existence ---- */

struct asking {
    struct list_node node;
    struct loader *loader;
    struct span account;
    char text[];
};

static void on_exists(void *arg, enum bus_outcome outcome, const struct wire_msg *reply)
{
    struct asking *asking = arg;
    enum route_existence existence = ROUTE_EXISTS_UNKNOWN;

    if (outcome == BUS_SETTLED && reply->id == WIRE_ID_result) {
        if (span_is_empty(reply->u.result.condition))
            existence = ROUTE_EXISTS;
        else if (span_is(reply->u.result.condition, "item-not-found"))
            existence = ROUTE_EXISTS_NOT;
    }
    list_remove(&asking->node);
    if (asking->loader->cache)
        route_cache_existence(asking->loader->cache, asking->account, existence);
    mem_free(asking);
}

static void ask_exists(void *ctx, struct span account)
{
    struct loader *loader = ctx;
    struct asking *asking = mem_alloc(sizeof(*asking) + account.len);
    struct wire_msg msg = {.id = WIRE_ID_account_exists};

    asking->loader = loader;
    memcpy(asking->text, account.data, account.len);
    asking->account = span_of(asking->text, account.len);
    list_add_tail(&loader->asking, &asking->node);
    msg.u.account_exists.account = account;
    bus_call(loader->bus, "session", hash_span(account), &msg, EXISTS_DEADLINE_MS, on_exists,
             asking);
}

/* ---- the loader ---- */

static bool is_up(void *ctx)
{
    struct loader *loader = ctx;

    return redis_is_up(loader->redis);
}

struct route_source loader_source(struct loader *loader)
{
    return (struct route_source){.ctx = loader, .is_up = is_up, .load = load, .exists = ask_exists};
}

struct loader *loader_new(struct redis *redis, struct bus *bus)
{
    struct loader *loader = mem_calloc(1, sizeof(*loader));

    loader->redis = redis;
    loader->bus = bus;
    list_init(&loader->asking);
    return loader;
}

void loader_set_cache(struct loader *loader, struct route_cache *cache)
{
    loader->cache = cache;
}

void loader_free(struct loader *loader)
{
    struct list_node *node;

    while ((node = list_pop(&loader->asking)) != NULL)
        mem_free(CONTAINER_OF(node, struct asking, node));
    mem_free(loader);
}
