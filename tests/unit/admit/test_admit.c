/* Token buckets, addresses and log lines: limits cost nothing until they are met. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "admit/address.h"
#include "admit/bucket.h"
#include "admit/quiet.h"

#define NOW 1000000u /* ms */

static const struct admit_rate ten = {.per_second = 10, .burst = 20};

static void test_a_full_bucket_gives_its_burst_and_then_its_rate(void **state)
{
    (void)state;
    struct admit_bucket bucket = {0};
    for (int i = 0; i < 20; i++)
        assert_int_equal(admit_take(&bucket, &ten, 1, NOW), 0);
    assert_int_equal(admit_take(&bucket, &ten, 1, NOW), 100);
    assert_int_equal(admit_take(&bucket, &ten, 1, NOW), 200);
    /* What was owed is paid off with time. */
    assert_int_equal(admit_take(&bucket, &ten, 1, NOW + 300), 0);
    assert_int_equal(admit_take(&bucket, &ten, 1, NOW + 300), 100);
}

static void test_rest_fills_it_but_no_further_than_its_burst(void **state)
{
    (void)state;
    struct admit_bucket bucket = {0};
    assert_int_equal(admit_take(&bucket, &ten, 20, NOW), 0);
    assert_int_equal(admit_take(&bucket, &ten, 20, NOW + 3600000), 0);
    assert_int_equal(admit_take(&bucket, &ten, 1, NOW + 3600000), 100);
}

static void test_who_keeps_to_the_rate_never_waits(void **state)
{
    (void)state;
    struct admit_bucket bucket = {0};
    for (unsigned i = 0; i < 10000; i++)
        assert_int_equal(admit_take(&bucket, &ten, 1, NOW + i * 100), 0);
}

static void test_who_waits_as_told_gets_the_rate_exactly(void **state)
{
    (void)state;
    const struct admit_rate rate = {.per_second = 1000, .burst = 500};
    struct admit_bucket bucket = {0};
    uint64_t now = NOW;
    unsigned taken = 0;
    while (now < NOW + 10000) {
        taken++;
        now += admit_take(&bucket, &rate, 1, now);
    }
    /* The last tenth of a second is still owed. */
    assert_in_range(taken, 9900 + 500, 9900 + 500 + 1);
}

static void test_one_large_amount_waits_but_not_for_ever(void **state)
{
    (void)state;
    struct admit_bucket bucket = {0};
    assert_int_equal(admit_take(&bucket, &ten, 1000000000, NOW), ADMIT_WAIT_MAX_MS);
    assert_int_equal(admit_take(&bucket, &ten, 1, NOW + ADMIT_WAIT_MAX_MS), ADMIT_WAIT_MIN_MS);
}

static void test_rate_0_is_no_limit(void **state)
{
    (void)state;
    struct admit_bucket bucket = {0};
    const struct admit_rate none = {0};
    assert_int_equal(admit_take(&bucket, &none, UINT32_MAX, NOW), 0);
    assert_int_equal(admit_take(&bucket, &none, UINT32_MAX, NOW), 0);
    assert_int_equal(bucket.full_at_us, 0);
}

static void test_shortest_wait_is_worth_a_wake_up(void **state)
{
    (void)state;
    const struct admit_rate fast = {.per_second = 1000000, .burst = 1};
    struct admit_bucket bucket = {0};
    assert_int_equal(admit_take(&bucket, &fast, 2, NOW), ADMIT_WAIT_MIN_MS);
}

static void assert_group(const char *address, const char *group)
{
    char out[ADMIT_ADDRESS_MAX];
    admit_address_group(span_cstr(address), out);
    assert_string_equal(out, group);
}

static void test_an_ipv6_address_stands_for_its_64(void **state)
{
    (void)state;
    assert_group("192.0.2.1", "192.0.2.1");
    assert_group("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::");
    assert_group("2001:db8:1:2::1", "2001:db8:1:2::");
    assert_group("2001:DB8:1:3::1", "2001:db8:1:3::");
    assert_group("::ffff:192.0.2.1", "192.0.2.1");
    assert_group("unix", "unix");
    assert_int_equal(admit_address_key(span_cstr("2001:db8:1:2::1")),
                     admit_address_key(span_cstr("2001:db8:1:2:ffff::9")));
    assert_int_not_equal(admit_address_key(span_cstr("2001:db8:1:2::1")),
                         admit_address_key(span_cstr("2001:db8:1:3::1")));
    assert_int_equal(admit_address_key(span_cstr("192.0.2.1")),
                     admit_address_key(span_cstr("::ffff:192.0.2.1")));
    assert_int_equal(admit_address_key(span_cstr("unix")), 0);
    assert_int_equal(admit_address_key((struct span){0}), 0);
}

static void test_an_address_has_so_many_places(void **state)
{
    (void)state;
    struct admit_counts counts = {0};
    assert_true(admit_enter(&counts, 7, 2));
    assert_true(admit_enter(&counts, 7, 2));
    assert_false(admit_enter(&counts, 7, 2));
    assert_false(admit_has_room(&counts, 7, 2));
    assert_true(admit_enter(&counts, 8, 2));
    admit_leave(&counts, 7);
    assert_true(admit_enter(&counts, 7, 2));
    assert_true(admit_enter(&counts, 7, 0)); /* no limit, but counted */
    for (int i = 0; i < 3; i++)
        admit_leave(&counts, 7);
    admit_leave(&counts, 8);
    assert_int_equal(map64_count(&counts.by_key), 0);
    admit_counts_deinit(&counts);
}

static void test_nobody_in_particular_is_not_counted(void **state)
{
    (void)state;
    struct admit_counts counts = {0};
    for (int i = 0; i < 10; i++)
        assert_true(admit_enter(&counts, 0, 1));
    admit_leave(&counts, 0);
    assert_int_equal(map64_count(&counts.by_key), 0);
}

static void test_one_line_then_how_many_were_held_back(void **state)
{
    (void)state;
    struct admit_quiet quiet = {0};
    uint32_t more = 99;
    assert_true(admit_may_say(&quiet, NOW, &more));
    assert_int_equal(more, 0);
    for (int i = 0; i < 5; i++)
        assert_false(admit_may_say(&quiet, NOW + ADMIT_QUIET_MS - 1, &more));
    assert_true(admit_may_say(&quiet, NOW + ADMIT_QUIET_MS, &more));
    assert_int_equal(more, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_full_bucket_gives_its_burst_and_then_its_rate),
        cmocka_unit_test(test_rest_fills_it_but_no_further_than_its_burst),
        cmocka_unit_test(test_who_keeps_to_the_rate_never_waits),
        cmocka_unit_test(test_who_waits_as_told_gets_the_rate_exactly),
        cmocka_unit_test(test_one_large_amount_waits_but_not_for_ever),
        cmocka_unit_test(test_rate_0_is_no_limit),
        cmocka_unit_test(test_shortest_wait_is_worth_a_wake_up),
        cmocka_unit_test(test_an_ipv6_address_stands_for_its_64),
        cmocka_unit_test(test_an_address_has_so_many_places),
        cmocka_unit_test(test_nobody_in_particular_is_not_counted),
        cmocka_unit_test(test_one_line_then_how_many_were_held_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
