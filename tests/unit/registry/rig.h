/* What the registry's tests share: a loop, a private Redis, and callbacks that remember. */
#ifndef JACKDAW_TESTS_REGISTRY_RIG_H
#define JACKDAW_TESTS_REGISTRY_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "loop/timer.h"
#include "private_redis.h"
#include "redis/redis.h"
#include "registry/registry.h"

struct rig {
    struct private_redis server;
    struct loop *loop;
    struct loop_timer tick; /* so that a turn of the loop never blocks for long */
    struct redis *redis;
    /* the latest answer */
    int answers;
    enum registry_status status;
    size_t count;
    char text[4096]; /* what came, one line each */
    uint64_t sid;
};

static inline void rig_nothing(void *arg)
{
    (void)arg;
}

/* Turns the loop until `*what` reaches `target`. */
static inline void rig_until(struct rig *rig, const int *what, int target)
{
    uint64_t deadline = clock_mono_ms() + 10000;
    while (*what < target) {
        assert_true(clock_mono_ms() < deadline);
        loop_run_once(rig->loop, 1);
    }
}

static inline void rig_wait_ms(struct rig *rig, uint64_t ms)
{
    uint64_t end = clock_mono_ms() + ms;
    while (clock_mono_ms() < end) {
        loop_run_once(rig->loop, 1);
    }
}

static inline void rig_wait_up(struct rig *rig)
{
    uint64_t deadline = clock_mono_ms() + 10000;
    while (!redis_is_up(rig->redis)) {
        assert_true(clock_mono_ms() < deadline);
        loop_run_once(rig->loop, 1);
    }
}

static inline int rig_setup(void **state)
{
    struct rig *rig = mem_calloc(1, sizeof(*rig));
    char error[200];
    private_redis_start(&rig->server);
    rig->loop = loop_new();
    loop_timer_init(&rig->tick, rig->loop, rig_nothing, NULL);
    loop_timer_start(&rig->tick, 10, 10);
    rig->redis = redis_new(rig->loop, rig->server.url, error, sizeof(error));
    assert_non_null(rig->redis);
    rig_wait_up(rig);
    *state = rig;
    return 0;
}

static inline int rig_teardown(void **state)
{
    struct rig *rig = *state;
    loop_timer_stop(&rig->tick);
    redis_free(rig->redis);
    loop_free(rig->loop);
    private_redis_stop(&rig->server);
    mem_free(rig);
    return 0;
}

static inline void rig_line(struct rig *rig, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static inline void rig_line(struct rig *rig, const char *format, ...)
{
    va_list args;
    size_t len = strlen(rig->text);
    va_start(args, format);
    (void)vsnprintf(rig->text + len, sizeof(rig->text) - len, format, args);
    va_end(args);
}

static inline void rig_on_bind(void *arg, enum registry_status status,
                               const struct wire_session_record *replaced)
{
    struct rig *rig = arg;
    rig->status = status;
    rig->sid = replaced ? replaced->sid : 0;
    rig->answers++;
}

static inline void rig_on_read(void *arg, enum registry_status status,
                               const struct registry_session *sessions, size_t count)
{
    struct rig *rig = arg;
    rig->status = status;
    rig->count = count;
    rig->text[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        rig_line(rig, "%.*s sid=%llu holder=%.*s\n", SPAN_ARG(sessions[i].resource),
                 (unsigned long long)sessions[i].record.sid, SPAN_ARG(sessions[i].record.holder));
    }
    rig->answers++;
}

static inline void rig_on_done(void *arg, enum registry_status status)
{
    struct rig *rig = arg;
    rig->status = status;
    rig->answers++;
}

static inline struct registry_bind rig_session(const char *account, const char *resource,
                                               uint64_t sid, const char *holder)
{
    return (struct registry_bind){
        .account = span_cstr(account),
        .resource = span_cstr(resource),
        .record = {.sid = sid,
                   .epoch = 1,
                   .holder = span_cstr(holder),
                   .since_ms = 1234,
                   .address = SPAN("192.0.2.1"),
                   .transport = SPAN("ws")},
        .max_sessions = 3,
        .lease_ms = 60000,
    };
}

static inline enum registry_status rig_bind(struct rig *rig, const struct registry_bind *bind)
{
    int now = rig->answers;
    registry_bind(rig->redis, bind, rig_on_bind, rig);
    rig_until(rig, &rig->answers, now + 1);
    return rig->status;
}

static inline void rig_read(struct rig *rig, const char *account)
{
    int now = rig->answers;
    registry_read(rig->redis, span_cstr(account), rig_on_read, rig);
    rig_until(rig, &rig->answers, now + 1);
}

#endif
