/* Commands: how they are sent, answered, refused, and what happens when the connection goes. */
#include "redis/redis_internal.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "metric/metric.h"

#include <string.h>

/* A command that has no answer yet. */
struct redis_waiting {
    struct redis *redis;
    redis_fn *fn;
    void *arg;
    struct list_node link; /* in redis->refused */
};

static void answer(struct redis_waiting *waiting, const struct redis_reply *reply)
{
    struct redis *redis = waiting->redis;
    redis->calling++;
    if (waiting->fn) {
        waiting->fn(waiting->arg, reply);
    } else if (redis_type(reply) == REDIS_ERROR) {
        struct span text = redis_text(reply);
        LOG_ERROR("redis_error", "text=%.*s", SPAN_ARG(text));
    }
    redis->calling--;
    mem_free(waiting);
}

static void on_reply(redisAsyncContext *context, void *reply, void *arg)
{
    (void)context;
    struct redis_waiting *waiting = arg;
    struct redis *redis = waiting->redis;
    redis->pending--;
    redis->answered++;
    if (!reply) {
        redis_lost(redis);
    }
    answer(waiting, reply);
}

static void on_refuse(void *arg)
{
    struct redis *redis = arg;
    struct list_node *node;
    while ((node = list_pop(&redis->refused))) {
        struct redis_waiting *waiting = CONTAINER_OF(node, struct redis_waiting, link);
        redis->pending--;
        answer(waiting, NULL);
    }
}

static void refuse(struct redis *redis, struct redis_waiting *waiting)
{
    list_add_tail(&redis->refused, &waiting->link);
    loop_task_schedule(&redis->refuse);
    metric_inc(METRIC_redis_refused);
}

/* hiredis wants pointers and lengths apart. */
static int submit(struct redis *redis, struct redis_waiting *waiting, size_t argc,
                  const struct span *argv)
{
    enum { FEW = 16 };
    const char *few_data[FEW];
    size_t few_len[FEW];
    bool many = argc > FEW;
    const char **data = many ? mem_alloc(argc * sizeof(*data)) : few_data;
    size_t *len = many ? mem_alloc(argc * sizeof(*len)) : few_len;
    for (size_t i = 0; i < argc; i++) {
        data[i] = argv[i].len ? argv[i].data : "";
        len[i] = argv[i].len;
    }
    int status = redisAsyncCommandArgv(redis->context, on_reply, waiting, (int)argc, data, len);
    if (many) {
        mem_free(data);
        mem_free(len);
    }
    return status == REDIS_OK ? 0 : -1;
}

void redis_command(struct redis *redis, redis_fn *fn, void *arg, size_t argc,
                   const struct span *argv)
{
    ASSERT(argc > 0);
    struct redis_waiting *waiting = mem_calloc(1, sizeof(*waiting));
    waiting->redis = redis;
    waiting->fn = fn;
    waiting->arg = arg;
    redis->pending++;
    if (!redis->is_up || submit(redis, waiting, argc, argv) != 0) {
        refuse(redis, waiting);
        return;
    }
    metric_inc(METRIC_redis_commands);
    if (!loop_timer_is_active(&redis->silence)) {
        redis->answered_then = redis->answered;
        loop_timer_start(&redis->silence, REDIS_SILENCE_MS, 0);
    }
}

/* Runs only while commands are out: a Redis that answers none of them for a whole period is gone.
 */
static void on_silence(void *arg)
{
    struct redis *redis = arg;
    if (!redis->context || redis->pending == 0) {
        return;
    }
    if (redis->answered == redis->answered_then) {
        redis_drop(redis, "silent");
        return;
    }
    redis->answered_then = redis->answered;
    loop_timer_start(&redis->silence, REDIS_SILENCE_MS, 0);
}

void redis_lost(struct redis *redis)
{
    bool was_up = redis->is_up;
    redis->is_up = false;
    metric_set(METRIC_redis_up, 0);
    loop_timer_stop(&redis->silence);
    if (was_up && redis->on_change && !redis->is_closing) {
        redis->on_change(redis->on_change_arg, false);
    }
}

static void on_flush(void *arg)
{
    struct redis *redis = arg;
    if (!redis->context) {
        return;
    }
    redis->is_flushing = true;
    redisAsyncHandleWrite(redis->context);
    redis->is_flushing = false;
    metric_inc(METRIC_redis_flushes);
}

void redis_flush(struct redis *redis)
{
    if (!loop_task_is_scheduled(&redis->flush))
        return;
    loop_task_cancel(&redis->flush);
    on_flush(redis);
}

static void on_retry(void *arg)
{
    redis_connect(arg);
}

struct redis *redis_new(struct loop *loop, const char *url, char *error, size_t error_size)
{
    struct redis_address address;
    if (redis_address_parse(url, &address, error, error_size) != 0) {
        return NULL;
    }
    struct redis *redis = mem_calloc(1, sizeof(*redis));
    redis->loop = loop;
    redis->address = address;
    redis->delay_ms = REDIS_DELAY_FIRST_MS;
    list_init(&redis->refused);
    loop_task_init(&redis->flush, loop, on_flush, redis);
    loop_task_init(&redis->refuse, loop, on_refuse, redis);
    loop_timer_init(&redis->retry, loop, on_retry, redis);
    loop_timer_init(&redis->silence, loop, on_silence, redis);
    redis_connect(redis);
    return redis;
}

void redis_free(struct redis *redis)
{
    if (!redis) {
        return;
    }
    ASSERT(redis->calling == 0);
    redis->is_closing = true;
    if (redis->context) {
        redisAsyncFree(redis->context);
    }
    on_refuse(redis);
    loop_task_cancel(&redis->flush);
    loop_task_cancel(&redis->refuse);
    loop_timer_stop(&redis->retry);
    loop_timer_stop(&redis->silence);
    redis_address_deinit(&redis->address);
    mem_free(redis->known);
    mem_free(redis);
}

bool redis_is_up(const struct redis *redis)
{
    return redis->is_up;
}

void redis_on_change(struct redis *redis, void (*fn)(void *arg, bool up), void *arg)
{
    redis->on_change = fn;
    redis->on_change_arg = arg;
}

size_t redis_pending(const struct redis *redis)
{
    return redis->pending;
}
