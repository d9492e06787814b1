/* XEP-0191 in the presence daemon: the list, its copy for routers, and the order in which contacts,
 * routers and clients hear of a change; on SQLite and on PostgreSQL. */
#include "rig.h"

#include "../sql/private_postgres.h"

#define ROMEO  "romeo@localhost/orchard"
#define JULIET "juliet@localhost/balcony"
#define R(n)   ORIGIN(1, n)
#define J(n)   ORIGIN(2, n)

#define BLOCK(items)                                                                               \
    "<iq xmlns='jabber:client' type='set' id='b'><block xmlns='urn:xmpp:blocking'>" items          \
    "</block></iq>"
#define UNBLOCK(items)                                                                             \
    "<iq xmlns='jabber:client' type='set' id='u'><unblock xmlns='urn:xmpp:blocking'>" items        \
    "</unblock></iq>"
#define LIST                                                                                       \
    "<iq xmlns='jabber:client' type='get' id='l'><blocklist xmlns='urn:xmpp:blocking'/></iq>"
#define ITEM(jid) "<item jid='" jid "'/>"

static struct rig rig;
static struct private_postgres postgres_server;
static const char *sql_url;

/* Romeo may see Juliet; both are online. */
static void make_friends(void)
{
    rig_bind(&rig, ROMEO, 1);
    rig_bind(&rig, JULIET, 2);
    rig_does(&rig, ROMEO, R(1), "<presence xmlns='jabber:client'/>");
    rig_does(&rig, JULIET, J(1), "<presence xmlns='jabber:client'/>");
    rig_does(&rig, ROMEO, R(2),
             "<presence xmlns='jabber:client' type='subscribe' to='juliet@localhost'/>");
    rig_does(&rig, JULIET, J(2),
             "<presence xmlns='jabber:client' type='subscribed' to='romeo@localhost'/>");
}

static void expect_in_order(const char *first, const char *second)
{
    rig_expect(&rig, first);
    rig_expect(&rig, second);
    const char *said = buf_cstr(&rig.said);
    assert_true(strstr(said, first) < strstr(said, second));
}

static void a_block_is_told_to_contacts_then_routers_then_clients(void **state)
{
    (void)state;
    make_friends();
    rig_does(&rig, JULIET, J(3), LIST);
    rig_expect(&rig, "<blocklist xmlns=\"urn:xmpp:blocking\"></blocklist>");
    rig_does(&rig, JULIET, J(4), BLOCK(ITEM("Romeo@localhost") ITEM("iago@shakespeare.lit")));
    expect_in_order("romeo@localhost <presence from=\"" JULIET "\" type=\"unavailable\"/>",
                    "forget juliet@localhost");
    expect_in_order("forget juliet@localhost",
                    "<block xmlns=\"urn:xmpp:blocking\"><item jid=\"romeo@localhost\"/>"
                    "<item jid=\"iago@shakespeare.lit\"/></block>");
    expect_in_order("forget juliet@localhost", "type=\"result\"");
    rig_does(&rig, JULIET, J(5), LIST);
    rig_expect(&rig, "<item jid=\"iago@shakespeare.lit\"/><item jid=\"romeo@localhost\"/>");
    rig_does(&rig, JULIET, J(6), BLOCK(ITEM("localhost")));
    rig_expect_not(&rig, "unavailable"); /* he knows */
}

static void who_was_sent_presence_directly_is_told_too(void **state)
{
    (void)state;
    rig_bind(&rig, JULIET, 2);
    rig_does(&rig, JULIET, J(1), "<presence xmlns='jabber:client'/>");
    rig_does(&rig, JULIET, J(2), "<presence xmlns='jabber:client' to='nurse@localhost/hall'/>");
    rig_does(&rig, JULIET, J(3), BLOCK(ITEM("nurse@localhost")));
    expect_in_order("nurse@localhost/hall <presence from=\"" JULIET "\" type=\"unavailable\"/>",
                    "forget juliet@localhost");
}

static void an_unblock_is_told_to_routers_then_contacts(void **state)
{
    (void)state;
    make_friends();
    rig_does(&rig, JULIET, J(3), BLOCK(ITEM("romeo@localhost") ITEM("localhost")));
    rig_does(&rig, JULIET, J(4), UNBLOCK(ITEM("romeo@localhost")));
    rig_expect_not(&rig, "<presence"); /* his domain still is */
    rig_does(&rig, JULIET, J(5), UNBLOCK(""));
    expect_in_order("forget juliet@localhost",
                    "romeo@localhost <presence from=\"" JULIET "\">" LATE "</presence>");
    rig_expect(&rig, "type=\"result\"");
}

static void what_may_not_be_done(void **state)
{
    (void)state;
    make_friends();
    rig_does(&rig, JULIET, J(3), BLOCK(""));
    rig_expect(&rig, "bad-request");
    rig_does(&rig, JULIET, J(4), BLOCK("<item/>"));
    rig_expect(&rig, "bad-request");
    rig_does(&rig, JULIET, J(5), BLOCK(ITEM("romeo@localhost") ITEM("@")));
    rig_expect(&rig, "jid-malformed");
    rig_does(&rig, JULIET, J(6), UNBLOCK(ITEM("romeo@localhost")));
    rig_expect(&rig, "item-not-found");
    rig.presences[0]->limits.max_blocked = rig.presences[1]->limits.max_blocked = 1;
    rig_does(&rig, JULIET, J(7), BLOCK(ITEM("a@example.com") ITEM("b@example.com")));
    rig_expect(&rig, "not-acceptable");
    rig_expect_not(&rig, "forget");
    rig_does(&rig, JULIET, J(8), LIST);
    rig_expect(&rig, "<blocklist xmlns=\"urn:xmpp:blocking\"></blocklist>");
}

/* Its handling was cut off after the database had it. */
static void a_repeated_command_follows_through(void **state)
{
    (void)state;
    make_friends();
    rig_does(&rig, JULIET, J(3), BLOCK(ITEM("romeo@localhost")));
    rig_does(&rig, JULIET, J(4), UNBLOCK(ITEM("romeo@localhost")));
    rig_does(&rig, JULIET, J(4), UNBLOCK(ITEM("romeo@localhost")));
    expect_in_order("forget juliet@localhost",
                    "romeo@localhost <presence from=\"" JULIET "\">" LATE "</presence>");
    rig_expect(&rig, "type=\"result\"");
    rig_does(&rig, JULIET, J(5), UNBLOCK(ITEM("romeo@localhost")));
    rig_expect(&rig, "item-not-found");
}

static void count_keys(void *arg, const struct redis_reply *reply)
{
    *(int64_t *)arg = redis_integer(reply);
}

static int64_t copy_exists(void)
{
    struct arena arena = {0};
    int64_t count = -1;
    redis_call(rig.redis, count_keys, &count, SPAN("EXISTS"),
               redis_key(REDIS_KEY_blocked, SPAN("juliet@localhost"), (struct span){0}, &arena));
    while (count < 0) {
        loop_run_once(rig.loop, 1);
    }
    arena_deinit(&arena);
    return count;
}

static void a_copy_that_redis_lost_is_made_again_at_login(void **state)
{
    (void)state;
    make_friends();
    assert_int_equal(copy_exists(), 0);
    rig_does(&rig, JULIET, J(3), BLOCK(ITEM("romeo@localhost")));
    assert_int_equal(copy_exists(), 1);
    redis_call(rig.redis, NULL, NULL, SPAN("FLUSHALL"));
    rig_bind(&rig, JULIET, 3);
    assert_int_equal(copy_exists(), 0);
    rig_does(&rig, JULIET, ORIGIN(3, 1), "<presence xmlns='jabber:client'/>");
    rig_expect(&rig, "forget juliet@localhost");
    assert_int_equal(copy_exists(), 1);
    rig_does(&rig, JULIET, ORIGIN(3, 2), UNBLOCK(""));
    assert_int_equal(copy_exists(), 0);
}

static void a_removed_account_leaves_no_list(void **state)
{
    (void)state;
    make_friends();
    rig_does(&rig, JULIET, J(3), BLOCK(ITEM("romeo@localhost")));
    removal_start(rig_owner(&rig, SPAN("juliet@localhost")), SPAN("juliet@localhost"));
    rig_settle(&rig);
    assert_int_equal(copy_exists(), 0);
    rig_does(&rig, JULIET, J(4), LIST);
    rig_expect(&rig, "<blocklist xmlns=\"urn:xmpp:blocking\"></blocklist>");
}

static int set_up(void **state)
{
    static const char *const statements[] = {
        "DELETE FROM roster_item",
        "DELETE FROM roster_version",
        "DELETE FROM blocked",
        "DELETE FROM block_change",
    };
    (void)state;
    rig_start_on(&rig, 2, sql_url);
    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++) {
        sql_query(rig.presences[0]->sql, 0, &SQL_PLAIN(statements[i]), NULL, NULL);
    }
    rig_settle(&rig);
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
        RIG_TEST(a_block_is_told_to_contacts_then_routers_then_clients),
        RIG_TEST(who_was_sent_presence_directly_is_told_too),
        RIG_TEST(an_unblock_is_told_to_routers_then_contacts),
        RIG_TEST(what_may_not_be_done),
        RIG_TEST(a_repeated_command_follows_through),
        RIG_TEST(a_copy_that_redis_lost_is_made_again_at_login),
        RIG_TEST(a_removed_account_leaves_no_list),
    };
    int failures = cmocka_run_group_tests_name("sqlite", tests, NULL, NULL);
    if (private_postgres_start(&postgres_server) != 0) {
        return 1;
    }
    sql_url = postgres_server.url;
    failures += cmocka_run_group_tests_name("postgresql", tests, NULL, NULL);
    return private_postgres_stop(&postgres_server) == 0 ? failures : 1;
}
