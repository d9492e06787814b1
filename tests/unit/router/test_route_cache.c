/* What the router remembers of accounts, when it must ask, and who waits for the answer. */
#include "fixture.h"

#include "holder.h"

static int answered;
static enum route_answer last_answer;
static uint32_t last_count;
static bool last_fresh;
static int sequence[16];

struct asker {
    struct route_waiter waiter;
    int name;
};

static void on_answer(void *arg, enum route_answer answer, const struct route_entry *entry)
{
    struct asker *asker = arg;

    sequence[answered++] = asker->name;
    last_answer = answer;
    last_count = entry->count;
    last_fresh = asker->waiter.is_fresh;
}

static void ask(struct asker *asker, int name, const char *account, unsigned needs)
{
    *asker = (struct asker){.waiter = {.fn = on_answer, .arg = asker}, .name = name};
    assert_int_equal(route_cache_wait(f.router->cache, span_cstr(account), needs, &asker->waiter),
                     0);
}

static const struct route_entry *get(const char *account)
{
    return route_cache_get(f.router->cache, span_cstr(account), ROUTE_SESSIONS);
}

static void know(const char *account)
{
    struct asker asker;

    ask(&asker, 0, account, ROUTE_SESSIONS);
    while (redis_answers() > 0)
        continue;
    assert_non_null(get(account));
    answered = 0;
}

static int setup_cache(void **state)
{
    answered = 0;
    return setup(state);
}

static void bound(const char *jid, uint64_t sid, const char *holder, bool is_bound)
{
    struct wire_session_changed news = {.jid = span_cstr(jid),
                                        .sid = sid,
                                        .holder = span_cstr(holder),
                                        .epoch = 1,
                                        .bound = is_bound};
    route_cache_session(f.router->cache, &news);
}

static void showed(const char *jid, uint64_t sid, bool available, int priority)
{
    struct wire_presence_changed news = {.jid = span_cstr(jid),
                                         .sid = sid,
                                         .available = available,
                                         .priority_plus_128 = (uint32_t)(priority + 128)};
    route_cache_presence(f.router->cache, &news);
}

static void one_reading_serves_all_in_order(void **state)
{
    struct asker a;
    struct asker b;
    struct asker c;

    (void)state;
    ask(&a, 1, "juliet@localhost", ROUTE_SESSIONS);
    ask(&b, 2, "juliet@localhost", ROUTE_SESSIONS);
    ask(&c, 3, "juliet@localhost", ROUTE_SESSIONS | ROUTE_FRESH);
    assert_int_equal(f.load_count, 1);
    assert_null(get("juliet@localhost"));
    redis_answers();
    assert_int_equal(answered, 3);
    assert_int_equal(sequence[0], 1);
    assert_int_equal(sequence[2], 3);
    assert_int_equal(last_count, 2);
    assert_true(last_fresh);
    assert_non_null(get("juliet@localhost"));
}

static void nobody_overtakes_who_waits(void **state)
{
    struct asker a;

    (void)state;
    know("juliet@localhost");
    ask(&a, 1, "juliet@localhost", ROUTE_SESSIONS | ROUTE_FRESH);
    assert_null(get("juliet@localhost"));
    redis_answers();
    assert_non_null(get("juliet@localhost"));
}

static void news_while_reading_mean_reading_again(void **state)
{
    struct asker a;

    (void)state;
    ask(&a, 1, "juliet@localhost", ROUTE_SESSIONS);
    bound("juliet@localhost/tomb", 9, "edge-1", true);
    redis_has("juliet@localhost", "tomb", "edge-1", 9, 0);
    redis_answers();
    assert_int_equal(answered, 0);
    redis_answers();
    assert_int_equal(last_count, 3);
}

static void sessions_come_and_go_by_notice(void **state)
{
    const struct route_entry *entry;

    (void)state;
    know("tybalt@localhost");
    bound("tybalt@localhost/a", 41, "edge-7", true);
    entry = get("tybalt@localhost");
    assert_int_equal(entry->count, 1);
    assert_false(entry->sessions[0].is_available);
    showed("tybalt@localhost/a", 41, true, -3);
    entry = get("tybalt@localhost");
    assert_true(entry->sessions[0].is_available);
    assert_int_equal(entry->sessions[0].priority, -3);
    bound("tybalt@localhost/a", 40, "edge-7", false); /* an older one of that resource */
    assert_int_equal(get("tybalt@localhost")->count, 1);
    bound("tybalt@localhost/a", 41, "edge-7", false);
    assert_int_equal(get("tybalt@localhost")->count, 0);
    bound("stranger@localhost/a", 1, "edge-7", true); /* nobody asked: not remembered */
    assert_null(get("stranger@localhost"));
}

static void changed(uint64_t epoch, uint32_t changes, const char *holder, uint32_t flags)
{
    struct wire_session_changed news = {.jid = SPAN("a@x/1"),
                                        .sid = 1,
                                        .holder = span_cstr(holder),
                                        .epoch = epoch,
                                        .bound = 1,
                                        .flags = flags,
                                        .changes = changes};
    route_cache_session(f.router->cache, &news);
}

static void a_session_moves_and_old_news_of_it_count_for_nothing(void **state)
{
    const struct route_entry *entry;

    (void)state;
    know("a@x");
    bound("a@x/1", 1, "edge-1", true);
    changed(1, 2, "edge-1", WIRE_SESSION_RESUMABLE | WIRE_SESSION_CARBONS);
    changed(1, 1, "edge-1", WIRE_SESSION_RESUMABLE);
    entry = get("a@x");
    assert_int_equal(entry->sessions[0].flags, WIRE_SESSION_RESUMABLE | WIRE_SESSION_CARBONS);
    changed(3, 4, "edge-3", WIRE_SESSION_RESUMABLE);
    changed(2, 3, "edge-2", 0);
    assert_int_equal(entry->sessions[0].epoch, 3);
    assert_int_equal(entry->sessions[0].flags, WIRE_SESSION_RESUMABLE);
    assert_true(entry->sessions[0].holder == holder_get(f.router->holders, SPAN("edge-3")));
}

static void doubtful_news_make_it_forget(void **state)
{
    (void)state;
    know("juliet@localhost");
    bound("juliet@localhost/balcony", 77, "edge-1", true); /* replaced: which is newer? */
    assert_null(get("juliet@localhost"));
    know("juliet@localhost");
    showed("juliet@localhost/garden", 78, true, 0); /* presence of a session unheard of */
    assert_null(get("juliet@localhost"));
    know("juliet@localhost");
    showed("juliet@localhost/garden", 78, false, 0); /* gone anyway */
    assert_non_null(get("juliet@localhost"));
    route_cache_gap(f.router->cache);
    assert_null(get("juliet@localhost"));
}

static void a_session_that_was_missed_is_forgotten(void **state)
{
    (void)state;
    know("juliet@localhost");
    route_cache_forget(f.router->cache, SPAN("juliet@localhost"), 2);
    assert_int_equal(get("juliet@localhost")->count, 1);
}

static void the_account_not_used_for_longest_goes(void **state)
{
    char name[32];

    (void)state;
    route_cache_set_limits(f.router->cache, 100, 1000);
    know("juliet@localhost");
    for (int i = 0; i < 99; i++) {
        snprintf(name, sizeof(name), "u%d@localhost", i);
        know(name);
        assert_non_null(get("juliet@localhost"));
    }
    know("one-more@localhost");
    assert_int_equal(route_cache_accounts(f.router->cache), 100);
    assert_null(get("u0@localhost"));
    assert_non_null(get("juliet@localhost"));
}

static void existence_is_believed_only_when_true(void **state)
{
    struct asker a;
    struct span jid = SPAN("tybalt@localhost");

    (void)state;
    ask(&a, 1, "tybalt@localhost", ROUTE_EXISTENCE);
    assert_int_equal(f.asked_count, 1);
    assert_int_equal(f.load_count, 0);
    route_cache_existence(f.router->cache, jid, ROUTE_EXISTS_NOT);
    assert_int_equal(answered, 1);
    assert_null(route_cache_get(f.router->cache, jid, ROUTE_EXISTENCE));
    ask(&a, 1, "tybalt@localhost", ROUTE_EXISTENCE);
    route_cache_existence(f.router->cache, jid, ROUTE_EXISTS);
    assert_true(route_cache_get(f.router->cache, jid, ROUTE_EXISTENCE)->exists);
    route_cache_removed(f.router->cache, jid);
    assert_null(route_cache_get(f.router->cache, jid, ROUTE_EXISTENCE));
    know("juliet@localhost"); /* who is bound exists */
    assert_non_null(route_cache_get(f.router->cache, SPAN("juliet@localhost"), ROUTE_EXISTENCE));
}

static void too_many_may_not_wait(void **state)
{
    struct asker a;
    struct asker b = {.waiter = {.fn = on_answer, .arg = &b}};

    (void)state;
    route_cache_set_limits(f.router->cache, 100, 1);
    ask(&a, 1, "juliet@localhost", ROUTE_SESSIONS);
    assert_int_equal(
        route_cache_wait(f.router->cache, SPAN("x@localhost"), ROUTE_SESSIONS, &b.waiter), -1);
    redis_answers();
}

static void a_failed_reading_is_repeated(void **state)
{
    struct asker a;

    (void)state;
    ask(&a, 1, "juliet@localhost", ROUTE_SESSIONS);
    f.load_count = 0;
    route_cache_loaded(f.router->cache, SPAN("juliet@localhost"), NULL, 0);
    assert_int_equal(answered, 0);
    for (int i = 0; i < 1000 && f.load_count == 0; i++)
        loop_run_once(f.loop, 1);
    redis_answers();
    assert_int_equal(last_answer, ROUTE_KNOWN);
    assert_int_equal(last_count, 2);
}

static void who_still_waits_at_the_end_is_told(void **state)
{
    static struct asker a;

    (void)state;
    ask(&a, 1, "juliet@localhost", ROUTE_SESSIONS);
    teardown(NULL);
    assert_int_equal(last_answer, ROUTE_CLOSED);
    setup(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_cache, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_reading_serves_all_in_order),
        TEST(nobody_overtakes_who_waits),
        TEST(news_while_reading_mean_reading_again),
        TEST(sessions_come_and_go_by_notice),
        TEST(a_session_moves_and_old_news_of_it_count_for_nothing),
        TEST(doubtful_news_make_it_forget),
        TEST(a_session_that_was_missed_is_forgotten),
        TEST(the_account_not_used_for_longest_goes),
        TEST(existence_is_believed_only_when_true),
        TEST(too_many_may_not_wait),
        TEST(a_failed_reading_is_repeated),
        TEST(who_still_waits_at_the_end_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
