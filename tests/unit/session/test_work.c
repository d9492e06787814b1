/* The worker threads: every job runs once off the loop and ends on it; too many are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <unistd.h>

#include "loop/loop.h"
#include "work.h"

struct counted {
    pthread_t loop_thread;
    struct loop *loop;
    int ran;
    int *done;
    int stop_at;
};

static void run(void *arg)
{
    struct counted *counted = arg;
    assert_false(pthread_equal(pthread_self(), counted->loop_thread));
    counted->ran++;
}

static void done(void *arg)
{
    struct counted *counted = arg;
    assert_true(pthread_equal(pthread_self(), counted->loop_thread));
    if (++*counted->done == counted->stop_at) {
        loop_stop(counted->loop);
    }
}

static void every_job_runs_once_on_a_thread_and_ends_on_the_loop(void **state)
{
    (void)state;
    enum { MANY = 500 };
    static struct counted all[MANY];
    int count = 0;
    struct loop *loop = loop_new();
    struct work *work = work_new(loop, 4, MANY);
    for (int i = 0; i < MANY; i++) {
        all[i] = (struct counted){pthread_self(), loop, 0, &count, MANY};
        assert_int_equal(work_add(work, run, done, &all[i]), 0);
    }
    assert_int_equal(count, 0);
    loop_run(loop);
    assert_int_equal(count, MANY);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(all[i].ran, 1);
    }
    work_free(work);
    loop_free(loop);
}

static void nap(void *arg)
{
    (void)arg;
    (void)usleep(100000);
}

static void never(void *arg)
{
    (void)arg;
    fail();
}

static void more_than_may_wait_are_refused_and_freeing_drops_them(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct work *work = work_new(loop, 1, 3);
    int taken = 0;
    for (int i = 0; i < 10; i++) {
        taken += work_add(work, nap, never, NULL) == 0;
    }
    assert_in_range(taken, 3, 4);
    work_free(work);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_job_runs_once_on_a_thread_and_ends_on_the_loop),
        cmocka_unit_test(more_than_may_wait_are_refused_and_freeing_drops_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
