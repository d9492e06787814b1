/* Who waits for whom, and for how long. */
#include "base/mem.h"
#include "loop/loop.h"
#include "metric/metric.h"
#include "order.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define WAIT_MS 30

static struct loop *loop;
static struct orders *orders;
static struct job *jobs[8];
static uint64_t resumed[8];
static size_t resumed_count;
static const struct owner *take_by; /* a resumed job goes to this service */

/* Owners are told apart by address only. */
static char names[2];
#define PRESENCE ((const struct owner *)(const void *)&names[0])
#define SESSION  ((const struct owner *)(const void *)&names[1])

static void on_resume(void *ctx, struct job *job)
{
    (void)ctx;
    resumed[resumed_count++] = job->origin_n;
    if (take_by)
        order_taken(orders, job, take_by);
}

static int setup(void **state)
{
    struct orders_options options = {.resume = on_resume, .wait_ms = WAIT_MS, .max_waiting = 3};

    (void)state;
    loop = loop_new();
    options.loop = loop;
    orders = orders_new(&options);
    resumed_count = 0;
    take_by = NULL;
    for (size_t i = 0; i < 8; i++) {
        jobs[i] = mem_calloc(1, sizeof(*jobs[i]));
        jobs[i]->origin_sid = 1;
        jobs[i]->origin_n = i;
        list_init(&jobs[i]->wait);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    orders_free(orders);
    for (size_t i = 0; i < 8; i++)
        mem_free(jobs[i]);
    loop_free(loop);
    return 0;
}

static void nobody_waits_for_nothing(void **state)
{
    (void)state;
    assert_int_equal(order_admit(orders, jobs[0], NULL), ORDER_GO);
    assert_int_equal(order_admit(orders, jobs[1], PRESENCE), ORDER_GO);
}

static void all_wait_until_the_service_has_settled(void **state)
{
    (void)state;
    order_taken(orders, jobs[0], PRESENCE);
    assert_int_equal(order_admit(orders, jobs[1], PRESENCE), ORDER_GO);
    order_taken(orders, jobs[1], PRESENCE);
    assert_int_equal(order_admit(orders, jobs[2], NULL), ORDER_WAIT);
    assert_int_equal(order_admit(orders, jobs[3], PRESENCE), ORDER_WAIT); /* no overtaking */
    order_settled(orders, jobs[0]);
    assert_int_equal(resumed_count, 0);
    order_settled(orders, jobs[1]);
    assert_int_equal(resumed_count, 2);
    assert_int_equal(resumed[0], 2);
    assert_int_equal(resumed[1], 3);
    assert_int_equal(order_admit(orders, jobs[4], NULL), ORDER_GO);
}

static void what_is_dealt_with_holds_up_nobody(void **state)
{
    int64_t observed = metric_value(METRIC_router_order_seconds);

    (void)state;
    order_taken(orders, jobs[0], PRESENCE);
    order_taken(orders, jobs[1], PRESENCE);
    assert_int_equal(order_admit(orders, jobs[2], NULL), ORDER_WAIT);
    order_dealt(orders, 1, 1);
    order_dealt(orders, 1, 7); /* of no stanza here */
    order_dealt(orders, 2, 0);
    assert_int_equal(resumed_count, 0);
    order_dealt(orders, 1, 0);
    assert_int_equal(resumed_count, 1);
    assert_int_equal(metric_value(METRIC_router_order_seconds), observed + 1);
    assert_int_equal(order_admit(orders, jobs[3], NULL), ORDER_GO);
    order_dealt(orders, 1, 0);
    order_settled(orders, jobs[0]);
    order_settled(orders, jobs[1]);
    assert_int_equal(order_admit(orders, jobs[4], NULL), ORDER_GO);
}

static void one_that_goes_to_a_service_holds_up_the_rest(void **state)
{
    (void)state;
    order_taken(orders, jobs[0], PRESENCE);
    assert_int_equal(order_admit(orders, jobs[1], SESSION), ORDER_WAIT);
    assert_int_equal(order_admit(orders, jobs[2], SESSION), ORDER_WAIT);
    assert_int_equal(order_admit(orders, jobs[3], NULL), ORDER_WAIT);
    take_by = SESSION;
    order_settled(orders, jobs[0]);
    assert_int_equal(resumed_count, 2); /* both of that service, not the message */
    take_by = NULL;
    order_settled(orders, jobs[1]);
    assert_int_equal(resumed_count, 2);
    order_settled(orders, jobs[2]);
    assert_int_equal(resumed_count, 3);
}

static void sessions_do_not_wait_for_each_other(void **state)
{
    (void)state;
    order_taken(orders, jobs[0], PRESENCE);
    jobs[1]->origin_sid = 2;
    assert_int_equal(order_admit(orders, jobs[1], NULL), ORDER_GO);
    order_settled(orders, jobs[0]);
}

static void only_so_many_may_wait(void **state)
{
    (void)state;
    order_taken(orders, jobs[0], PRESENCE);
    for (size_t i = 1; i <= 3; i++)
        assert_int_equal(order_admit(orders, jobs[i], NULL), ORDER_WAIT);
    assert_int_equal(order_admit(orders, jobs[4], NULL), ORDER_TOO_MANY);
}

static void a_service_that_never_settles_is_not_waited_for(void **state)
{
    (void)state;
    order_taken(orders, jobs[0], PRESENCE);
    assert_int_equal(order_admit(orders, jobs[1], NULL), ORDER_WAIT);
    for (int i = 0; i < 100 && resumed_count == 0; i++)
        loop_run_once(loop, 1);
    assert_int_equal(resumed_count, 1);
    order_settled(orders, jobs[0]);
    assert_int_equal(order_admit(orders, jobs[2], NULL), ORDER_GO);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_dealt_with_holds_up_nobody),
        TEST(nobody_waits_for_nothing),
        TEST(all_wait_until_the_service_has_settled),
        TEST(one_that_goes_to_a_service_holds_up_the_rest),
        TEST(sessions_do_not_wait_for_each_other),
        TEST(only_so_many_may_wait),
        TEST(a_service_that_never_settles_is_not_waited_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
