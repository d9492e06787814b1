/* Rosters and subscriptions, on SQLite and on a private PostgreSQL: errors, pushes, versions, what
 * follows from a removal, and that a stanza dealt with twice has its consequences twice and is
 * counted once. */
#include "rig.h"

#include "../sql/private_postgres.h"

#define ROMEO  "romeo@localhost/orchard"
#define JULIET "juliet@localhost/balcony"
#define R(n)   ORIGIN(1, n)
#define J(n)   ORIGIN(2, n)

#define GET(attributes)                                                                            \
    "<iq xmlns='jabber:client' type='get' id='g'><query xmlns='jabber:iq:roster'" attributes       \
    "/></iq>"
#define SET(items)                                                                                 \
    "<iq xmlns='jabber:client' type='set' id='s'><query xmlns='jabber:iq:roster'>" items           \
    "</query></iq>"

static struct rig rig;
static struct private_postgres postgres_server;
static const char *sql_url; /* NULL: SQLite */

static void log_in_both(void)
{
    rig_bind(&rig, ROMEO, 1);
    rig_bind(&rig, JULIET, 2);
    rig_does(&rig, ROMEO, R(1), GET(""));
    rig_does(&rig, JULIET, J(1), GET(""));
    rig_does(&rig, ROMEO, R(2), "<presence xmlns='jabber:client'/>");
    rig_does(&rig, JULIET, J(2), "<presence xmlns='jabber:client'/>");
}

/* The version told last. */
static long long said_version(void)
{
    long long version = -1;
    for (const char *at = buf_cstr(&rig.said); (at = strstr(at, "ver=\"")); at++) {
        version = strtoll(at + 5, NULL, 10);
    }
    return version;
}

static void a_new_roster_is_empty(void **state)
{
    (void)state;
    rig_bind(&rig, ROMEO, 1);
    rig_does(&rig, ROMEO, R(1), GET(""));
    rig_expect(&rig, "type=\"result\" id=\"g\"><query xmlns=\"jabber:iq:roster\" ver=\"0\"/></iq>");
    rig_does(&rig, ROMEO, R(2), GET(" ver='0'"));
    rig_expect(&rig, "type=\"result\" id=\"g\"/>");
    rig_does(&rig, ROMEO, R(3), GET(" ver='nonsense'"));
    rig_expect(&rig, "ver=\"0\"/></iq>");
}

static void a_set_is_pushed_and_kept(void **state)
{
    (void)state;
    rig_bind(&rig, ROMEO, 1);
    rig_bind(&rig, "romeo@localhost/street", 3);
    rig_does(&rig, ROMEO, R(1), GET(""));
    /* the sender has not asked for the roster: it gets no push */
    rig_does(&rig, "romeo@localhost/street", ORIGIN(3, 1),
             SET("<item jid='Nurse@Example.COM' name='Nurse &amp; Co' subscription='both'>"
                 "<group>Servants</group><group>&lt;Friends></group></item>"));
    rig_expect(&rig, ROMEO " <iq from=\"romeo@localhost\" type=\"set\" id=\"push-");
    rig_expect(&rig, "<item jid=\"nurse@example.com\" name=\"Nurse &amp; Co\" "
                     "subscription=\"none\"><group>Servants</group>"
                     "<group>&lt;Friends&gt;</group></item>");
    rig_expect(&rig, "to=\"romeo@localhost/street\" type=\"result\" id=\"s\"/>");
    rig_expect_not(&rig, "romeo@localhost/street <iq");
    rig_does(&rig, ROMEO, R(2), SET("<item jid='nurse@example.com'/>"));
    rig_expect(&rig, "<item jid=\"nurse@example.com\" subscription=\"none\"/>");
    rig_does(&rig, ROMEO, R(3), GET(""));
    rig_expect(&rig, "<item jid=\"nurse@example.com\" subscription=\"none\"/></query>");
}

static void what_may_not_be_set(void **state)
{
    static const struct {
        const char *xml;
        const char *condition;
    } cases[] = {
        {SET(""), "<bad-request"},
        {SET("<item jid='a@b'/><item jid='c@d'/>"), "<bad-request"},
        {SET("<item/>"), "<bad-request"},
        {SET("<item jid='a@b/c'/>"), "<bad-request"},
        {SET("<item jid='a@@b'/>"), "<jid-malformed"},
        {SET("<item jid='romeo@localhost'/>"), "<not-allowed"},
        {SET("<item jid='a@b'><group/></item>"), "<not-acceptable"},
        {SET("<item jid='a@b'><group>x</group><group>x</group></item>"), "<bad-request"},
        {SET("<item jid='a@b' name='0123456789abcdef+'/>"), "<not-acceptable"},
        {SET("<item jid='a@b'><group>0123456789abcdef+</group></item>"), "<not-acceptable"},
        {SET("<item jid='a@b'><group>1</group><group>2</group><group>3</group></item>"),
         "<not-acceptable"},
        {SET("<item jid='a@b' subscription='remove'/>"), "<item-not-found"},
    };
    (void)state;
    rig_bind(&rig, ROMEO, 1);
    rig_does(&rig, ROMEO, R(1), GET(""));
    for (int i = 0; i < rig.count; i++) {
        rig.presences[i]->limits.max_name = 16;
        rig.presences[i]->limits.max_groups = 2;
        rig.presences[i]->limits.max_items = 2;
    }
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        rig_does(&rig, ROMEO, R(i + 2), cases[i].xml);
        rig_expect(&rig, cases[i].condition);
        rig_expect_not(&rig, "push-");
    }
    rig_does(&rig, ROMEO, R(50), SET("<item jid='one@b' name='0123456789abcdef'/>"));
    rig_does(&rig, ROMEO, R(51), SET("<item jid='two@b'/>"));
    rig_does(&rig, ROMEO, R(52), SET("<item jid='three@b'/>"));
    rig_expect(&rig, "<resource-constraint");
    rig_does(&rig, ROMEO, R(53), SET("<item jid='two@b' name='changed'/>"));
    rig_expect(&rig, "type=\"result\"");
    rig_does(&rig, ROMEO, R(54), "<presence xmlns='jabber:client' type='subscribe' to='three@b'/>");
    rig_expect(&rig, "<resource-constraint");
}

static void the_roster_of_another_is_forbidden(void **state)
{
    (void)state;
    rig_bind(&rig, ROMEO, 1);
    buf_reset(&rig.said);
    rig_send_to(&rig, rig_owner(&rig, SPAN("juliet@localhost")), ROMEO, R(1),
                "<iq xmlns='jabber:client' type='get' id='1' to='juliet@localhost'>"
                "<query xmlns='jabber:iq:roster'/></iq>");
    rig_settle(&rig);
    rig_expect(&rig, "<forbidden");
}

static void a_client_is_told_what_changed_since(void **state)
{
    char ask[160];
    (void)state;
    rig_bind(&rig, ROMEO, 1);
    rig_does(&rig, ROMEO, R(1), SET("<item jid='old@b'/>"));
    rig_does(&rig, ROMEO, R(2), SET("<item jid='gone@b'/>"));
    rig_does(&rig, ROMEO, R(3), GET(""));
    long long version = said_version();
    rig_does(&rig, ROMEO, R(4), SET("<item jid='new@b'/>"));
    rig_does(&rig, ROMEO, R(5), SET("<item jid='gone@b' subscription='remove'/>"));
    assert_true(said_version() == version + 2);
    (void)snprintf(ask, sizeof(ask),
                   "<iq xmlns='jabber:client' type='get' id='g'>"
                   "<query xmlns='jabber:iq:roster' ver='%lld'/></iq>",
                   version);
    rig_does(&rig, ROMEO, R(6), ask);
    rig_expect(&rig, "type=\"result\" id=\"g\"/>");
    rig_expect(&rig, "<item jid=\"new@b\" subscription=\"none\"/>");
    rig_expect(&rig, "<item jid=\"gone@b\" subscription=\"remove\"/>");
    rig_expect_not(&rig, "old@b");
    /* the whole, when the client's version is of another life */
    rig_does(&rig, ROMEO, R(7), GET(" ver='5'"));
    rig_expect(&rig, "<item jid=\"old@b\" subscription=\"none\"/>");
    rig_expect_not(&rig, "gone@b");
}

static void a_request_waits_for_an_answer(void **state)
{
    const char *request =
        "<presence xmlns='jabber:client' type='subscribe' to='juliet@localhost/x'>"
        "<status>It is I</status></presence>";
    (void)state;
    rig_bind(&rig, ROMEO, 1);
    rig_does(&rig, ROMEO, R(1), GET(""));
    rig_does(&rig, ROMEO, R(2), request);
    rig_expect(&rig, "<item jid=\"juliet@localhost\" ask=\"subscribe\" subscription=\"none\"/>");
    rig_does(&rig, ROMEO, R(3), request); /* asked twice, kept once */
    for (unsigned i = 1; i <= 2; i++) {
        rig_bind(&rig, JULIET, 20 + i);
        rig_does(&rig, JULIET, ORIGIN(20 + i, 1), GET(""));
        rig_expect_not(&rig, "romeo"); /* it is no roster item */
        rig_does(&rig, JULIET, ORIGIN(20 + i, 2), "<presence xmlns='jabber:client'/>");
        rig_expect(&rig, JULIET " <presence from=\"romeo@localhost\" to=\"juliet@localhost\" "
                                "type=\"subscribe\"><status>It is I</status></presence>");
    }
    rig_does(&rig, JULIET, ORIGIN(22, 3),
             "<presence xmlns='jabber:client' type='unsubscribed' to='romeo@localhost'/>");
    rig_expect(&rig, "<item jid=\"juliet@localhost\" subscription=\"none\"/>");
    rig_bind(&rig, JULIET, 23);
    rig_does(&rig, JULIET, ORIGIN(23, 1), "<presence xmlns='jabber:client'/>");
    rig_expect_not(&rig, "subscribe");
}

static void large_and_many_requests_are_bounded(void **state)
{
    struct buf xml = {0};
    (void)state;
    for (int i = 0; i < rig.count; i++) {
        rig.presences[i]->limits.max_requests = 2;
    }
    for (unsigned i = 0; i < 3; i++) {
        buf_reset(&xml);
        buf_printf(&xml, "<presence xmlns='jabber:client' type='subscribe' to='juliet@localhost'>"
                         "<status>");
        for (int k = 0; k < 5000; k++) {
            buf_append_cstr(&xml, "x");
        }
        buf_printf(&xml, "</status></presence>");
        char from[64];
        (void)snprintf(from, sizeof(from), "seeker%u@localhost/x", i);
        rig_does(&rig, from, ORIGIN(30 + i, 1), buf_cstr(&xml));
    }
    buf_deinit(&xml);
    rig_bind(&rig, JULIET, 2);
    rig_does(&rig, JULIET, J(1), "<presence xmlns='jabber:client'/>");
    rig_expect(&rig, "<presence from=\"seeker0@localhost\" to=\"juliet@localhost\" "
                     "type=\"subscribe\"/>");
    rig_expect(&rig, "seeker1");
    rig_expect_not(&rig, "seeker2");
}

static void approval_shows_presence_and_removal_hides_it(void **state)
{
    (void)state;
    log_in_both();
    rig_does(&rig, ROMEO, R(3),
             "<presence xmlns='jabber:client' type='subscribe' to='juliet@localhost'/>");
    rig_does(&rig, JULIET, J(3),
             "<presence xmlns='jabber:client' type='subscribed' to='romeo@localhost'/>");
    const char *answer = strstr(buf_cstr(&rig.said), "type=\"subscribed\"");
    const char *presence = strstr(buf_cstr(&rig.said), "romeo@localhost <presence from=\"" JULIET);
    assert_true(answer && presence && answer < presence);
    rig_expect(&rig, ROMEO " <iq from=\"romeo@localhost\" type=\"set\"");
    rig_expect(&rig, "<item jid=\"juliet@localhost\" subscription=\"to\"/>");
    rig_expect(&rig, "<item jid=\"romeo@localhost\" subscription=\"from\"/>");
    rig_does(&rig, JULIET, J(4),
             "<presence xmlns='jabber:client' type='subscribe' to='romeo@localhost'/>");
    rig_does(&rig, ROMEO, R(4),
             "<presence xmlns='jabber:client' type='subscribed' to='juliet@localhost'/>");
    rig_expect(&rig, "<item jid=\"juliet@localhost\" subscription=\"both\"/>");
    rig_does(&rig, ROMEO, R(5), SET("<item jid='juliet@localhost' subscription='remove'/>"));
    rig_expect(&rig, "<item jid=\"juliet@localhost\" subscription=\"remove\"/>");
    rig_expect(&rig, "juliet@localhost <presence from=\"" ROMEO "\" type=\"unavailable\"/>");
    rig_expect(&rig, "<item jid=\"romeo@localhost\" subscription=\"none\"/>");
    rig_expect(&rig, "romeo@localhost <presence from=\"" JULIET "\" type=\"unavailable\"/>");
}

/* A daemon dies after the transaction and before its consequences: the next one is asked again. */
static void a_repeated_stanza_follows_through_but_counts_once(void **state)
{
    long long version = 0;
    (void)state;
    log_in_both();
    for (int i = 0; i < 2; i++) {
        rig_does(&rig, ROMEO, R(3),
                 "<presence xmlns='jabber:client' type='subscribe' to='juliet@localhost'/>");
        rig_expect(&rig, "ask=\"subscribe\"");
        assert_true(i == 0 || said_version() == version);
        version = said_version();
    }
    for (int i = 0; i < 2; i++) {
        rig_does(&rig, JULIET, J(3),
                 "<presence xmlns='jabber:client' type='subscribed' to='romeo@localhost'/>");
        rig_expect(&rig, "<item jid=\"romeo@localhost\" subscription=\"from\"/>");
        rig_expect(&rig, "romeo@localhost <presence from=\"" JULIET "\">" LATE "</presence>");
    }
    for (int i = 0; i < 2; i++) {
        rig_does(&rig, ROMEO, R(4), SET("<item jid='juliet@localhost' subscription='remove'/>"));
        rig_expect(&rig, "subscription=\"remove\"");
        rig_expect(&rig, "type=\"result\"");
    }
}

static void one_is_always_subscribed_to_oneself(void **state)
{
    (void)state;
    log_in_both();
    rig_does(&rig, ROMEO, R(3),
             "<presence xmlns='jabber:client' type='subscribe' to='romeo@localhost'/>");
    assert_int_equal(rig.said.len, 0);
}

static void contacts_elsewhere_take_the_same_path(void **state)
{
    (void)state;
    log_in_both();
    rig_does(&rig, ROMEO, R(3),
             "<presence xmlns='jabber:client' type='subscribe' to='nurse@example.com/x'/>");
    rig_expect(&rig, "<presence from=\"romeo@localhost\" to=\"nurse@example.com\" "
                     "type=\"subscribe\"/>");
    rig_handle(&rig, rig_owner(&rig, SPAN("romeo@localhost")), &(struct wire_handle){0});
    rig_settle(&rig); /* nonsense is dropped */
}

static void a_removed_account_leaves_nothing_behind(void **state)
{
    struct wire_msg msg = {.id = WIRE_ID_account_removed};
    (void)state;
    log_in_both();
    rig_does(&rig, ROMEO, R(3),
             "<presence xmlns='jabber:client' type='subscribe' to='juliet@localhost'/>");
    rig_does(&rig, JULIET, J(3),
             "<presence xmlns='jabber:client' type='subscribed' to='romeo@localhost'/>");
    buf_reset(&rig.said);
    msg.u.account_removed.account = SPAN("juliet@localhost");
    for (int i = 0; i < rig.count; i++) {
        presence_notice(rig.presences[i], &msg);
    }
    rig_settle(&rig);
    rig_expect(&rig, "romeo@localhost <presence from=\"" JULIET "\" type=\"unavailable\"/>");
    rig_expect(&rig, ROMEO " <presence from=\"juliet@localhost\" to=\"romeo@localhost\" "
                           "type=\"unsubscribed\"/>");
    rig_expect(&rig, "<item jid=\"juliet@localhost\" subscription=\"none\"/>");
    rig_does(&rig, JULIET, J(4), GET(""));
    rig_expect(&rig, "ver=\"0\"/>");
}

static int set_up(void **state)
{
    (void)state;
    rig_start_on(&rig, 2, sql_url);
    if (sql_url) {
        sql_query(rig.presences[0]->sql, 0, &SQL_PLAIN("DELETE FROM roster_item"), NULL, NULL);
        sql_query(rig.presences[0]->sql, 0, &SQL_PLAIN("DELETE FROM roster_version"), NULL, NULL);
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

#define GUEST "59bec12a-9bab-852b-88f8-d1563f09e549@localhost"

/* XEP-0175 section 3 */
static void an_anonymous_account_has_no_contacts(void **state)
{
    (void)state;
    rig_bind(&rig, GUEST "/x", 1);
    rig_bind(&rig, JULIET, 2);
    rig_does(&rig, GUEST "/x", ORIGIN(1, 1), SET("<item jid='juliet@localhost'/>"));
    rig_expect(&rig, "<not-allowed");
    rig_does(&rig, GUEST "/x", ORIGIN(1, 2),
             "<presence xmlns='jabber:client' type='subscribe' to='juliet@localhost'/>");
    rig_expect(&rig, "<not-allowed");
    rig_expect_not(&rig, "type=\"subscribe\"");
    rig_does(&rig, GUEST "/x", ORIGIN(1, 3), GET(""));
    rig_expect(&rig, "<query xmlns=\"jabber:iq:roster\"");
    rig_expect_not(&rig, "<item");
    rig_does(&rig, JULIET, ORIGIN(2, 1), GET(""));
    rig_does(&rig, JULIET, ORIGIN(2, 2),
             "<presence xmlns='jabber:client' type='subscribe' to='" GUEST "'/>");
    rig_expect(&rig, "<item jid=\"" GUEST "\" subscription=\"none\"");
    rig_does(&rig, JULIET, ORIGIN(2, 3), GET(""));
    rig_expect_not(&rig, "ask="); /* the answer was: unsubscribed */
}

#define RIG_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_new_roster_is_empty),
        RIG_TEST(a_set_is_pushed_and_kept),
        RIG_TEST(what_may_not_be_set),
        RIG_TEST(the_roster_of_another_is_forbidden),
        RIG_TEST(a_client_is_told_what_changed_since),
        RIG_TEST(a_request_waits_for_an_answer),
        RIG_TEST(large_and_many_requests_are_bounded),
        RIG_TEST(approval_shows_presence_and_removal_hides_it),
        RIG_TEST(a_repeated_stanza_follows_through_but_counts_once),
        RIG_TEST(one_is_always_subscribed_to_oneself),
        RIG_TEST(contacts_elsewhere_take_the_same_path),
        RIG_TEST(a_removed_account_leaves_nothing_behind),
        RIG_TEST(an_anonymous_account_has_no_contacts),
    };
    int failures = cmocka_run_group_tests_name("sqlite", tests, NULL, NULL);
    if (private_postgres_start(&postgres_server) != 0) {
        return 1;
    }
    sql_url = postgres_server.url;
    failures += cmocka_run_group_tests_name("postgresql", tests, NULL, NULL);
    return private_postgres_stop(&postgres_server) == 0 ? failures : 1;
}
