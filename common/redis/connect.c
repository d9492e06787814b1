/* The connection: opening it, the events hiredis wants, the greeting, and trying again.
 *
 * hiredis asks for "writable" whenever a command was added. Instead of a poll each time, the write
 * happens in a task at the end of the turn, so that all commands of a turn leave in one system
 * call; only what the socket did not take waits for the poll.
 */
#include "redis/redis_internal.h"

#include "base/assert.h"
#include "base/log.h"
#include "metric/metric.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void want(struct redis *redis, unsigned events)
{
    if (events != redis->wanted) {
        redis->wanted = events;
        loop_poll_set(redis->poll, events);
    }
}

static void add_read(void *arg)
{
    struct redis *redis = arg;
    want(redis, redis->wanted | LOOP_READABLE);
}

static void del_read(void *arg)
{
    struct redis *redis = arg;
    want(redis, redis->wanted & ~LOOP_READABLE);
}

static void add_write(void *arg)
{
    struct redis *redis = arg;
    if (redis->is_flushing || !(redis->context->c.flags & REDIS_CONNECTED)) {
        want(redis, redis->wanted | LOOP_WRITABLE);
    } else {
        loop_task_schedule(&redis->flush);
    }
}

static void del_write(void *arg)
{
    struct redis *redis = arg;
    want(redis, redis->wanted & ~LOOP_WRITABLE);
}

/* hiredis calls this once for every context that ends, whatever the reason. */
static void cleanup(void *arg)
{
    struct redis *redis = arg;
    loop_poll_free(redis->poll);
    redis->poll = NULL;
    redis->wanted = 0;
    redis->context = NULL;
    redis_scripts_forget(redis);
    redis_lost(redis);
    if (redis->is_closing) {
        return;
    }
    loop_timer_start(&redis->retry, redis->delay_ms, 0);
    redis->delay_ms =
        redis->delay_ms * 2 < REDIS_DELAY_MAX_MS ? redis->delay_ms * 2 : REDIS_DELAY_MAX_MS;
}

static void on_events(void *arg, unsigned events)
{
    struct redis *redis = arg;
    redisAsyncContext *context = redis->context;
    if (events & LOOP_READABLE) {
        redisAsyncHandleRead(context);
    }
    /* Reading may have ended this context. */
    if ((events & LOOP_WRITABLE) && redis->context == context) {
        redis->is_flushing = true;
        redisAsyncHandleWrite(context);
        redis->is_flushing = false;
    }
}

static void tell_down(struct redis *redis, const char *why)
{
    if (!redis->was_told_down) {
        redis->was_told_down = true;
        LOG_WARN("redis_down", "reason=%s", why);
    }
}

void redis_drop(struct redis *redis, const char *why)
{
    tell_down(redis, why);
    if (redis->context) {
        redisAsyncFree(redis->context);
    }
}

/* The last answer of the greeting: only now commands may be sent. An error (wrong password, a
 * server that is still loading) means trying again later. */
static void on_greeting(redisAsyncContext *context, void *answer, void *arg)
{
    struct redis *redis = arg;
    const struct redis_reply *reply = answer;
    (void)context;
    if (redis_type(reply) == REDIS_ERROR) {
        char why[128];
        struct span text = redis_text(reply);
        (void)snprintf(why, sizeof(why), "%.*s", SPAN_ARG(text));
        redis_drop(redis, why);
        return;
    }
    if (!reply) {
        return;
    }
    redis->is_up = true;
    metric_set(METRIC_redis_up, 1);
    redis->was_told_down = false;
    redis->delay_ms = REDIS_DELAY_FIRST_MS;
    LOG_INFO("redis_up", "database=%" PRIu32, redis->address.database);
    if (redis->on_change) {
        redis->on_change(redis->on_change_arg, true);
    }
}

static void on_connect(const redisAsyncContext *context, int status)
{
    struct redis *redis = context->data;
    if (status != REDIS_OK) {
        tell_down(redis, context->errstr ? context->errstr : "cannot connect");
        return;
    }
    redisAsyncContext *writable = redis->context;
    if (redis->address.password) {
        redisAsyncCommand(writable, NULL, NULL, "AUTH %s", redis->address.password);
    }
    if (redis->address.database) {
        redisAsyncCommand(writable, NULL, NULL, "SELECT %d", (int)redis->address.database);
    }
    redisAsyncCommand(writable, on_greeting, redis, "PING");
}

static void on_disconnect(const redisAsyncContext *context, int status)
{
    if (status != REDIS_OK) {
        tell_down(context->data, context->errstr ? context->errstr : "connection lost");
    }
}

void redis_connect(struct redis *redis)
{
    ASSERT(!redis->context);
    struct redis_address *address = &redis->address;
    redisAsyncContext *context = address->host ? redisAsyncConnect(address->host, address->port)
                                               : redisAsyncConnectUnix(address->path);
    ASSERT(context);
    if (context->err) {
        tell_down(redis, context->errstr ? context->errstr : "cannot connect");
        redisAsyncFree(context);
        loop_timer_start(&redis->retry, redis->delay_ms, 0);
        return;
    }
    redis->context = context;
    redis->poll = loop_poll_new(redis->loop, context->c.fd, on_events, redis);
    ASSERT(redis->poll);
    redis->wanted = 0;
    context->data = redis;
    context->ev.data = redis;
    context->ev.addRead = add_read;
    context->ev.delRead = del_read;
    context->ev.addWrite = add_write;
    context->ev.delWrite = del_write;
    context->ev.cleanup = cleanup;
    redisAsyncSetDisconnectCallback(context, on_disconnect);
    redisAsyncSetConnectCallback(context, on_connect);
}
