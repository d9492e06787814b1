/* Claiming lapsed holders and emptying their indexes. */
#include "registry/sweep.h"

#include "base/log.h"
#include "base/mem.h"
#include "redis/keys.h"
#include "registry/registry_internal.h"

struct sweep {
    union {
        registry_claim_fn *claim;
        registry_left_fn *left;
        registry_done_fn *done;
    } fn;
    void *arg;
    struct arena arena;
};

/* A lease that has lapsed moves to the claims; so a holder that comes back finds it gone. */
static const struct redis_script claim_script = {
    "sweep_claim",
    REGISTRY_LUA_NOW "local got = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 1) "
                     "if #got == 0 then "
                     "got = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, 1) end "
                     "if #got == 0 then return '' end "
                     "redis.call('ZREM', KEYS[1], got[1]) "
                     "redis.call('ZADD', KEYS[2], now + ARGV[1], got[1]) "
                     "return got[1]",
};

static const struct redis_script prolong_script = {
    "sweep_prolong",
    REGISTRY_LUA_NOW "return redis.call('ZADD', KEYS[1], 'XX', now + ARGV[1], ARGV[2])",
};

/* The index moves aside when the holder has not done so itself. Fields that were deleted leave
 * holes, so a scan may find nothing for a while without being at the end. A session that the
 * holder's next life has taken over is that one's. */
static const struct redis_script next_script = {
    "sweep_next",
    "if redis.call('HGET', KEYS[1], 'generation') == ARGV[1] then "
    "redis.call('RENAME', KEYS[1], KEYS[2]) end "
    "local position, found = '0', {} "
    "repeat "
    "local page = redis.call('HSCAN', KEYS[2], position, 'COUNT', ARGV[2]) "
    "position = page[1] "
    "for i = 1, #page[2], 2 do "
    "local sid = page[2][i] "
    "if sid ~= 'generation' and #found < 2 * tonumber(ARGV[2]) then "
    "if redis.call('HEXISTS', KEYS[1], sid) == 1 then redis.call('HDEL', KEYS[2], sid) "
    "else found[#found + 1] = sid found[#found + 1] = page[2][i + 1] end end "
    "end "
    "until #found > 0 or position == '0' "
    "return found",
};

static struct sweep *sweep_new(void *arg)
{
    struct sweep *sweep = mem_calloc(1, sizeof(*sweep));
    sweep->arg = arg;
    return sweep;
}

static void sweep_free(struct sweep *sweep)
{
    arena_deinit(&sweep->arena);
    mem_free(sweep);
}

static enum registry_status status_of(const struct redis_reply *reply)
{
    if (redis_type(reply) == REDIS_ERROR) {
        LOG_ERROR("sweep_error", "text=%.*s", SPAN_ARG(redis_text(reply)));
    }
    return redis_failed(reply) ? REGISTRY_DOWN : REGISTRY_OK;
}

static struct span fixed_key(enum redis_key key, struct arena *arena)
{
    return redis_key(key, (struct span){0}, (struct span){0}, arena);
}

static struct span number(uint32_t value, struct arena *arena)
{
    return arena_printf(arena, "%u", (unsigned)value);
}

static void on_claimed(void *arg, const struct redis_reply *reply)
{
    struct sweep *sweep = arg;
    enum registry_status status = status_of(reply);
    sweep->fn.claim(sweep->arg, status,
                    status == REGISTRY_OK ? redis_text(reply) : (struct span){0});
    sweep_free(sweep);
}

void registry_sweep_claim(struct redis *redis, uint32_t claim_ms, registry_claim_fn *fn, void *arg)
{
    struct sweep *sweep = sweep_new(arg);
    sweep->fn.claim = fn;
    struct span keys[] = {fixed_key(REDIS_KEY_leases, &sweep->arena),
                          fixed_key(REDIS_KEY_swept, &sweep->arena)};
    struct span args[] = {number(claim_ms, &sweep->arena)};
    redis_run(redis, &claim_script, &(struct redis_script_args){keys, 2, args, 1}, on_claimed,
              sweep);
}

static void on_next(void *arg, const struct redis_reply *reply)
{
    struct sweep *sweep = arg;
    enum registry_status status = status_of(reply);
    size_t count = 0;
    size_t fields = redis_count(reply) / 2;
    struct registry_left *left = arena_calloc(&sweep->arena, fields + 1, sizeof(*left));
    for (size_t i = 0; i < fields; i++) {
        left[count].jid = redis_text(redis_at(reply, 2 * i + 1));
        if (registry_sid_parse(redis_text(redis_at(reply, 2 * i)), &left[count].sid) == 0) {
            count++;
        }
    }
    sweep->fn.left(sweep->arg, status, left, count);
    sweep_free(sweep);
}

void registry_sweep_next(struct redis *redis, struct span lapsed, uint32_t max, uint32_t claim_ms,
                         registry_left_fn *fn, void *arg)
{
    struct sweep *sweep = sweep_new(arg);
    sweep->fn.left = fn;
    struct span claims[] = {fixed_key(REDIS_KEY_swept, &sweep->arena)};
    struct span claim[] = {number(claim_ms, &sweep->arena), lapsed};
    redis_run(redis, &prolong_script, &(struct redis_script_args){claims, 1, claim, 2}, NULL, NULL);
    struct span keys[] = {registry_index_key(registry_lease_holder(lapsed), &sweep->arena),
                          registry_left_key(lapsed, &sweep->arena)};
    struct span args[] = {registry_lease_generation(lapsed), number(max, &sweep->arena)};
    redis_run(redis, &next_script, &(struct redis_script_args){keys, 2, args, 2}, on_next, sweep);
}

static void on_done(void *arg, const struct redis_reply *reply)
{
    struct sweep *sweep = arg;
    enum registry_status status = status_of(reply);
    if (sweep->fn.done) {
        sweep->fn.done(sweep->arg, status);
    }
    sweep_free(sweep);
}

void registry_sweep_session(struct redis *redis, struct span lapsed,
                            const struct registry_left *left, registry_done_fn *fn, void *arg)
{
    struct registry_held held = {left->jid, registry_lease_holder(lapsed), left->sid, 1};
    registry_unbind(redis, &held, NULL, NULL);
    registry_sweep_forget(redis, lapsed, left->sid, fn, arg);
}

void registry_sweep_forget(struct redis *redis, struct span lapsed, uint64_t sid,
                           registry_done_fn *fn, void *arg)
{
    struct sweep *sweep = sweep_new(arg);
    sweep->fn.done = fn;
    redis_call(redis, on_done, sweep, SPAN("HDEL"), registry_left_key(lapsed, &sweep->arena),
               registry_sid(sid, &sweep->arena));
}

void registry_sweep_done(struct redis *redis, struct span lapsed, registry_done_fn *fn, void *arg)
{
    struct sweep *sweep = sweep_new(arg);
    sweep->fn.done = fn;
    redis_call(redis, NULL, NULL, SPAN("DEL"), registry_left_key(lapsed, &sweep->arena));
    redis_call(redis, on_done, sweep, SPAN("ZREM"), fixed_key(REDIS_KEY_swept, &sweep->arena),
               lapsed);
}

struct span registry_sweep_holder(struct span lapsed)
{
    return registry_lease_holder(lapsed);
}
