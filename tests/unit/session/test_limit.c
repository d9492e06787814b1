/* Limits per address: what is one address, how often, how long. */
#include "rig.h"

#include "limit.h"

struct verdicts {
    int count;
    enum limit_verdict latest;
    uint64_t wait_ms;
};

static void on_verdict(void *arg, enum limit_verdict verdict, uint64_t wait_ms)
{
    struct verdicts *verdicts = arg;
    verdicts->count++;
    verdicts->latest = verdict;
    verdicts->wait_ms = wait_ms;
}

static enum limit_verdict check(struct rig *rig, const struct limit *limit, bool count,
                                struct verdicts *verdicts)
{
    int now = verdicts->count;
    limit_check(rig->session->redis, limit, count, on_verdict, verdicts);
    rig_until(rig, &verdicts->count, now + 1);
    return verdicts->latest;
}

static void a_limit_is_reached_after_its_number_and_over_after_its_time(void **state)
{
    struct rig *rig = *state;
    struct verdicts verdicts = {0};
    struct limit limit = {REDIS_KEY_failures, 2, 300, SPAN("192.0.2.1")};
    assert_int_equal(check(rig, &limit, false, &verdicts), LIMIT_FINE);
    assert_int_equal(check(rig, &limit, true, &verdicts), LIMIT_FINE);
    assert_int_equal(check(rig, &limit, true, &verdicts), LIMIT_FINE);
    assert_int_equal(check(rig, &limit, true, &verdicts), LIMIT_REACHED);
    assert_int_equal(check(rig, &limit, false, &verdicts), LIMIT_REACHED);
    assert_in_range(verdicts.wait_ms, 1, 300);
    struct limit other = limit;
    other.address = SPAN("192.0.2.2");
    assert_int_equal(check(rig, &other, false, &verdicts), LIMIT_FINE);
    other = limit;
    other.key = REDIS_KEY_registrations;
    assert_int_equal(check(rig, &other, false, &verdicts), LIMIT_FINE);
    rig_wait_ms(rig, 350);
    assert_int_equal(check(rig, &limit, true, &verdicts), LIMIT_FINE);
}

static void no_limit_and_no_address_are_never_limited(void **state)
{
    struct rig *rig = *state;
    struct verdicts verdicts = {0};
    struct limit none = {REDIS_KEY_failures, 0, 300, SPAN("192.0.2.1")};
    struct limit nobody = {REDIS_KEY_failures, 1, 300, {0}};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(check(rig, &none, true, &verdicts), LIMIT_FINE);
        assert_int_equal(check(rig, &nobody, true, &verdicts), LIMIT_FINE);
    }
}

static void without_redis_nobody_knows(void **state)
{
    struct rig *rig = *state;
    struct verdicts verdicts = {0};
    struct limit limit = {REDIS_KEY_failures, 2, 300, SPAN("192.0.2.1")};
    private_redis_kill(&rig->server);
    assert_int_equal(check(rig, &limit, true, &verdicts), LIMIT_UNKNOWN);
}

static void an_ipv6_network_is_one_address(void **state)
{
    (void)state;
    struct arena arena = {0};
    static const char *const cases[][2] = {
        {"2001:db8:1:2:aaaa:bbbb:cccc:dddd", "2001:db8:1:2::"},
        {"2001:DB8:1:2::1", "2001:db8:1:2::"},
        {"::ffff:192.0.2.1", "192.0.2.1"},
        {"192.0.2.1", "192.0.2.1"},
        {"unix", "unix"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_true(span_is(limit_address(span_cstr(cases[i][0]), &arena), cases[i][1]));
    }
    assert_true(span_is(limit_text("x", 5001, &arena),
                        "Too many x from your address. Try again in 6 seconds."));
    assert_true(span_is(limit_text("x", 600000, &arena),
                        "Too many x from your address. Try again in 10 minutes."));
    arena_deinit(&arena);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_limit_is_reached_after_its_number_and_over_after_its_time),
        TEST(no_limit_and_no_address_are_never_limited),
        TEST(without_redis_nobody_knows),
        cmocka_unit_test(an_ipv6_network_is_one_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
