/* The index of a holder: which sessions it has. */
#include "base/log.h"
#include "base/mem.h"
#include "redis/keys.h"
#include "registry/registry_internal.h"

struct adding {
    struct redis *redis;
    struct arena arena;
    struct span lease; /* of a holder that may turn out to have none */
    uint32_t lease_ms;
};

/* A holder without a lease gets a generation here (its name is returned), see on_indexed. */
static const struct redis_script index_script = {
    "registry_index",
    "redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) "
    "if redis.call('HSETNX', KEYS[1], 'generation', ARGV[1]) == 1 then return ARGV[1] end "
    "return ''",
};

/* A lease that nobody renews, for holders that took none: they are swept after one lease time. */
static const struct redis_script orphan_script = {
    "registry_orphan",
    REGISTRY_LUA_NOW "return redis.call('ZADD', KEYS[1], 'NX', now + ARGV[2], ARGV[1])",
};

static void add_orphan(struct adding *adding)
{
    struct span keys[] = {
        redis_key(REDIS_KEY_leases, (struct span){0}, (struct span){0}, &adding->arena)};
    struct span args[] = {adding->lease,
                          arena_printf(&adding->arena, "%u", (unsigned)adding->lease_ms)};
    redis_run(adding->redis, &orphan_script, &(struct redis_script_args){keys, 1, args, 2}, NULL,
              NULL);
    LOG_WARN("holder_without_lease", "holder=%.*s", SPAN_ARG(registry_lease_holder(adding->lease)));
}

static void on_indexed(void *arg, const struct redis_reply *reply)
{
    struct adding *adding = arg;
    if (redis_type(reply) == REDIS_STRING && !span_is_empty(redis_text(reply))) {
        add_orphan(adding);
    }
    arena_deinit(&adding->arena);
    mem_free(adding);
}

void registry_index_add(struct redis *redis, const struct registry_indexed *indexed)
{
    struct adding *adding = mem_calloc(1, sizeof(*adding));
    struct arena *arena = &adding->arena;
    adding->redis = redis;
    adding->lease_ms = indexed->lease_ms;
    struct span keys[] = {registry_index_key(indexed->holder, arena)};
    struct span args[] = {
        registry_sid(indexed->sid, arena),
        arena_printf(arena, "%.*s/%.*s", SPAN_ARG(indexed->account), SPAN_ARG(indexed->resource))};
    adding->lease = arena_printf(arena, "%.*s %.*s", SPAN_ARG(indexed->holder), SPAN_ARG(args[0]));
    redis_run(redis, &index_script, &(struct redis_script_args){keys, 1, args, 2}, on_indexed,
              adding);
}

void registry_index_drop(struct redis *redis, struct span holder, uint64_t sid)
{
    struct arena arena = {0};
    redis_call(redis, NULL, NULL, SPAN("HDEL"), registry_index_key(holder, &arena),
               registry_sid(sid, &arena));
    arena_deinit(&arena);
}
