/* The registry of sessions, on a real Redis. */
#include "rig.h"

static void a_bound_session_is_read_back(void **state)
{
    struct rig *rig = *state;
    struct registry_bind bind = rig_session("juliet@example.org", "balcony/x", 7, "edge-1");
    assert_int_equal(rig_bind(rig, &bind), REGISTRY_OK);
    assert_int_equal(rig->sid, 0);
    rig_read(rig, "juliet@example.org");
    assert_int_equal(rig->count, 1);
    assert_string_equal(rig->text, "balcony/x sid=7 holder=edge-1\n");
    rig_read(rig, "romeo@example.org");
    assert_int_equal(rig->status, REGISTRY_OK);
    assert_int_equal(rig->count, 0);
}

static void the_newer_session_replaces_the_older_unless_told_to_refuse(void **state)
{
    struct rig *rig = *state;
    struct registry_bind bind = rig_session("a@x", "r", 0xfedcba9876543210u, "edge-1");
    assert_int_equal(rig_bind(rig, &bind), REGISTRY_OK);
    bind.record.sid = 2;
    bind.conflict = REGISTRY_REFUSE;
    assert_int_equal(rig_bind(rig, &bind), REGISTRY_CONFLICT);
    rig_read(rig, "a@x");
    assert_string_equal(rig->text, "r sid=18364758544493064720 holder=edge-1\n");
    bind.conflict = REGISTRY_REPLACE;
    assert_int_equal(rig_bind(rig, &bind), REGISTRY_OK);
    assert_true(rig->sid == 0xfedcba9876543210u);
    rig_read(rig, "a@x");
    assert_string_equal(rig->text, "r sid=2 holder=edge-1\n");
}

static void an_account_has_at_most_its_number_of_sessions(void **state)
{
    struct rig *rig = *state;
    const char *const resources[] = {"1", "2", "3"};
    struct registry_bind bind;
    for (uint64_t i = 0; i < 3; i++) {
        bind = rig_session("a@x", resources[i], i + 1, "edge-1");
        assert_int_equal(rig_bind(rig, &bind), REGISTRY_OK);
    }
    bind = rig_session("a@x", "4", 4, "edge-1");
    assert_int_equal(rig_bind(rig, &bind), REGISTRY_FULL);
    bind = rig_session("a@x", "3", 5, "edge-1");
    assert_int_equal(rig_bind(rig, &bind), REGISTRY_OK);
    assert_int_equal(rig->sid, 3);
}

static void unbind(struct rig *rig, uint64_t sid, const char *holder)
{
    struct registry_held held = {SPAN("a@x/r"), span_cstr(holder), sid, 1};
    registry_unbind(rig->redis, &held, rig_on_done, rig);
}

static void only_the_sid_itself_is_unbound(void **state)
{
    struct rig *rig = *state;
    struct registry_bind bind = rig_session("a@x", "r", 1, "edge-1");
    assert_int_equal(rig_bind(rig, &bind), REGISTRY_OK);
    unbind(rig, 2, "edge-1");
    rig_until(rig, &rig->answers, 2);
    rig_read(rig, "a@x");
    assert_int_equal(rig->count, 1);
    for (int i = 0; i < 2; i++) { /* again is fine */
        unbind(rig, 1, "edge-1");
        rig_until(rig, &rig->answers, 4 + 2 * i);
        assert_int_equal(rig->status, REGISTRY_OK);
        rig_read(rig, "a@x");
        assert_int_equal(rig->count, 0);
    }
}

static void nobody_binds_for_an_account_that_was_just_removed(void **state)
{
    struct rig *rig = *state;
    struct registry_bind bind = rig_session("a@x", "r", 1, "edge-1");
    registry_close(rig->redis, SPAN("a@x"), 60000, rig_on_done, rig);
    assert_int_equal(rig_bind(rig, &bind), REGISTRY_GONE);
    registry_reopen(rig->redis, SPAN("a@x"));
    assert_int_equal(rig_bind(rig, &bind), REGISTRY_OK);
}

static void without_redis_everything_says_so_and_works_again_afterwards(void **state)
{
    struct rig *rig = *state;
    struct registry_bind bind = rig_session("a@x", "r", 1, "edge-1");
    private_redis_kill(&rig->server);
    assert_int_equal(rig_bind(rig, &bind), REGISTRY_DOWN);
    rig_read(rig, "a@x");
    assert_int_equal(rig->status, REGISTRY_DOWN);
    assert_int_equal(rig->count, 0);
    private_redis_spawn(&rig->server);
    rig_wait_up(rig);
    assert_int_equal(rig_bind(rig, &bind), REGISTRY_OK);
}

static void a_record_that_cannot_be_decoded_is_left_out(void **state)
{
    struct rig *rig = *state;
    struct registry_bind bind = rig_session("a@x", "r", 1, "edge-1");
    assert_int_equal(rig_bind(rig, &bind), REGISTRY_OK);
    redis_call(rig->redis, NULL, NULL, SPAN("HSET"), SPAN("jd:s:{a@x}"), SPAN("bad"),
               SPAN("not a record"));
    rig_read(rig, "a@x");
    assert_string_equal(rig->text, "r sid=1 holder=edge-1\n");
}

/* ---- listing ---- */

#define SESSIONS 2000

struct listing {
    struct rig *rig;
    int answers;
    int seen[SESSIONS];
    size_t total;
    char next[100];
};

static void on_page(void *arg, enum registry_status status, const struct registry_listed *sessions,
                    size_t count, struct span next)
{
    struct listing *listing = arg;
    assert_int_equal(status, REGISTRY_OK);
    for (size_t i = 0; i < count; i++) {
        assert_true(sessions[i].record.sid < SESSIONS);
        listing->seen[sessions[i].record.sid]++;
        assert_true(span_has_prefix(sessions[i].jid, SPAN("user")));
        assert_true(span_is(sessions[i].record.address, "192.0.2.1"));
    }
    listing->total += count;
    (void)snprintf(listing->next, sizeof(listing->next), "%.*s", SPAN_ARG(next));
    listing->answers++;
}

static void all_sessions_are_listed_page_by_page(void **state)
{
    struct rig *rig = *state;
    struct listing listing = {.rig = rig};
    const char *const holders[] = {"edge-1", "edge 2", "edge-10"};
    char account[32];
    for (uint64_t sid = 1; sid < SESSIONS; sid++) {
        (void)snprintf(account, sizeof(account), "user%d@x", (int)sid);
        struct registry_bind bind = rig_session(account, "r", sid, holders[sid % 3]);
        registry_bind(rig->redis, &bind, rig_on_bind, rig);
    }
    rig_until(rig, &rig->answers, SESSIONS - 1);
    rig_wait_ms(rig, 50);
    do {
        char after[100];
        (void)snprintf(after, sizeof(after), "%s", listing.next);
        int now = listing.answers;
        registry_list(rig->redis, span_cstr(after), 50, on_page, &listing);
        rig_until(rig, &listing.answers, now + 1);
    } while (listing.next[0] && listing.answers < 100);
    assert_in_range(listing.answers, 20, 60);
    for (int sid = 1; sid < SESSIONS; sid++) {
        assert_in_range(listing.seen[sid], 1, 2);
    }
}

static void nonsense_as_a_cursor_starts_somewhere_and_harms_nothing(void **state)
{
    struct rig *rig = *state;
    struct listing listing = {.rig = rig};
    struct registry_bind bind = rig_session("user1@x", "r", 1, "edge-1");
    assert_int_equal(rig_bind(rig, &bind), REGISTRY_OK);
    rig_wait_ms(rig, 30);
    const char *const cursors[] = {"x edge-1", "edge-1", " ", "0 edge-0", "99 zzz"};
    for (size_t i = 0; i < sizeof(cursors) / sizeof(cursors[0]); i++) {
        int now = listing.answers;
        registry_list(rig->redis, span_cstr(cursors[i]), 10, on_page, &listing);
        rig_until(rig, &listing.answers, now + 1);
    }
    assert_int_equal(listing.total, 4);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_bound_session_is_read_back),
        TEST(the_newer_session_replaces_the_older_unless_told_to_refuse),
        TEST(an_account_has_at_most_its_number_of_sessions),
        TEST(only_the_sid_itself_is_unbound),
        TEST(nobody_binds_for_an_account_that_was_just_removed),
        TEST(without_redis_everything_says_so_and_works_again_afterwards),
        TEST(a_record_that_cannot_be_decoded_is_left_out),
        TEST(all_sessions_are_listed_page_by_page),
        TEST(nonsense_as_a_cursor_starts_somewhere_and_harms_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
