/* Taking and renewing a holder's lease.
 *
 * Two steps, on two keys that a Redis cluster keeps apart: the index gets the new generation and
 * what an earlier one left moves aside; then the lease is written, with the earlier one's set to
 * lapse at once. Should we die in between, the earlier lease lapses by itself.
 */
#include "registry/lease.h"

#include "base/codec.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rand.h"
#include "loop/timer.h"
#include "redis/keys.h"
#include "registry/registry_internal.h"

#define RETRY_MS 250 /* while there is no lease */

struct registry_lease {
    struct loop_timer timer;
    struct redis *redis;
    char *holder;
    uint32_t lease_ms;
    registry_lost_fn *lost;
    void *arg;
    struct buf generation;
    bool is_held;
    bool is_freed;
    size_t pending; /* answers to come: memory lives until the last */
};

static const struct redis_script index_script = {
    "lease_index",
    "local generation = redis.call('HGET', KEYS[1], 'generation') "
    "if generation == ARGV[1] then return '' end "
    "if generation then redis.call('RENAME', KEYS[1], KEYS[1] .. ':' .. generation) end "
    "redis.call('HSET', KEYS[1], 'generation', ARGV[1]) "
    "return generation or ''",
};

static const struct redis_script take_script = {
    "lease_take",
    REGISTRY_LUA_NOW "redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1]) "
                     "if ARGV[3] ~= '' then redis.call('ZADD', KEYS[1], 0, ARGV[3]) end "
                     "return 1",
};

static const struct redis_script renew_script = {
    "lease_renew",
    REGISTRY_LUA_NOW "if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 0 end "
                     "redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1]) "
                     "return 1",
};

static void new_generation(struct registry_lease *lease)
{
    uint8_t bytes[8];
    rand_bytes(bytes, sizeof(bytes));
    buf_reset(&lease->generation);
    hex_encode(span_of((const char *)bytes, sizeof(bytes)), &lease->generation);
}

static void run(struct registry_lease *lease, const struct redis_script *script, struct span left,
                redis_fn *fn)
{
    struct arena arena = {0};
    struct span keys[] = {redis_key(REDIS_KEY_leases, (struct span){0}, (struct span){0}, &arena)};
    struct span args[] = {
        arena_printf(&arena, "%s %.*s", lease->holder, SPAN_ARG(buf_span(&lease->generation))),
        arena_printf(&arena, "%u", (unsigned)lease->lease_ms), left};
    lease->pending++;
    redis_run(lease->redis, script, &(struct redis_script_args){keys, 1, args, 3}, fn, lease);
    arena_deinit(&arena);
}

/* Whether the lease still lives, and if not and this was the last answer, frees it. */
static bool answered(struct registry_lease *lease)
{
    lease->pending--;
    if (lease->is_freed && lease->pending == 0) {
        buf_deinit(&lease->generation);
        mem_free(lease->holder);
        mem_free(lease);
        return false;
    }
    return !lease->is_freed;
}

static void again(struct registry_lease *lease)
{
    loop_timer_start(&lease->timer, lease->is_held ? lease->lease_ms / 3 : RETRY_MS, 0);
}

static void on_taken(void *arg, const struct redis_reply *reply)
{
    struct registry_lease *lease = arg;
    bool ok = redis_integer(reply) == 1;
    if (!answered(lease)) {
        return;
    }
    lease->is_held = ok;
    if (ok) {
        LOG_INFO("lease_taken", "holder=%s generation=%s", lease->holder,
                 buf_cstr(&lease->generation));
    }
    again(lease);
}

static void on_index(void *arg, const struct redis_reply *reply)
{
    struct registry_lease *lease = arg;
    struct arena arena = {0};
    struct span left = redis_type(reply) == REDIS_STRING ? redis_text(reply) : (struct span){0};
    if (!span_is_empty(left)) {
        left = arena_printf(&arena, "%s %.*s", lease->holder, SPAN_ARG(left));
    }
    if (redis_type(reply) == REDIS_ERROR) {
        LOG_ERROR("lease_error", "text=%.*s", SPAN_ARG(redis_text(reply)));
    }
    bool ok = !redis_failed(reply);
    if (answered(lease)) {
        if (ok) {
            run(lease, &take_script, left, on_taken);
        } else {
            again(lease);
        }
    }
    arena_deinit(&arena);
}

static void take(struct registry_lease *lease)
{
    struct arena arena = {0};
    struct span keys[] = {registry_index_key(span_cstr(lease->holder), &arena)};
    struct span args[] = {buf_span(&lease->generation)};
    lease->pending++;
    redis_run(lease->redis, &index_script, &(struct redis_script_args){keys, 1, args, 1}, on_index,
              lease);
    arena_deinit(&arena);
}

static void on_renewed(void *arg, const struct redis_reply *reply)
{
    struct registry_lease *lease = arg;
    bool is_lost = redis_type(reply) == REDIS_INTEGER && redis_integer(reply) == 0;
    if (!answered(lease)) {
        return;
    }
    if (!is_lost) { /* Redis away: whoever would sweep us cannot reach it either */
        again(lease);
        return;
    }
    LOG_WARN("lease_lost", "holder=%s", lease->holder);
    lease->is_held = false;
    new_generation(lease);
    take(lease);
    if (lease->lost) {
        lease->lost(lease->arg);
    }
}

static void on_timer(void *arg)
{
    struct registry_lease *lease = arg;
    if (lease->is_held) {
        run(lease, &renew_script, (struct span){0}, on_renewed);
    } else {
        take(lease);
    }
}

struct registry_lease *registry_lease_new(struct loop *loop, struct redis *redis,
                                          const char *holder, uint32_t lease_ms,
                                          registry_lost_fn *lost, void *arg)
{
    struct registry_lease *lease = mem_calloc(1, sizeof(*lease));
    lease->redis = redis;
    lease->holder = mem_strdup(holder);
    lease->lease_ms = lease_ms;
    lease->lost = lost;
    lease->arg = arg;
    new_generation(lease);
    loop_timer_init(&lease->timer, loop, on_timer, lease);
    take(lease);
    return lease;
}

bool registry_lease_is_held(const struct registry_lease *lease)
{
    return lease->is_held;
}

/* An end in the past instead of a removal: whatever is still bound is swept. */
static const struct redis_script release_script = {
    "lease_release",
    "redis.call('ZADD', KEYS[1], 'XX', 0, ARGV[1]) return 1",
};

static void on_released(void *arg, const struct redis_reply *reply)
{
    (void)reply;
    (void)answered(arg);
}

void registry_lease_free(struct registry_lease *lease)
{
    if (!lease) {
        return;
    }
    loop_timer_stop(&lease->timer);
    lease->is_freed = true;
    run(lease, &release_script, (struct span){0}, on_released);
}
