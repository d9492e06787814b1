/* Counters with an expiry, checked and counted in one script. */
#include "limit.h"

#include "admit/address.h"
#include "base/log.h"
#include "base/mem.h"
#include "redis/redis.h"

static const struct redis_script limit_script = {
    "session_limit",
    "local n = tonumber(redis.call('GET', KEYS[1]) or '0') "
    "if n >= tonumber(ARGV[1]) then return math.max(redis.call('PTTL', KEYS[1]), 1) end "
    "if ARGV[3] == '1' then "
    "if redis.call('INCR', KEYS[1]) == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end "
    "end "
    "return 0",
};

struct check {
    limit_fn *fn;
    void *arg;
};

static void on_checked(void *arg, const struct redis_reply *reply)
{
    struct check check = *(struct check *)arg;
    int64_t wait = redis_integer(reply);
    mem_free(arg);
    if (redis_type(reply) != REDIS_INTEGER) {
        if (redis_type(reply) == REDIS_ERROR) {
            LOG_ERROR("limit_error", "text=%.*s", SPAN_ARG(redis_text(reply)));
        }
        check.fn(check.arg, LIMIT_UNKNOWN, 0);
    } else {
        check.fn(check.arg, wait > 0 ? LIMIT_REACHED : LIMIT_FINE, wait > 0 ? (uint64_t)wait : 0);
    }
}

void limit_check(struct redis *redis, const struct limit *limit, bool count, limit_fn *fn,
                 void *arg)
{
    if (limit->max == 0 || span_is_empty(limit->address)) {
        fn(arg, LIMIT_FINE, 0);
        return;
    }
    struct arena arena = {0};
    struct check *check = mem_alloc(sizeof(*check));
    *check = (struct check){fn, arg};
    struct span keys[] = {
        redis_key(limit->key, limit_address(limit->address, &arena), (struct span){0}, &arena)};
    struct span args[] = {arena_printf(&arena, "%u", (unsigned)limit->max),
                          arena_printf(&arena, "%u", (unsigned)limit->window_ms),
                          count ? SPAN("1") : SPAN("0")};
    redis_run(redis, &limit_script, &(struct redis_script_args){keys, 1, args, 3}, on_checked,
              check);
    arena_deinit(&arena);
}

struct span limit_address(struct span address, struct arena *arena)
{
    char group[ADMIT_ADDRESS_MAX];
    admit_address_group(address, group);
    return arena_copy(arena, span_cstr(group));
}

struct span limit_text(const char *what, uint64_t wait_ms, struct arena *arena)
{
    uint64_t seconds = (wait_ms + 999) / 1000;
    uint64_t minutes = (seconds + 59) / 60;
    bool is_short = seconds < 120;
    return arena_printf(arena, "Too many %s from your address. Try again in %llu %s.", what,
                        (unsigned long long)(is_short ? seconds : minutes),
                        is_short ? "seconds" : "minutes");
}
