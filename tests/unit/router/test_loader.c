/* Accounts read from a real Redis: registry joined with presence state. */
#include "../registry/private_redis.h"
#include "../service/fake_bus.h"

#include "base/clock.h"
#include "holder.h"
#include "loader.h"
#include "loop/loop.h"
#include "loop/timer.h"
#include "redis/redis.h"
#include "registry/registry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct {
    struct private_redis server;
    struct loop *loop;
    struct loop_timer tick; /* so that a turn of the loop never blocks for long */
    struct redis *redis;
    struct holders *holders;
    struct loader *loader;
    struct route_cache *cache;
    bool is_bound;
    bool is_answered;
    enum route_answer answer;
    struct route_entry entry;
    struct route_session sessions[8];
} t;

static void on_tick(void *arg)
{
    (void)arg;
}

static void run_until(const bool *done)
{
    uint64_t end = clock_mono_ms() + 5000;

    while (!*done && clock_mono_ms() < end)
        loop_run_once(t.loop, 1);
    assert_true(*done);
}

static int setup(void **state)
{
    struct route_cache_options options = {.max_accounts = 100, .max_waiting = 100};
    char error[128];
    uint64_t end = clock_mono_ms() + 5000;

    (void)state;
    memset(&t, 0, sizeof(t));
    fake_reset();
    private_redis_start(&t.server);
    t.loop = loop_new();
    loop_timer_init(&t.tick, t.loop, on_tick, NULL);
    loop_timer_start(&t.tick, 5, 5);
    t.redis = redis_new(t.loop, t.server.url, error, sizeof(error));
    assert_non_null(t.redis);
    t.holders = holders_new(t.loop, 0);
    t.loader = loader_new(t.redis, NULL);
    options.loop = t.loop;
    options.holders = t.holders;
    options.source = loader_source(t.loader);
    t.cache = route_cache_new(&options);
    loader_set_cache(t.loader, t.cache);
    while (!redis_is_up(t.redis) && clock_mono_ms() < end)
        loop_run_once(t.loop, 1);
    assert_true(redis_is_up(t.redis));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    loader_set_cache(t.loader, NULL);
    route_cache_free(t.cache);
    holders_free(t.holders);
    redis_free(t.redis);
    loader_free(t.loader);
    loop_timer_stop(&t.tick);
    loop_free(t.loop);
    private_redis_stop(&t.server);
    fake_reset();
    return 0;
}

static void on_bound(void *arg, enum registry_status status,
                     const struct wire_session_record *replaced)
{
    (void)arg;
    (void)replaced;
    assert_int_equal(status, REGISTRY_OK);
    t.is_bound = true;
}

static void bind(const char *resource, uint64_t sid, const char *holder)
{
    struct registry_bind bind = {.account = SPAN("romeo@localhost"),
                                 .resource = span_cstr(resource),
                                 .record = {.sid = sid, .epoch = 7, .holder = span_cstr(holder)},
                                 .max_sessions = 10,
                                 .lease_ms = 60000};

    t.is_bound = false;
    registry_bind(t.redis, &bind, on_bound, NULL);
    run_until(&t.is_bound);
}

static void shows(const char *resource, uint64_t sid, uint32_t flags, int priority)
{
    struct wire_msg msg = {.id = WIRE_ID_presence_record};
    struct buf bytes = {0};

    msg.u.presence_record = (struct wire_presence_record){
        .sid = sid, .flags = flags, .priority_plus_128 = (uint32_t)(priority + 128)};
    wire_encode(&msg, &bytes);
    redis_call(t.redis, NULL, NULL, SPAN("HSET"), SPAN("jd:p:{romeo@localhost}"),
               span_cstr(resource), buf_span(&bytes));
    buf_deinit(&bytes);
}

static void on_answer(void *arg, enum route_answer answer, const struct route_entry *entry)
{
    (void)arg;
    t.is_answered = true;
    t.answer = answer;
    t.entry = *entry;
    assert_true(entry->count <= 8);
    if (entry->count > 0)
        memcpy(t.sessions, entry->sessions, entry->count * sizeof(t.sessions[0]));
}

static void ask(const char *account, unsigned needs, struct route_waiter *waiter)
{
    *waiter = (struct route_waiter){.fn = on_answer};
    t.is_answered = false;
    assert_int_equal(route_cache_wait(t.cache, span_cstr(account), needs, waiter), 0);
}

static const struct route_session *session_of(const char *resource)
{
    for (uint32_t i = 0; i < t.entry.count; i++) {
        if (span_is(t.sessions[i].resource, resource))
            return &t.sessions[i];
    }
    fail();
    return NULL;
}

static void registry_and_presence_make_an_account(void **state)
{
    struct route_waiter waiter;

    (void)state;
    bind("orchard", 1, "edge-1");
    bind("street", 2, "edge-2");
    bind("tomb", 3, "edge-2");
    shows("orchard", 1, WIRE_PRESENCE_AVAILABLE, 5);
    shows("street", 99, WIRE_PRESENCE_AVAILABLE, 5); /* left by an earlier session */
    shows("tomb", 3, WIRE_PRESENCE_INTERESTED, 0);
    ask("romeo@localhost", ROUTE_SESSIONS, &waiter);
    run_until(&t.is_answered);
    assert_int_equal(t.answer, ROUTE_KNOWN);
    assert_int_equal(t.entry.count, 3);
    assert_true(session_of("orchard")->is_available);
    assert_int_equal(session_of("orchard")->priority, 5);
    assert_int_equal(session_of("orchard")->sid, 1);
    assert_true(span_is(session_of("orchard")->holder->name, "edge-1"));
    assert_false(session_of("street")->is_available);
    assert_false(session_of("tomb")->is_available);
}

static void who_is_not_there_has_no_sessions(void **state)
{
    struct route_waiter waiter;

    (void)state;
    ask("nobody@localhost", ROUTE_SESSIONS, &waiter);
    run_until(&t.is_answered);
    assert_int_equal(t.answer, ROUTE_KNOWN);
    assert_int_equal(t.entry.count, 0);
}

static void who_was_not_there_and_has_come_is_found(void **state)
{
    struct route_waiter waiter;

    (void)state;
    ask("romeo@localhost", ROUTE_SESSIONS, &waiter);
    run_until(&t.is_answered);
    ask("romeo@localhost", ROUTE_SESSIONS | ROUTE_FRESH, &waiter);
    run_until(&t.is_answered);
    assert_int_equal(t.entry.count, 0);
    bind("orchard", 1, "edge-1");
    shows("orchard", 1, WIRE_PRESENCE_AVAILABLE, 5);
    ask("romeo@localhost", ROUTE_SESSIONS | ROUTE_FRESH, &waiter);
    run_until(&t.is_answered);
    assert_int_equal(t.entry.count, 1);
    assert_true(t.sessions[0].is_available);
}

static void a_record_that_is_none_is_left_out(void **state)
{
    struct route_waiter waiter;

    (void)state;
    bind("orchard", 1, "edge-1");
    redis_call(t.redis, NULL, NULL, SPAN("HSET"), SPAN("jd:p:{romeo@localhost}"), SPAN("orchard"),
               SPAN("nonsense"));
    ask("romeo@localhost", ROUTE_SESSIONS, &waiter);
    run_until(&t.is_answered);
    assert_int_equal(t.entry.count, 1);
    assert_false(t.sessions[0].is_available);
}

static void a_redis_that_comes_back_is_asked_again(void **state)
{
    struct route_waiter waiter;
    bool never = false;

    (void)state;
    private_redis_kill(&t.server);
    ask("romeo@localhost", ROUTE_SESSIONS, &waiter);
    for (int i = 0; i < 20; i++)
        loop_run_once(t.loop, 1);
    assert_false(t.is_answered);
    assert_int_equal(route_cache_wait(t.cache, SPAN("x@localhost"), ROUTE_SESSIONS | ROUTE_FRESH,
                                      &(struct route_waiter){.fn = on_answer, .arg = &never}),
                     -1);
    private_redis_spawn(&t.server);
    run_until(&t.is_answered);
    assert_int_equal(t.answer, ROUTE_KNOWN);
}

static void session_is_asked_whether_an_account_exists(void **state)
{
    struct route_waiter waiter;
    struct wire_msg reply = {.id = WIRE_ID_result};

    (void)state;
    ask("romeo@localhost", ROUTE_EXISTENCE, &waiter);
    assert_int_equal(fake.call_count, 1);
    assert_int_equal(fake.calls[0].msg.id, WIRE_ID_account_exists);
    assert_true(span_is(fake.calls[0].msg.u.account_exists.account, "romeo@localhost"));
    reply.u.result.condition = SPAN("item-not-found");
    fake.calls[0].reply(fake.calls[0].arg, BUS_SETTLED, &reply);
    assert_true(t.is_answered);
    assert_false(t.entry.exists);
    ask("romeo@localhost", ROUTE_EXISTENCE, &waiter);
    fake.calls[1].reply(fake.calls[1].arg, BUS_TIMEOUT, NULL);
    assert_false(t.is_answered);
    for (int i = 0; i < 1000 && fake.call_count < 3; i++)
        loop_run_once(t.loop, 1);
    reply.u.result.condition = (struct span){0};
    fake.calls[2].reply(fake.calls[2].arg, BUS_SETTLED, &reply);
    assert_true(t.is_answered);
    assert_true(t.entry.exists);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(registry_and_presence_make_an_account),
        TEST(who_is_not_there_has_no_sessions),
        TEST(who_was_not_there_and_has_come_is_found),
        TEST(a_record_that_is_none_is_left_out),
        TEST(a_redis_that_comes_back_is_asked_again),
        TEST(session_is_asked_whether_an_account_exists),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
