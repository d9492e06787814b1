/* Timers, tasks, wake-ups, watchers and signals: each runs when it should, as often as it should.
 */
#include "base/clock.h"
#include "loop/loop.h"
#include "loop/poll.h"
#include "loop/signal.h"
#include "loop/task.h"
#include "loop/timer.h"
#include "loop/wake.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct loop *loop;

static int setup(void **state)
{
    (void)state;
    loop = loop_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    loop_free(loop);
    return 0;
}

/* ---- timers ---- */
static char order[64];

static void note(void *arg)
{
    const char *letter = arg;
    size_t len = strlen(order);

    if (len < sizeof(order) - 1) {
        order[len] = *letter;
        order[len + 1] = '\0';
    }
}

static void timers_fire_in_order_of_their_time(void **state)
{
    struct loop_timer timers[4];
    static char letters[] = "abcd";
    static const uint32_t delays[] = {30, 5, 15, 1};
    uint64_t begin = clock_mono_ms();

    (void)state;
    order[0] = '\0';
    for (size_t i = 0; i < 4; i++) {
        loop_timer_init(&timers[i], loop, note, &letters[i]);
        loop_timer_start(&timers[i], delays[i], 0);
        assert_true(loop_timer_is_active(&timers[i]));
    }
    loop_timer_stop(&timers[2]);
    loop_timer_stop(&timers[2]);
    loop_run(loop);
    assert_string_equal(order, "dba");
    assert_in_range(clock_mono_ms() - begin, 28, 2000);
    assert_false(loop_timer_is_active(&timers[0]));
}

struct counter {
    struct loop_timer timer;
    struct loop_task task;
    int count;
};

static void count_to_three(void *arg)
{
    struct counter *counter = arg;

    if (++counter->count == 3)
        loop_timer_stop(&counter->timer);
}

static void a_repeating_timer_repeats_until_stopped(void **state)
{
    struct counter counter = {.count = 0};

    (void)state;
    loop_timer_init(&counter.timer, loop, count_to_three, &counter);
    loop_timer_start(&counter.timer, 0, 2);
    loop_run(loop);
    assert_int_equal(counter.count, 3);
}

static void restart_at_once(void *arg)
{
    struct counter *counter = arg;

    counter->count++;
    loop_timer_start(&counter->timer, 0, 0);
}

static void moving_a_timer_later_moves_it(void **state)
{
    struct loop_timer early, late;
    static char letters[] = "el";

    (void)state;
    order[0] = '\0';
    loop_timer_init(&early, loop, note, &letters[0]);
    loop_timer_init(&late, loop, note, &letters[1]);
    loop_timer_start(&early, 1, 0);
    loop_timer_start(&late, 10, 0);
    loop_timer_start(&early, 20, 0);
    loop_run(loop);
    assert_string_equal(order, "le");
}

struct many {
    struct loop_timer timer;
    uint64_t due_ms;
    bool has_fired;
};

static uint64_t last_due_ms;

static void fire_one(void *arg)
{
    struct many *one = arg;

    assert_false(one->has_fired);
    assert_true(one->due_ms >= last_due_ms);
    last_due_ms = one->due_ms;
    one->has_fired = true;
}

static void twenty_thousand_timers_keep_the_heap_in_order(void **state)
{
    enum { MANY = 20000 };
    struct many *many = calloc(MANY, sizeof(*many));

    (void)state;
    assert_non_null(many);
    last_due_ms = 0;
    for (uint32_t i = 0; i < MANY; i++) {
        uint32_t delay = i * 7919 % 50;
        loop_timer_init(&many[i].timer, loop, fire_one, &many[i]);
        many[i].due_ms = loop_now_ms(loop) + delay;
        loop_timer_start(&many[i].timer, 1000000, 0);
        loop_timer_start(&many[i].timer, delay, 0);
    }
    for (uint32_t i = 0; i < MANY; i += 3)
        loop_timer_stop(&many[i].timer);
    loop_run(loop);
    for (uint32_t i = 0; i < MANY; i++)
        assert_int_equal(many[i].has_fired, i % 3 != 0);
    free(many);
}

/* ---- tasks ---- */
static void schedule_second(void *arg)
{
    struct counter *counter = arg;

    note((void *)"1");
    loop_task_schedule(&counter[1].task);
}

static void second(void *arg)
{
    (void)arg;
    note((void *)"2");
}

static void schedule_twice(void *arg)
{
    struct counter *counter = arg;

    note((void *)"t");
    loop_task_schedule(&counter[0].task);
    loop_task_schedule(&counter[0].task);
    loop_task_schedule(&counter[2].task);
    loop_task_cancel(&counter[2].task);
}

static void tasks_run_once_at_the_end_of_the_turn(void **state)
{
    struct counter counters[3];
    struct loop_timer later;

    (void)state;
    order[0] = '\0';
    memset(counters, 0, sizeof(counters));
    loop_task_init(&counters[0].task, loop, schedule_second, counters);
    loop_task_init(&counters[1].task, loop, second, counters);
    loop_task_init(&counters[2].task, loop, second, counters);
    loop_timer_init(&counters[0].timer, loop, schedule_twice, counters);
    loop_timer_init(&later, loop, note, "l");
    loop_timer_start(&counters[0].timer, 0, 0);
    loop_timer_start(&later, 10, 0);
    loop_run(loop);
    assert_string_equal(order, "t12l");
}

static void a_task_from_outside_runs_when_the_loop_does(void **state)
{
    struct loop_task task;

    (void)state;
    order[0] = '\0';
    loop_task_init(&task, loop, note, "o");
    loop_task_schedule(&task);
    assert_true(loop_task_is_scheduled(&task));
    loop_run(loop);
    assert_string_equal(order, "o");
    assert_false(loop_task_is_scheduled(&task));
}

/* ---- other threads, descriptors, signals ---- */
struct woken {
    struct loop_wake *wake;
    int calls;
};

static void on_wake(void *arg)
{
    struct woken *woken = arg;

    woken->calls++;
    loop_stop(loop);
}

static void *wake_often(void *arg)
{
    struct woken *woken = arg;

    for (int i = 0; i < 1000; i++)
        loop_wake_send(woken->wake);
    return NULL;
}

static void wakes_from_another_thread_coalesce(void **state)
{
    struct woken woken = {.calls = 0};
    pthread_t thread;

    (void)state;
    woken.wake = loop_wake_new(loop, on_wake, &woken);
    assert_int_equal(pthread_create(&thread, NULL, wake_often, &woken), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    loop_run(loop);
    assert_int_equal(woken.calls, 1);
    loop_wake_free(woken.wake);
    loop_wake_free(NULL);
}

struct watched {
    struct loop_poll *poll;
    int fd;
    unsigned seen;
};

static void on_event(void *arg, unsigned events)
{
    struct watched *watched = arg;
    char byte;

    watched->seen |= events;
    if (events & LOOP_READABLE) {
        assert_int_equal(read(watched->fd, &byte, 1), 1);
        loop_poll_set(watched->poll, 0);
        loop_stop(loop);
    }
}

static void a_timer_that_restarts_itself_lets_others_run(void **state)
{
    struct counter counter = {.count = 0};
    struct watched watched = {.seen = 0};
    int fds[2];

    (void)state;
    loop_timer_init(&counter.timer, loop, restart_at_once, &counter);
    loop_timer_start(&counter.timer, 0, 0);
    for (int i = 0; i < 5; i++)
        loop_run_once(loop, 0);
    assert_in_range(counter.count, 1, 5);
    assert_int_equal(pipe(fds), 0);
    watched.fd = fds[0];
    watched.poll = loop_poll_new(loop, fds[0], on_event, &watched);
    loop_poll_set(watched.poll, LOOP_READABLE);
    assert_int_equal(write(fds[1], "x", 1), 1);
    loop_run(loop); /* until the descriptor had its turn */
    assert_int_equal(watched.seen, LOOP_READABLE);
    loop_poll_free(watched.poll);
    loop_timer_stop(&counter.timer);
    close(fds[0]);
    close(fds[1]);
}

static void a_descriptor_is_watched_for_what_is_asked(void **state)
{
    struct watched watched = {.seen = 0};
    int fds[2];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    watched.fd = fds[0];
    watched.poll = loop_poll_new(loop, fds[0], on_event, &watched);
    assert_non_null(watched.poll);
    assert_int_equal(write(fds[1], "xy", 2), 2);
    loop_run_once(loop, 0);
    assert_int_equal(watched.seen, 0);
    loop_poll_set(watched.poll, LOOP_READABLE);
    loop_run(loop);
    assert_int_equal(watched.seen, LOOP_READABLE);
    watched.seen = 0;
    loop_run_once(loop, 0);
    assert_int_equal(watched.seen, 0);
    loop_poll_free(watched.poll);
    close(fds[0]);
    close(fds[1]);
}

static void what_cannot_be_watched_is_refused(void **state)
{
    (void)state;
    assert_null(loop_poll_new(loop, 9999, on_event, NULL));
    loop_poll_free(NULL);
}

static void on_usr1(void *arg, int signum)
{
    *(int *)arg = signum;
    loop_stop(loop);
}

static void a_signal_is_an_event(void **state)
{
    int seen = 0;
    struct loop_signal *watcher = loop_signal_new(loop, SIGUSR1, on_usr1, &seen);
    struct loop_timer guard;

    (void)state;
    loop_timer_init(&guard, loop, note, "g");
    loop_timer_start(&guard, 10000, 0);
    assert_int_equal(kill(getpid(), SIGUSR1), 0);
    loop_run(loop);
    assert_int_equal(seen, SIGUSR1);
    loop_timer_stop(&guard);
    loop_signal_free(watcher);
    loop_signal_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(timers_fire_in_order_of_their_time),
        TEST(a_repeating_timer_repeats_until_stopped),
        TEST(a_timer_that_restarts_itself_lets_others_run),
        TEST(moving_a_timer_later_moves_it),
        TEST(twenty_thousand_timers_keep_the_heap_in_order),
        TEST(tasks_run_once_at_the_end_of_the_turn),
        TEST(a_task_from_outside_runs_when_the_loop_does),
        TEST(wakes_from_another_thread_coalesce),
        TEST(a_descriptor_is_watched_for_what_is_asked),
        TEST(what_cannot_be_watched_is_refused),
        TEST(a_signal_is_an_event),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
