/* Leases that lapse, and the sweeps of what they leave behind. */
#include "rig.h"

#include "registry/lease.h"
#include "registry/sweep.h"

struct sweeper {
    struct rig *rig;
    int answers;
    int lost;
    int swept;
    char lapsed[100];
    size_t count;
    char text[1000];
};

static void on_lost(void *arg)
{
    ((struct sweeper *)arg)->lost++;
}

static void on_claim(void *arg, enum registry_status status, struct span lapsed)
{
    struct sweeper *sweeper = arg;
    assert_int_equal(status, REGISTRY_OK);
    (void)snprintf(sweeper->lapsed, sizeof(sweeper->lapsed), "%.*s", SPAN_ARG(lapsed));
    sweeper->answers++;
}

static void claim(struct sweeper *sweeper, uint32_t claim_ms)
{
    int now = sweeper->answers;
    registry_sweep_claim(sweeper->rig->redis, claim_ms, on_claim, sweeper);
    rig_until(sweeper->rig, &sweeper->answers, now + 1);
}

static void on_swept(void *arg, enum registry_status status)
{
    struct sweeper *sweeper = arg;
    assert_int_equal(status, REGISTRY_OK);
    sweeper->swept++;
}

static void on_left(void *arg, enum registry_status status, const struct registry_left *left,
                    size_t count)
{
    struct sweeper *sweeper = arg;
    assert_int_equal(status, REGISTRY_OK);
    sweeper->count = count;
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(sweeper->text);
        (void)snprintf(sweeper->text + len, sizeof(sweeper->text) - len, "%.*s %d\n",
                       SPAN_ARG(left[i].jid), (int)left[i].sid);
        registry_sweep_session(sweeper->rig->redis, span_cstr(sweeper->lapsed), &left[i], on_swept,
                               sweeper);
    }
    sweeper->answers++;
}

static void next(struct sweeper *sweeper, uint32_t max)
{
    int now = sweeper->answers;
    int swept = sweeper->swept;
    registry_sweep_next(sweeper->rig->redis, span_cstr(sweeper->lapsed), max, 60000, on_left,
                        sweeper);
    rig_until(sweeper->rig, &sweeper->answers, now + 1);
    rig_until(sweeper->rig, &sweeper->swept, swept + (int)sweeper->count);
}

static struct registry_lease *take(struct rig *rig, const char *holder, uint32_t lease_ms,
                                   struct sweeper *sweeper)
{
    struct registry_lease *lease =
        registry_lease_new(rig->loop, rig->redis, holder, lease_ms, on_lost, sweeper);
    uint64_t deadline = clock_mono_ms() + 5000;
    while (!registry_lease_is_held(lease)) {
        assert_true(clock_mono_ms() < deadline);
        loop_run_once(rig->loop, 1);
    }
    return lease;
}

static void bind(struct rig *rig, const char *account, uint64_t sid, const char *holder)
{
    struct registry_bind session = rig_session(account, "r", sid, holder);
    assert_int_equal(rig_bind(rig, &session), REGISTRY_OK);
}

static void a_renewed_lease_is_never_swept(void **state)
{
    struct sweeper sweeper = {.rig = *state};
    struct registry_lease *lease = take(*state, "edge-1", 150, &sweeper);
    for (int i = 0; i < 5; i++) {
        rig_wait_ms(*state, 60);
        claim(&sweeper, 1000);
        assert_string_equal(sweeper.lapsed, "");
    }
    assert_int_equal(sweeper.lost, 0);
    registry_lease_free(lease);
    rig_wait_ms(*state, 30);
}

static void sessions_of_a_holder_that_gave_its_lease_up_are_swept_once(void **state)
{
    struct rig *rig = *state;
    struct sweeper sweeper = {.rig = rig};
    struct registry_lease *lease = take(rig, "edge-1", 60000, &sweeper);
    bind(rig, "a@x", 1, "edge-1");
    bind(rig, "b@x", 2, "edge-1");
    bind(rig, "c@x", 3, "edge-2"); /* another holder's */
    registry_lease_free(lease);
    rig_wait_ms(rig, 30);
    claim(&sweeper, 60000);
    assert_true(span_is(registry_sweep_holder(span_cstr(sweeper.lapsed)), "edge-1"));
    char lapsed[100];
    (void)snprintf(lapsed, sizeof(lapsed), "%s", sweeper.lapsed);
    claim(&sweeper, 60000); /* claimed already */
    assert_string_equal(sweeper.lapsed, "");
    (void)snprintf(sweeper.lapsed, sizeof(sweeper.lapsed), "%s", lapsed);
    next(&sweeper, 100);
    assert_int_equal(sweeper.count, 2);
    assert_non_null(strstr(sweeper.text, "a@x/r 1\n"));
    assert_non_null(strstr(sweeper.text, "b@x/r 2\n"));
    next(&sweeper, 100);
    assert_int_equal(sweeper.count, 0);
    registry_sweep_done(rig->redis, span_cstr(sweeper.lapsed), on_swept, &sweeper);
    rig_read(rig, "a@x");
    assert_int_equal(rig->count, 0);
    rig_read(rig, "c@x");
    assert_int_equal(rig->count, 1);
    claim(&sweeper, 1);
    assert_string_equal(sweeper.lapsed, "");
}

static void a_claim_lapses_and_another_sweeper_goes_on_where_it_stopped(void **state)
{
    struct rig *rig = *state;
    struct sweeper sweeper = {.rig = rig};
    struct registry_lease *lease = take(rig, "edge-1", 60000, &sweeper);
    char account[16];
    for (uint64_t i = 1; i <= 300; i++) {
        (void)snprintf(account, sizeof(account), "u%d@x", (int)i);
        bind(rig, account, i, "edge-1");
    }
    registry_lease_free(lease);
    rig_wait_ms(rig, 30);
    claim(&sweeper, 50);
    registry_sweep_next(rig->redis, span_cstr(sweeper.lapsed), 20, 50, on_left, &sweeper);
    rig_until(rig, &sweeper.answers, 2);
    assert_in_range(sweeper.count, 1, 40);
    rig_wait_ms(rig, 120);
    size_t total = sweeper.count;
    claim(&sweeper, 60000);
    assert_true(span_is(registry_sweep_holder(span_cstr(sweeper.lapsed)), "edge-1"));
    do {
        sweeper.text[0] = '\0';
        next(&sweeper, 20);
        total += sweeper.count;
    } while (sweeper.count);
    assert_int_equal(total, 300);
}

static void what_an_earlier_life_left_is_swept_while_the_next_one_lives(void **state)
{
    struct rig *rig = *state;
    struct sweeper sweeper = {.rig = rig};
    struct registry_lease *first = take(rig, "edge-1", 60000, &sweeper);
    bind(rig, "a@x", 1, "edge-1");
    struct registry_lease *second = take(rig, "edge-1", 60000, &sweeper);
    bind(rig, "b@x", 2, "edge-1");
    claim(&sweeper, 60000);
    assert_string_not_equal(sweeper.lapsed, "");
    next(&sweeper, 100);
    assert_string_equal(sweeper.text, "a@x/r 1\n");
    next(&sweeper, 100);
    assert_int_equal(sweeper.count, 0);
    rig_read(rig, "b@x");
    assert_int_equal(rig->count, 1);
    registry_lease_free(second);
    registry_lease_free(first);
    rig_wait_ms(rig, 30);
}

static void a_holder_that_finds_its_lease_gone_is_told_and_starts_anew(void **state)
{
    struct rig *rig = *state;
    struct sweeper sweeper = {.rig = rig};
    struct registry_lease *lease = take(rig, "edge-1", 150, &sweeper);
    bind(rig, "a@x", 1, "edge-1");
    redis_call(rig->redis, NULL, NULL, SPAN("FLUSHALL"));
    rig_until(rig, &sweeper.lost, 1);
    uint64_t deadline = clock_mono_ms() + 5000;
    while (!registry_lease_is_held(lease)) {
        assert_true(clock_mono_ms() < deadline);
        loop_run_once(rig->loop, 1);
    }
    bind(rig, "b@x", 2, "edge-1");
    claim(&sweeper, 60000);
    assert_string_equal(sweeper.lapsed, "");
    registry_lease_free(lease);
    rig_wait_ms(rig, 30);
}

static void a_session_that_was_bound_anew_elsewhere_survives_the_sweep(void **state)
{
    struct rig *rig = *state;
    struct sweeper sweeper = {.rig = rig};
    struct registry_lease *lease = take(rig, "edge-1", 60000, &sweeper);
    bind(rig, "a@x", 1, "edge-1");
    registry_lease_free(lease);
    rig_wait_ms(rig, 30);
    claim(&sweeper, 60000);
    bind(rig, "a@x", 2, "edge-2");
    next(&sweeper, 100);
    rig_read(rig, "a@x");
    assert_string_equal(rig->text, "r sid=2 holder=edge-2\n");
}

static void a_holder_without_a_lease_gets_one_that_lapses(void **state)
{
    struct rig *rig = *state;
    struct sweeper sweeper = {.rig = rig};
    struct registry_bind session = rig_session("a@x", "r", 1, "edge-9");
    session.lease_ms = 100;
    assert_int_equal(rig_bind(rig, &session), REGISTRY_OK);
    rig_wait_ms(rig, 20);
    claim(&sweeper, 60000);
    assert_string_equal(sweeper.lapsed, "");
    rig_wait_ms(rig, 150);
    claim(&sweeper, 60000);
    assert_true(span_is(registry_sweep_holder(span_cstr(sweeper.lapsed)), "edge-9"));
    next(&sweeper, 100);
    assert_string_equal(sweeper.text, "a@x/r 1\n");
}

static void freeing_a_lease_with_answers_outstanding_is_safe(void **state)
{
    struct rig *rig = *state;
    struct registry_lease *lease =
        registry_lease_new(rig->loop, rig->redis, "edge-1", 1000, NULL, NULL);
    registry_lease_free(lease);
    registry_lease_free(NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_renewed_lease_is_never_swept),
        TEST(sessions_of_a_holder_that_gave_its_lease_up_are_swept_once),
        TEST(a_claim_lapses_and_another_sweeper_goes_on_where_it_stopped),
        TEST(what_an_earlier_life_left_is_swept_while_the_next_one_lives),
        TEST(a_holder_that_finds_its_lease_gone_is_told_and_starts_anew),
        TEST(a_session_that_was_bound_anew_elsewhere_survives_the_sweep),
        TEST(a_holder_without_a_lease_gets_one_that_lapses),
        TEST(freeing_a_lease_with_answers_outstanding_is_safe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
