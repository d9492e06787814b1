/* Changing a bound session: once, by whoever is first, with its resume queue. */
#include "rig.h"

#include "registry/change.h"
#include "registry/lease.h"
#include "registry/sweep.h"

struct changer {
    struct rig *rig;
    int answers;
    enum registry_status status;
    struct wire_session_record now; /* numbers only */
    char holder[40];
    int64_t number;
};

static void on_change(void *arg, enum registry_status status, const struct registry_session *now,
                      const struct wire_session_record *before)
{
    struct changer *changer = arg;
    changer->status = status;
    changer->now = now ? now->record : (struct wire_session_record){0};
    (void)snprintf(changer->holder, sizeof(changer->holder), "%.*s", SPAN_ARG(changer->now.holder));
    assert_int_equal(before != NULL, status == REGISTRY_OK);
    changer->answers++;
}

static enum registry_status change(struct changer *changer, const struct registry_change *what)
{
    int now = changer->answers;
    registry_change(changer->rig->redis, what, on_change, changer);
    rig_until(changer->rig, &changer->answers, now + 1);
    return changer->status;
}

static void on_number(void *arg, const struct redis_reply *reply)
{
    struct changer *changer = arg;
    changer->number = redis_integer(reply);
    changer->answers++;
}

static int64_t number(struct changer *changer, const char *command, const char *key)
{
    int now = changer->answers;
    redis_call(changer->rig->redis, on_number, changer, span_cstr(command), span_cstr(key));
    rig_until(changer->rig, &changer->answers, now + 1);
    return changer->number;
}

static void bind(struct rig *rig, uint64_t sid, const char *holder)
{
    struct registry_bind session = rig_session("a@x", "r", sid, holder);
    assert_int_equal(rig_bind(rig, &session), REGISTRY_OK);
}

static struct registry_change takeover(uint64_t epoch, const char *holder, uint64_t detached_ms)
{
    return (struct registry_change){.account = SPAN("a@x"),
                                    .sid = 1,
                                    .epoch = epoch,
                                    .holder = span_cstr(holder),
                                    .detached_ms = detached_ms,
                                    .lease_ms = 60000};
}

static void flags_change_and_nothing_else(void **state)
{
    struct changer changer = {.rig = *state};
    bind(*state, 1, "edge-1");
    struct registry_change set = {
        .account = SPAN("a@x"), .sid = 1, .set = 1, .sets_resume = true, .resume_s = 300};
    assert_int_equal(change(&changer, &set), REGISTRY_OK);
    assert_int_equal(changer.now.flags, 1);
    assert_int_equal(changer.now.resume_s, 300);
    assert_int_equal(changer.now.epoch, 1);
    assert_int_equal(changer.now.changes, 1);
    struct registry_change other = {.account = SPAN("a@x"), .sid = 1, .set = 2, .clear = 1};
    assert_int_equal(change(&changer, &other), REGISTRY_OK);
    assert_int_equal(changer.now.flags, 2);
    assert_int_equal(changer.now.resume_s, 300);
    assert_string_equal(changer.holder, "edge-1");
    other.sid = 2;
    assert_int_equal(change(&changer, &other), REGISTRY_GONE);
    other = (struct registry_change){.account = SPAN("a@x"), .sid = 1, .need = 1};
    assert_int_equal(change(&changer, &other), REGISTRY_GONE);
}

static void the_first_who_takes_a_session_over_has_it_and_its_queue(void **state)
{
    struct changer first = {.rig = *state};
    struct changer second = {.rig = *state};
    bind(*state, 1, "edge-1");
    redis_call(first.rig->redis, NULL, NULL, SPAN("XADD"), SPAN("jd:q:{a@x}:0000000000000001:1"),
               SPAN("5-0"), SPAN("d"), SPAN("x"));
    struct registry_change one = takeover(1, "edge-2", 0);
    struct registry_change two = takeover(1, "edge-3", 0);
    registry_change(first.rig->redis, &one, on_change, &first);
    registry_change(first.rig->redis, &two, on_change, &second);
    rig_until(first.rig, &first.answers, 1);
    rig_until(first.rig, &second.answers, 1);
    assert_int_equal(first.status, REGISTRY_OK);
    assert_int_equal(first.now.epoch, 2);
    assert_int_equal(second.status, REGISTRY_CONFLICT);
    assert_string_equal(second.holder, "edge-2");
    assert_int_equal(number(&first, "EXISTS", "jd:q:{a@x}:0000000000000001:1"), 0);
    assert_int_equal(number(&first, "XLEN", "jd:q:{a@x}:0000000000000001:2"), 1);
    /* each index names what its holder has, and a generation */
    assert_int_equal(number(&first, "HLEN", "jd:e:{edge-1}"), 1);
    assert_int_equal(number(&first, "HLEN", "jd:e:{edge-2}"), 2);
    assert_int_equal(number(&first, "HLEN", "jd:e:{edge-3}"), 1);
}

static void a_session_is_detached_since_the_first_time(void **state)
{
    struct changer changer = {.rig = *state};
    bind(*state, 1, "edge-1");
    struct registry_change what = takeover(1, "session-1", 1000);
    assert_int_equal(change(&changer, &what), REGISTRY_OK);
    assert_int_equal(changer.now.detached_ms, 1000);
    what = takeover(2, "session-2", 2000);
    assert_int_equal(change(&changer, &what), REGISTRY_OK);
    assert_int_equal(changer.now.detached_ms, 1000);
    what = takeover(0, "edge-2", 0);
    what.needs_resume = true;
    assert_int_equal(change(&changer, &what), REGISTRY_GONE);
    what.needs_resume = false;
    assert_int_equal(change(&changer, &what), REGISTRY_OK);
    assert_int_equal(changer.now.detached_ms, 0);
    assert_int_equal(changer.now.epoch, 4);
}

static void an_earlier_holder_unbinds_nothing_any_more(void **state)
{
    struct changer changer = {.rig = *state};
    struct rig *rig = *state;
    struct registry_held held = {SPAN("a@x/r"), SPAN("edge-1"), 1, 1};
    bind(rig, 1, "edge-1");
    struct registry_change what = takeover(1, "edge-10", 0);
    assert_int_equal(change(&changer, &what), REGISTRY_OK);
    redis_call(rig->redis, NULL, NULL, SPAN("XADD"), SPAN("jd:q:{a@x}:0000000000000001:2"),
               SPAN("5-0"), SPAN("d"), SPAN("x"));
    int now = rig->answers;
    registry_unbind(rig->redis, &held, rig_on_done, rig);
    rig_until(rig, &rig->answers, now + 1);
    rig_read(rig, "a@x");
    assert_string_equal(rig->text, "r sid=1 holder=edge-10\n");
    held.holder = SPAN("edge-10");
    held.epoch = 2;
    registry_unbind(rig->redis, &held, rig_on_done, rig);
    rig_until(rig, &rig->answers, now + 3);
    rig_read(rig, "a@x");
    assert_int_equal(rig->count, 0);
    assert_int_equal(number(&changer, "EXISTS", "jd:q:{a@x}:0000000000000001:2"), 0);
}

/* ---- sweeps ---- */

static void on_claim(void *arg, enum registry_status status, struct span lapsed)
{
    struct changer *changer = arg;
    assert_int_equal(status, REGISTRY_OK);
    (void)snprintf(changer->holder, sizeof(changer->holder), "%.*s", SPAN_ARG(lapsed));
    changer->answers++;
}

static void on_left(void *arg, enum registry_status status, const struct registry_left *left,
                    size_t count)
{
    struct changer *changer = arg;
    (void)left;
    assert_int_equal(status, REGISTRY_OK);
    changer->number = (int64_t)count;
    changer->answers++;
}

static void what_the_next_life_of_a_holder_took_over_is_not_left_behind(void **state)
{
    struct rig *rig = *state;
    struct changer changer = {.rig = rig};
    struct registry_lease *first =
        registry_lease_new(rig->loop, rig->redis, "edge-1", 60000, NULL, NULL);
    while (!registry_lease_is_held(first))
        loop_run_once(rig->loop, 1);
    bind(rig, 1, "edge-1");
    struct registry_lease *second =
        registry_lease_new(rig->loop, rig->redis, "edge-1", 60000, NULL, NULL);
    while (!registry_lease_is_held(second))
        loop_run_once(rig->loop, 1);
    struct registry_change what = takeover(1, "edge-1", 0);
    assert_int_equal(change(&changer, &what), REGISTRY_OK);
    int now = changer.answers;
    registry_sweep_claim(rig->redis, 60000, on_claim, &changer);
    rig_until(rig, &changer.answers, now + 1);
    assert_string_not_equal(changer.holder, "");
    registry_sweep_next(rig->redis, span_cstr(changer.holder), 100, 60000, on_left, &changer);
    rig_until(rig, &changer.answers, now + 2);
    assert_int_equal(changer.number, 0);
    rig_read(rig, "a@x");
    assert_string_equal(rig->text, "r sid=1 holder=edge-1\n");
    registry_lease_free(first);
    registry_lease_free(second);
    rig_wait_ms(rig, 30);
}

static void without_redis_it_says_so(void **state)
{
    struct changer changer = {.rig = *state};
    bind(*state, 1, "edge-1");
    private_redis_kill(&changer.rig->server);
    struct registry_change what = takeover(1, "edge-2", 0);
    assert_int_equal(change(&changer, &what), REGISTRY_DOWN);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(flags_change_and_nothing_else),
        TEST(the_first_who_takes_a_session_over_has_it_and_its_queue),
        TEST(a_session_is_detached_since_the_first_time),
        TEST(an_earlier_holder_unbinds_nothing_any_more),
        TEST(what_the_next_life_of_a_holder_took_over_is_not_left_behind),
        TEST(without_redis_it_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
