/* The offline store (XEP-0160), on SQLite and on a private PostgreSQL: order, limits, what dies and
 * what comes back in the middle of a delivery, and what is answered without a database. */
#include "rig.h"

#include "../sql/private_postgres.h"
#include "metric/metric.h"
#include "xep0160_offline.h"

#include <sys/resource.h>

#define JULIET  "juliet@localhost"
#define OFFLINE WIRE_KEEP_OFFLINE
#define MESSAGE(n)                                                                                 \
    "<message xmlns='jabber:client' from='romeo@localhost/o' to='" JULIET "' type='chat' id='m" n  \
    "'><body>" n "</body></message>"

static struct rig rig;
static struct private_postgres postgres_server;
static const char *sql_url; /* NULL: SQLite */

static uint64_t keeps(uint64_t n, uint32_t flags)
{
    char xml[512];
    char number[24];
    (void)snprintf(number, sizeof(number), "%03u", (unsigned)n);
    (void)snprintf(xml, sizeof(xml),
                   "<message xmlns='jabber:client' from='romeo@localhost/o' to='" JULIET
                   "' type='chat' id='m%s'><body>%s</body></message>",
                   number, number);
    return rig_keep(&rig, JULIET, n, OFFLINE | flags, xml);
}

static void keeps_many(uint64_t from, uint64_t to)
{
    for (uint64_t n = from; n <= to; n++) {
        keeps(n, 0);
    }
    rig_settle(&rig);
}

static void comes(uint64_t sid)
{
    buf_reset(&rig.said);
    rig_came(&rig, JULIET, sid);
    rig_settle(&rig);
}

/* What was said has these messages, each once, in order. */
static void expect_in_order(uint64_t from, uint64_t to)
{
    const char *at = buf_cstr(&rig.said);
    for (uint64_t n = from; n <= to; n++) {
        char id[32];
        (void)snprintf(id, sizeof(id), "id=\"m%03u\"", (unsigned)n);
        at = strstr(at, id);
        if (!at) {
            fail_msg("%s is not where it should be in:\n%s", id, buf_cstr(&rig.said));
        }
        at++;
    }
    assert_int_equal(rig_count(&rig, "<message"), to - from + 1);
}

static void stored_messages_come_in_order_and_once(void **state)
{
    (void)state;
    keeps_many(1, 117);
    assert_int_equal(fake.settled_count, 117);
    assert_int_equal(fake.sent_count, 0);
    comes(1);
    expect_in_order(1, 117);
    rig_expect(&rig, JULIET " <message from=\"romeo@localhost/o\" to=\"" JULIET "\" type=\"chat\" "
                            "id=\"m001\"><body>001</body><delay xmlns=\"urn:xmpp:delay\" "
                            "from=\"localhost\" stamp=\"20");
    assert_true(fake.sent[0].msg.u.forward.flags & WIRE_FORWARD_STORED);
    assert_int_equal(fake.sent[0].msg.u.forward.origin_sid, 7);
    assert_int_equal(fake.sent[0].msg.u.forward.origin_n, 1);
    comes(2);
    assert_int_equal(rig_count(&rig, "<message"), 0);
}

static void an_item_that_comes_twice_is_stored_once(void **state)
{
    (void)state;
    keeps(1, 0);
    rig_settle(&rig);
    rig_kill(&rig);
    keeps(1, 0);
    keeps(1, 0);
    rig_settle(&rig);
    assert_int_equal(fake.settled_count, 3);
    comes(1);
    assert_int_equal(rig_count(&rig, "<message"), 1);
}

static void a_full_store_refuses_but_not_what_it_has(void **state)
{
    (void)state;
    keeps_many(1, 120);
    keeps(121, 0);
    keeps(5, 0);
    rig_settle(&rig);
    assert_int_equal(rig_count(&rig, "<message"), 1);
    rig_expect(&rig, "<message from=\"" JULIET "\" to=\"romeo@localhost/o\" type=\"error\" "
                     "id=\"m121\"");
    rig_expect(&rig, "<service-unavailable");
    comes(1);
    expect_in_order(1, 120);
}

static void the_stanza_id_goes_with_what_is_archived(void **state)
{
    (void)state;
    keeps(1, WIRE_KEEP_STAMPED);
    rig_settle(&rig);
    comes(1);
    rig_expect(&rig, "<stanza-id xmlns=\"urn:xmpp:sid:0\" by=\"" JULIET
                     "\" id=\"01000000000000006a756c696574406c\"/>");
}

static void what_comes_back_is_kept(void **state)
{
    (void)state;
    keeps_many(1, 3);
    rig.holds = true;
    rig_came(&rig, JULIET, 1);
    rig_await(&rig, "id=\"m003\"");
    /* The session is gone: the router gives back the second one before it settles it. */
    keeps(2, WIRE_KEEP_AGAIN);
    while (fake.settled_count < 5) { /* three, the one that came, the one that came back */
        rig_turn(&rig);
    }
    rig.holds = false;
    fake_settle_all();
    rig_settle(&rig);
    comes(2);
    assert_int_equal(rig_count(&rig, "<message"), 1);
    rig_expect(&rig, "id=\"m002\"");
}

static void what_came_back_is_tried_again_when_somebody_is_there(void **state)
{
    (void)state;
    rig_online(&rig, JULIET, 4, 0);
    keeps(1, WIRE_KEEP_AGAIN);
    rig_settle(&rig);
    rig_await(&rig, "id=\"m001\"");
    rig_settle(&rig);
    comes(1);
    assert_int_equal(rig_count(&rig, "<message"), 0);
}

static void who_came_online_meanwhile_gets_it_at_once(void **state)
{
    (void)state;
    rig_online(&rig, JULIET, 4, 0);
    keeps(1, 0);
    rig_settle(&rig);
    rig_expect(&rig, JULIET " <message from=");
}

static void who_takes_no_messages_gets_none(void **state)
{
    (void)state;
    rig_online(&rig, JULIET, 4, -1);
    keeps(1, 0);
    rig_settle(&rig);
    rig_online(&rig, JULIET, 4, 0);
    rig_offline(&rig, JULIET); /* its presence is left, but the session is gone */
    keeps(2, 0);
    rig_settle(&rig);
    assert_int_equal(rig_count(&rig, "<message"), 0);
}

static void another_instance_goes_on_with_a_delivery(void **state)
{
    (void)state;
    rig_online(&rig, JULIET, 4, 0);
    rig.holds = true;
    keeps(1, 0);
    rig_await(&rig, "id=\"m001\"");
    rig.holds = false;
    rig_kill(&rig);
    buf_reset(&rig.said);
    /* It is due for others half a minute later, which the test does not wait for. */
    sql_query(rig.archive->sql, 0, &SQL_PLAIN("UPDATE offline_due SET due_ms = 0"), NULL, NULL);
    rig_await(&rig, "id=\"m001\"");
    rig_settle(&rig);
    comes(1);
    assert_int_equal(rig_count(&rig, "<message"), 0);
}

static void who_has_read_the_archive_is_not_sent_it_again(void **state)
{
    (void)state;
    keeps(1, WIRE_KEEP_STAMPED);
    keeps(2, 0); /* not in the archive */
    rig_settle(&rig);
    offline_reader(rig.archive->offline, 9, clock_real_ms());
    comes(9);
    assert_int_equal(rig_count(&rig, "<message"), 1);
    rig_expect(&rig, "id=\"m002\"");
    offline_reader(rig.archive->offline, 10, clock_real_ms() - 1000);
    keeps(3, WIRE_KEEP_STAMPED); /* came after it was read */
    rig_settle(&rig);
    comes(10);
    rig_expect(&rig, "id=\"m003\"");
    comes(11);
    assert_int_equal(rig_count(&rig, "<message"), 0);
}

static void a_removed_account_leaves_nothing_behind(void **state)
{
    struct wire_msg msg = {.id = WIRE_ID_account_removed};
    (void)state;
    msg.u.account_removed.account = SPAN(JULIET);
    keeps(1, 0);
    rig_settle(&rig);
    archive_notice(rig.archive, &msg);
    rig_settle(&rig);
    comes(1);
    assert_int_equal(rig_count(&rig, "<message"), 0);
}

static void bad_items_are_settled_and_forgotten(void **state)
{
    struct wire_msg msg = {.id = WIRE_ID_keep};
    (void)state;
    msg.u.keep = (struct wire_keep){.flags = OFFLINE, .account = SPAN(JULIET), .uid = SPAN("x")};
    archive_item(rig.archive, rig.router, 77, &msg);
    assert_true(rig_is_settled(77));
}

static long commits(void)
{
    static const char name[] = "\njackdaw_archive_commits_total ";
    struct buf metrics = {0};
    metric_write(&metrics);
    const char *at = strstr(buf_cstr(&metrics), name);
    assert_non_null(at);
    long count = strtol(at + sizeof(name) - 1, NULL, 10);
    buf_deinit(&metrics);
    return count;
}

static void many_messages_share_a_commit(void **state)
{
    (void)state;
    long before = commits();
    for (uint64_t n = 1; n <= 100; n++) {
        keeps(n, 0);
    }
    rig_settle(&rig);
    assert_int_equal(fake.settled_count, 100);
    assert_true(commits() - before <= 2); /* the first one begins at once */
}

static void drained(void *arg)
{
    *(bool *)arg = true;
}

static void what_is_under_way_ends_before_the_daemon(void **state)
{
    bool is_drained = false;
    (void)state;
    uint64_t token = keeps(1, 0);
    archive_drain(rig.archive, drained, &is_drained);
    assert_false(is_drained);
    rig_settle(&rig);
    assert_true(is_drained);
    assert_true(rig_is_settled(token));
}

static void without_the_database_senders_are_told(void **state)
{
    (void)state;
    keeps(1, 0);
    rig_settle(&rig);
    assert_int_equal(private_postgres_kill(&postgres_server), 0);
    keeps(2, 0);
    uint64_t sent = rig_keep(&rig, JULIET, 3, WIRE_KEEP_OFFLINE | WIRE_KEEP_SENT, MESSAGE("3"));
    rig_await(&rig, "id=\"m002\"");
    rig_expect(&rig, "type=\"error\"");
    rig_expect(&rig, "<resource-constraint");
    rig_expect_not(&rig, "id=\"m3\"");
    while (!rig_is_settled(sent)) {
        rig_turn(&rig);
    }
    buf_reset(&rig.said);
    uint64_t came = rig_came(&rig, JULIET, 1); /* waits for the database */
    assert_int_equal(private_postgres_spawn(&postgres_server), 0);
    rig_settle(&rig);
    assert_true(rig_is_settled(came));
    assert_int_equal(rig_count(&rig, "<message"), 1);
    rig_expect(&rig, "id=\"m001\"");
}

/* No file may grow, as on a full disk: SQLite cannot commit. */
static void a_full_disk_delays_and_refuses_nothing(void **state)
{
    struct rlimit before;
    struct rlimit full;
    uint64_t token;
    int64_t commits = metric_value(METRIC_archive_commits);

    (void)state;
    rig.archive->limits.retry_for_ms = 30000;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    full = before;
    full.rlim_cur = 1;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &full), 0);
    token = keeps(1, 0);
    keeps(2, 0);
    while (metric_value(METRIC_archive_commits) < commits + 2) {
        rig_turn(&rig);
    }
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_false(rig_is_settled(token));
    rig_settle(&rig);
    assert_true(rig_is_settled(token));
    assert_int_equal(rig_count(&rig, "<message"), 0);
    comes(1);
    expect_in_order(1, 2);
}

static int set_up(void **state)
{
    (void)state;
    rig_start_on(&rig, sql_url);
    if (sql_url) {
        sql_query(rig.archive->sql, 0, &SQL_PLAIN("DELETE FROM offline"), NULL, NULL);
        sql_query(rig.archive->sql, 0, &SQL_PLAIN("DELETE FROM offline_due"), NULL, NULL);
        rig_settle(&rig);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_stop(&rig);
    return 0;
}

#define RIG_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(stored_messages_come_in_order_and_once),
        RIG_TEST(an_item_that_comes_twice_is_stored_once),
        RIG_TEST(a_full_store_refuses_but_not_what_it_has),
        RIG_TEST(the_stanza_id_goes_with_what_is_archived),
        RIG_TEST(what_comes_back_is_kept),
        RIG_TEST(what_came_back_is_tried_again_when_somebody_is_there),
        RIG_TEST(who_came_online_meanwhile_gets_it_at_once),
        RIG_TEST(who_takes_no_messages_gets_none),
        RIG_TEST(another_instance_goes_on_with_a_delivery),
        RIG_TEST(who_has_read_the_archive_is_not_sent_it_again),
        RIG_TEST(a_removed_account_leaves_nothing_behind),
        RIG_TEST(bad_items_are_settled_and_forgotten),
        RIG_TEST(many_messages_share_a_commit),
        RIG_TEST(what_is_under_way_ends_before_the_daemon),
    };
    const struct CMUnitTest outage[] = {RIG_TEST(without_the_database_senders_are_told)};
    const struct CMUnitTest disk[] = {RIG_TEST(a_full_disk_delays_and_refuses_nothing)};
    int failures = cmocka_run_group_tests_name("sqlite", tests, NULL, NULL);
    failures += cmocka_run_group_tests_name("sqlite on a full disk", disk, NULL, NULL);
    if (private_postgres_start(&postgres_server) != 0) {
        return 1;
    }
    sql_url = postgres_server.url;
    failures += cmocka_run_group_tests_name("postgresql", tests, NULL, NULL);
    failures += cmocka_run_group_tests_name("postgresql that dies", outage, NULL, NULL);
    return private_postgres_stop(&postgres_server) == 0 ? failures : 1;
}
