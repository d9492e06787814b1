/* Resume queues on a real Redis: what is kept, what is settled when, who is fenced off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../registry/private_redis.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "custody/queue.h"
#include "loop/loop.h"
#include "redis/redis.h"

#include <stdio.h>

#define ACCOUNT "a@x/desk"
#define KEY     "jd:q:{a@x}:0000000000000007:"

static struct {
    struct private_redis server;
    struct loop *loop;
    struct loop_timer tick;
    struct redis *redis;
    struct custody custody;
    /* what the bus was told */
    int settled;
    uint64_t tokens[100];
    struct {
        uint64_t sid;
        uint64_t origin_n;
        bus_settled_fn *fn;
        void *arg;
    } missed[100];
    int missed_count;
    bool is_full;
    /* what the queue told */
    int lost;
    int delivered;
    int opened;
    enum custody_loaded outcome;
    char text[1000];
    int64_t number;
    int answers;
} f;

/* ---- bus ---- */

void bus_settle(struct bus_peer *peer, uint64_t token)
{
    (void)peer;
    f.tokens[f.settled++] = token;
}

int bus_send_to(struct bus_peer *peer, const struct wire_msg *msg, bus_settled_fn *settled,
                void *arg)
{
    (void)peer;
    if (f.is_full)
        return -1;
    assert_int_equal(msg->id, WIRE_ID_missed);
    for (uint32_t i = 0; i < msg->u.missed.sids.count; i++) {
        f.missed[f.missed_count].sid = msg->u.missed.sids.items[i];
        f.missed[f.missed_count].origin_n = msg->u.missed.origin_n;
        f.missed[f.missed_count].fn = settled;
        f.missed[f.missed_count++].arg = arg;
    }
    return 0;
}

/* ---- the rig ---- */

static void nothing(void *arg)
{
    (void)arg;
}

static void until(const int *what, int target)
{
    uint64_t deadline = clock_mono_ms() + 10000;
    while (*what < target) {
        assert_true(clock_mono_ms() < deadline);
        loop_run_once(f.loop, 1);
    }
}

static void wait_up(void)
{
    uint64_t deadline = clock_mono_ms() + 10000;
    while (!redis_is_up(f.redis)) {
        assert_true(clock_mono_ms() < deadline);
        loop_run_once(f.loop, 1);
    }
}

static int setup(void **state)
{
    char error[200];
    (void)state;
    memset(&f, 0, sizeof(f));
    log_set_level(LOG_LEVEL_ERROR);
    private_redis_start(&f.server);
    f.loop = loop_new();
    loop_timer_init(&f.tick, f.loop, nothing, NULL);
    loop_timer_start(&f.tick, 10, 10);
    f.redis = redis_new(f.loop, f.server.url, error, sizeof(error));
    wait_up();
    custody_init(&f.custody,
                 &(struct custody_options){
                     .loop = f.loop, .redis = f.redis, .remember_ms = 600000, .keep_ms = 100});
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    loop_timer_stop(&f.tick);
    custody_deinit(&f.custody);
    redis_free(f.redis);
    loop_free(f.loop);
    private_redis_stop(&f.server);
    return 0;
}

static void on_lost(void *arg)
{
    f.lost++;
    custody_queue_close(arg);
}

static void on_deliver(void *arg, struct delivery *delivery)
{
    (void)arg;
    (void)delivery;
    f.delivered++;
}

static const struct custody_user user = {.lost = on_lost, .deliver = on_deliver};

static void on_made(void *arg, bool ok)
{
    (void)arg;
    assert_true(ok);
    f.opened++;
}

static void make(struct custody_queue *queue, uint64_t epoch)
{
    int now = f.opened;
    custody_queue_init(queue, &f.custody, &user, queue);
    custody_queue_name(queue, ACCOUNT, 7, epoch);
    custody_queue_make(queue, on_made, NULL);
    until(&f.opened, now + 1);
    custody_queue_open(queue);
}

static void note(void *arg, const struct custody_stanza *stanza)
{
    size_t len = strlen(f.text);
    (void)arg;
    (void)snprintf(f.text + len, sizeof(f.text) - len, "%llu:%.*s ",
                   (unsigned long long)stanza->number, SPAN_ARG(stanza->stanza));
}

static void on_loaded(void *arg, enum custody_loaded outcome, const struct custody_load *load)
{
    (void)arg;
    f.outcome = outcome;
    f.text[0] = '\0';
    if (outcome == CUSTODY_LOADED)
        custody_load_each(load, 0, note, NULL);
    f.opened++;
}

static enum custody_loaded load(struct custody_queue *queue, uint64_t epoch)
{
    int now = f.opened;
    custody_queue_init(queue, &f.custody, &user, queue);
    custody_queue_name(queue, ACCOUNT, 7, epoch);
    custody_queue_load(queue, on_loaded, NULL);
    until(&f.opened, now + 1);
    return f.outcome;
}

/* Stanza `n` of session 1, with token 100 + n. */
static enum custody_added add(struct custody_queue *queue, uint64_t n, const char *stanza)
{
    static char peer;
    uint64_t sid = 7;
    struct wire_deliver item = {
        .origin_sid = 1, .origin_n = n, .sids = {&sid, 1}, .stanza = span_cstr(stanza)};
    struct delivery *delivery =
        delivery_new(&f.custody, (struct bus_peer *)(void *)&peer, 100 + n, &item);
    enum custody_added added = custody_queue_add(queue, delivery);
    delivery_release(delivery);
    return added;
}

static void on_number(void *arg, const struct redis_reply *reply)
{
    (void)arg;
    f.number = redis_integer(reply);
    f.answers++;
}

static int64_t number(const char *command, const char *key)
{
    int now = f.answers;
    redis_call(f.redis, on_number, NULL, span_cstr(command), span_cstr(key));
    until(&f.answers, now + 1);
    return f.number;
}

static void rename_to(const char *from, const char *to)
{
    redis_call(f.redis, NULL, NULL, SPAN("RENAME"), span_cstr(from), span_cstr(to));
}

/* ---- tests ---- */

static void what_comes_in_one_turn_is_one_entry_and_settled_when_it_is_kept(void **state)
{
    struct custody_queue queue;
    (void)state;
    make(&queue, 1);
    assert_int_equal(add(&queue, 1, "one"), CUSTODY_NEW);
    assert_int_equal(add(&queue, 2, "two"), CUSTODY_NEW);
    assert_int_equal(f.settled, 0);
    assert_int_equal(f.delivered, 0);
    until(&f.settled, 2);
    assert_int_equal(f.delivered, 2);
    assert_int_equal(f.tokens[0], 101);
    assert_int_equal(f.tokens[1], 102);
    assert_int_equal(queue.kept, 2);
    assert_int_equal(number("XLEN", KEY "1"), 2); /* the one it was made with */
    custody_queue_close(&queue);
    assert_int_equal(f.missed_count, 0);
}

static void a_second_copy_waits_for_the_first_and_is_not_delivered(void **state)
{
    struct custody_queue queue;
    (void)state;
    make(&queue, 1);
    assert_int_equal(add(&queue, 1, "one"), CUSTODY_NEW);
    assert_int_equal(add(&queue, 1, "one"), CUSTODY_SEEN);
    assert_int_equal(f.settled, 0);
    until(&f.settled, 2);
    assert_int_equal(queue.last, 1);
    assert_int_equal(add(&queue, 1, "one"), CUSTODY_SEEN); /* kept long ago */
    assert_int_equal(f.settled, 3);
    custody_queue_close(&queue);
}

static void the_next_holder_finds_all_it_must_know(void **state)
{
    struct custody_queue first;
    struct custody_queue second;
    (void)state;
    make(&first, 1);
    for (uint64_t n = 1; n <= 3; n++)
        (void)add(&first, n, "x");
    until(&f.settled, 3);
    custody_queue_ack(&first, 2);
    custody_queue_handled(&first, 9, true);
    (void)add(&first, 4, "y");
    until(&f.settled, 4);
    custody_queue_close(&first);
    seen_deinit(&f.custody.seen); /* as if it were another process */
    seen_init(&f.custody.seen, f.loop, 600000);
    rename_to(KEY "1", KEY "2");
    assert_int_equal(load(&second, 2), CUSTODY_LOADED);
    assert_string_equal(f.text, "1:x 2:x 3:x 4:y ");
    assert_int_equal(second.last, 4);
    assert_int_equal(second.acked, 2);
    assert_int_equal(second.handled, 9);
    custody_queue_open(&second);
    assert_int_equal(add(&second, 2, "x"), CUSTODY_SEEN); /* acknowledged, not settled then */
    assert_int_equal(add(&second, 5, "z"), CUSTODY_NEW);
    until(&f.settled, 6);
    assert_int_equal(second.last, 5);
    custody_queue_close(&second);
}

static void who_wrote_under_an_earlier_epoch_is_fenced_off(void **state)
{
    struct custody_queue queue;
    (void)state;
    make(&queue, 1);
    (void)add(&queue, 1, "one");
    until(&f.settled, 1);
    rename_to(KEY "1", KEY "2");
    (void)add(&queue, 2, "two");
    until(&f.lost, 1);
    assert_int_equal(f.delivered, 1); /* the client never sees what is not its session's any more */
    assert_int_equal(f.missed_count, 1);
    assert_int_equal(f.missed[0].origin_n, 2);
    assert_int_equal(f.settled, 1); /* not before the router has taken it back */
    f.missed[0].fn(f.missed[0].arg, BUS_SETTLED);
    assert_int_equal(f.settled, 2);
    assert_int_equal(number("EXISTS", KEY "1"), 0);
    assert_int_equal(number("XLEN", KEY "2"), 2);
    /* the stanza is new to whoever gets it, this process too */
    assert_int_equal(load(&queue, 2), CUSTODY_LOADED);
    custody_queue_open(&queue);
    assert_int_equal(add(&queue, 2, "two"), CUSTODY_NEW);
    until(&f.settled, 3);
    custody_queue_close(&queue);
}

static void what_comes_while_it_is_loaded_is_delivered_after_what_was_there(void **state)
{
    struct custody_queue first;
    struct custody_queue second;
    (void)state;
    make(&first, 1);
    (void)add(&first, 1, "one");
    until(&f.settled, 1);
    custody_queue_close(&first);
    custody_queue_init(&second, &f.custody, &user, &second);
    custody_queue_name(&second, ACCOUNT, 7, 1);
    assert_int_equal(add(&second, 1, "one"), CUSTODY_HELD); /* a copy of what is there */
    assert_int_equal(add(&second, 2, "two"), CUSTODY_HELD);
    custody_queue_load(&second, on_loaded, NULL);
    until(&f.opened, 2);
    assert_int_equal(f.delivered, 1);
    custody_queue_open(&second);
    assert_int_equal(second.last, 2);
    until(&f.settled, 3);
    assert_int_equal(f.delivered, 2); /* one of each queue */
    custody_queue_close(&second);
}

static void what_is_acknowledged_is_trimmed_late_but_the_latest_entry_stays(void **state)
{
    struct custody_queue queue;
    uint64_t deadline = clock_mono_ms() + 10000;
    (void)state;
    make(&queue, 1);
    for (uint64_t n = 1; n <= 5; n++) {
        (void)add(&queue, n, "x");
        until(&f.settled, (int)n);
    }
    assert_int_equal(number("XLEN", KEY "1"), 6);
    custody_queue_ack(&queue, 3);
    while (number("XLEN", KEY "1") > 4) /* the fourth, the fifth, and what was said of them */
        assert_true(clock_mono_ms() < deadline);
    custody_queue_ack(&queue, 5);
    while (number("XLEN", KEY "1") > 1)
        assert_true(clock_mono_ms() < deadline);
    custody_queue_close(&queue);
    assert_int_equal(load(&queue, 1), CUSTODY_LOADED);
    assert_int_equal(queue.last, 5);
    assert_int_equal(queue.acked, 5);
    custody_queue_close(&queue);
}

static void what_was_handled_is_written_alone_and_leaves_one_entry(void **state)
{
    struct custody_queue queue;
    uint64_t deadline = clock_mono_ms() + 10000;
    (void)state;
    make(&queue, 1);
    for (uint64_t h = 1; h <= 5; h++) {
        custody_queue_handled(&queue, h, true);
        while (queue.handled_kept < h) {
            assert_true(clock_mono_ms() < deadline);
            loop_run_once(f.loop, 1);
        }
    }
    assert_int_equal(number("XLEN", KEY "1"), 1);
    custody_queue_close(&queue);
    assert_int_equal(load(&queue, 1), CUSTODY_LOADED);
    assert_int_equal(queue.handled, 5);
    custody_queue_close(&queue);
}

static void while_redis_is_away_nothing_is_settled_and_all_is_written_when_it_is_back(void **state)
{
    struct custody_queue queue;
    (void)state;
    make(&queue, 1);
    (void)add(&queue, 1, "one");
    until(&f.settled, 1);
    private_redis_kill(&f.server);
    (void)add(&queue, 2, "two");
    (void)add(&queue, 3, "three");
    for (int i = 0; i < 20; i++)
        loop_run_once(f.loop, 1);
    assert_int_equal(f.settled, 1);
    assert_int_equal(f.delivered, 3); /* live delivery goes on */
    custody_queue_ack(&queue, 2);     /* the client has it: nobody else needs it */
    assert_int_equal(f.settled, 2);
    private_redis_spawn(&f.server); /* empty: the stream is gone, and with it the session */
    wait_up();
    until(&f.lost, 1);
    assert_int_equal(f.missed_count, 1);
    assert_int_equal(f.missed[0].origin_n, 3);
}

static void numbers_of_thirty_two_bits_are_understood(void **state)
{
    struct custody_queue queue = {.sent = 0x100000005, .acked = 0xfffffff0};
    uint64_t found;
    (void)state;
    assert_int_equal(custody_queue_number(&queue, 5, &found), 0);
    assert_true(found == 0x100000005);
    assert_int_equal(custody_queue_number(&queue, 0, &found), 0);
    assert_true(found == 0x100000000);
    assert_int_equal(custody_queue_number(&queue, 0xfffffffe, &found), 0);
    assert_true(found == 0xfffffffe);
    assert_int_equal(custody_queue_number(&queue, 6, &found), -1);
    queue.sent = 3;
    assert_int_equal(custody_queue_number(&queue, 0, &found), 0);
    assert_true(found == 0);
    assert_int_equal(custody_queue_number(&queue, 4, &found), -1);
}

static void a_queue_that_is_not_there_says_so(void **state)
{
    struct custody_queue queue;
    (void)state;
    assert_int_equal(load(&queue, 5), CUSTODY_GONE);
    custody_queue_close(&queue);
    private_redis_kill(&f.server);
    assert_int_equal(load(&queue, 5), CUSTODY_DOWN);
    custody_queue_close(&queue);
}

static void a_router_without_room_is_told_later_and_one_that_went_is_not(void **state)
{
    struct custody_queue queue;
    static char peer;
    (void)state;
    f.is_full = true;
    custody_queue_init(&queue, &f.custody, &user, &queue);
    custody_queue_name(&queue, ACCOUNT, 7, 1);
    (void)add(&queue, 1, "one");
    custody_queue_close(&queue);
    assert_int_equal(f.missed_count, 0);
    f.is_full = false;
    until(&f.missed_count, 1);
    f.missed[0].fn(f.missed[0].arg, BUS_SETTLED);
    assert_int_equal(f.settled, 1);
    custody_queue_init(&queue, &f.custody, &user, &queue);
    (void)add(&queue, 2, "two"); /* the peer of add() is another one */
    custody_peer_down(&f.custody, (struct bus_peer *)(void *)&peer);
    custody_queue_close(&queue);
    assert_int_equal(f.missed_count, 2);
    f.missed[1].fn(f.missed[1].arg, BUS_LOST);
    assert_int_equal(f.settled, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_comes_in_one_turn_is_one_entry_and_settled_when_it_is_kept),
        TEST(a_second_copy_waits_for_the_first_and_is_not_delivered),
        TEST(the_next_holder_finds_all_it_must_know),
        TEST(who_wrote_under_an_earlier_epoch_is_fenced_off),
        TEST(what_comes_while_it_is_loaded_is_delivered_after_what_was_there),
        TEST(what_is_acknowledged_is_trimmed_late_but_the_latest_entry_stays),
        TEST(what_was_handled_is_written_alone_and_leaves_one_entry),
        TEST(while_redis_is_away_nothing_is_settled_and_all_is_written_when_it_is_back),
        TEST(numbers_of_thirty_two_bits_are_understood),
        TEST(a_queue_that_is_not_there_says_so),
        TEST(a_router_without_room_is_told_later_and_one_that_went_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
