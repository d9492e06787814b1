/* vCards and private XML, on SQLite and on a private PostgreSQL: limits, order, what a removed
 * account leaves, and what is answered while Redis or the database is away. */
#include "rig.h"

#include "../sql/private_postgres.h"
#include "redis/keys.h"

#define ROMEO  "romeo@localhost/orchard"
#define JULIET "juliet@localhost/balcony"

#define IQ(type, to, content)                                                                      \
    "<iq xmlns='jabber:client' type='" type "' id='i'" to ">" content "</iq>"
#define PRIVATE(type, content) IQ(type, "", "<query xmlns='jabber:iq:private'>" content "</query>")
#define VCARD(type, content)   IQ(type, "", "<vCard xmlns='vcard-temp'>" content "</vCard>")

static struct rig rig;
static struct private_postgres postgres_server;
static const char *sql_url; /* NULL: SQLite */

/* `head`, `bytes` times x, `tail`. */
static void sends_large(const char *head, size_t bytes, const char *tail)
{
    struct buf xml = {0};
    buf_append_cstr(&xml, head);
    for (size_t i = 0; i < bytes; i++) {
        buf_append_cstr(&xml, "x");
    }
    buf_append_cstr(&xml, tail);
    rig_does(&rig, ROMEO, buf_cstr(&xml));
    buf_deinit(&xml);
}

static void a_vcard_is_kept_and_replaced(void **state)
{
    (void)state;
    rig_does(&rig, ROMEO, VCARD("get", ""));
    rig_expect(&rig, "<item-not-found");
    rig_does(&rig, ROMEO, VCARD("set", "<FN>R &amp; \xe2\x82\xac</FN>"));
    rig_expect(&rig, "from=\"romeo@localhost\" to=\"" ROMEO "\" type=\"result\" id=\"i\"/>");
    rig_kill(&rig);
    rig_does(&rig, JULIET, IQ("get", " to='romeo@localhost'", "<vCard xmlns='vcard-temp'/>"));
    rig_expect(&rig, "from=\"romeo@localhost\" to=\"" JULIET "\" type=\"result\" id=\"i\">"
                     "<vCard xmlns=\"vcard-temp\"><FN>R &amp; \xe2\x82\xac</FN></vCard></iq>");
    rig_does(&rig, ROMEO, VCARD("set", "<FN>Other</FN>"));
    rig_does(&rig, ROMEO, VCARD("get", ""));
    rig_expect(&rig, "<vCard xmlns=\"vcard-temp\"><FN>Other</FN></vCard>");
}

static void a_vcard_of_another_is_only_read(void **state)
{
    (void)state;
    rig_does(&rig, ROMEO, IQ("get", " to='juliet@localhost'", "<vCard xmlns='vcard-temp'/>"));
    rig_expect(&rig, "<service-unavailable");
    rig_does(&rig, ROMEO, IQ("set", " to='juliet@localhost'", "<vCard xmlns='vcard-temp'/>"));
    rig_expect(&rig, "<forbidden");
    rig_does(&rig, JULIET, VCARD("get", ""));
    rig_expect(&rig, "<item-not-found");
}

static void the_server_has_a_vcard(void **state)
{
    (void)state;
    rig_does(&rig, ROMEO, IQ("get", " to='localhost'", "<vCard xmlns='vcard-temp'/>"));
    rig_expect(&rig, "from=\"localhost\" to=\"" ROMEO "\" type=\"result\" id=\"i\">"
                     "<vCard xmlns=\"vcard-temp\"><FN>Jackdaw</FN></vCard></iq>");
}

static void private_elements_have_names_of_their_own(void **state)
{
    (void)state;
    rig_does(&rig, ROMEO, PRIVATE("set", "<a xmlns='x'>1</a><b xmlns='x'>2</b><a xmlns='y'>3</a>"));
    rig_expect(&rig, "type=\"result\" id=\"i\"/>");
    rig_kill(&rig);
    rig_does(&rig, ROMEO, PRIVATE("get", "<a xmlns='x'/>"));
    rig_expect(&rig, "<query xmlns=\"jabber:iq:private\"><a xmlns=\"x\">1</a></query>");
    rig_does(&rig, ROMEO, PRIVATE("get", "<b xmlns='x'/>"));
    rig_expect(&rig, "<query xmlns=\"jabber:iq:private\"><b xmlns=\"x\">2</b></query>");
    rig_does(&rig, ROMEO, PRIVATE("get", "<a xmlns='y'/>"));
    rig_expect(&rig, "<query xmlns=\"jabber:iq:private\"><a xmlns=\"y\">3</a></query>");
    rig_does(&rig, JULIET, PRIVATE("get", "<a xmlns='x'/>"));
    rig_expect(&rig, "<query xmlns=\"jabber:iq:private\"><a xmlns=\"x\"/></query>");
}

static void what_goes_in_comes_out(void **state)
{
    static const char *const elements[] = {
        "<a xmlns=\"x&amp;y\" b=\"&lt;&quot;\">&amp;<c/>\n t</a>",
        "<a xmlns=\"x&amp;y\"><message xmlns=\"jabber:client\"><body>b</body></message></a>",
        "<a xmlns=\"x&amp;y\" xml:lang=\"de\"/>",
        "<a xmlns=\"x&amp;y\"><query xmlns=\"jabber:iq:private\"/></a>",
    };
    char xml[400];
    (void)state;
    for (size_t i = 0; i < sizeof(elements) / sizeof(elements[0]); i++) {
        (void)snprintf(xml, sizeof(xml), PRIVATE("set", "%s"), elements[i]);
        rig_does(&rig, ROMEO, xml);
        rig_expect(&rig, "type=\"result\" id=\"i\"/>");
        rig_does(&rig, ROMEO, PRIVATE("get", "<a xmlns='x&amp;y'/>"));
        rig_expect(&rig, elements[i]);
    }
}

static void what_may_not_be_asked(void **state)
{
    static const struct {
        const char *xml;
        const char *condition;
    } cases[] = {
        {PRIVATE("get", ""), "<not-acceptable"},
        {PRIVATE("set", ""), "<not-acceptable"},
        {PRIVATE("set", "text"), "<not-acceptable"},
        {PRIVATE("set", "<a/>"), "<not-acceptable"},
        {PRIVATE("set", "<a xmlns=''/>"), "<not-acceptable"},
        {PRIVATE("set", "<a xmlns='jabber:x'/>"), "<not-acceptable"},
        {PRIVATE("set", "<a xmlns='http://jabber.org/x'/>"), "<not-acceptable"},
        {PRIVATE("set", "<a xmlns='vcard-temp'/>"), "<not-acceptable"},
        {PRIVATE("set", "<a xmlns='x'>1</a><a xmlns='vcard-temp'/>"), "<not-acceptable"},
        {PRIVATE("get", "<a xmlns='x'/><b xmlns='x'/>"), "<bad-request"},
        {IQ("get", "", "<other xmlns='jabber:iq:private'/>"), "<bad-request"},
        {IQ("get", "", "<other xmlns='vcard-temp'/>"), "<bad-request"},
        {IQ("get", " to='juliet@localhost'",
            "<query xmlns='jabber:iq:private'><a xmlns='x'/></query>"),
         "<forbidden"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        rig_does(&rig, ROMEO, cases[i].xml);
        rig_expect(&rig, cases[i].condition);
    }
    rig_does(&rig, ROMEO, PRIVATE("get", "<a xmlns='x'/>"));
    rig_expect(&rig, "<a xmlns=\"x\"/>");
}

static void what_is_too_large_is_refused(void **state)
{
    (void)state;
    sends_large("<iq xmlns='jabber:client' type='set' id='i'><vCard xmlns='vcard-temp'><DESC>",
                2048, "</DESC></vCard></iq>");
    rig_expect(&rig, "<not-acceptable");
    sends_large("<iq xmlns='jabber:client' type='set' id='i'><query xmlns='jabber:iq:private'>"
                "<a xmlns='x'>",
                1024, "</a></query></iq>");
    rig_expect(&rig, "<not-acceptable");
    sends_large("<iq xmlns='jabber:client' type='get' id='i'><query xmlns='jabber:iq:private'>"
                "<a xmlns='x",
                255, "'/></query></iq>");
    rig_expect(&rig, "<not-acceptable");
}

static void an_account_keeps_so_many_elements(void **state)
{
    (void)state;
    rig_does(&rig, ROMEO, PRIVATE("set", "<a xmlns='x'>1</a><b xmlns='x'>1</b>"));
    rig_does(&rig, ROMEO, PRIVATE("set", "<c xmlns='x'>1</c><d xmlns='x'>1</d>"));
    rig_expect(&rig, "<resource-constraint");
    rig_does(&rig, ROMEO, PRIVATE("get", "<c xmlns='x'/>")); /* all or nothing */
    rig_expect(&rig, "<c xmlns=\"x\"/>");
    rig_does(&rig, ROMEO, PRIVATE("set", "<c xmlns='x'>1</c>"));
    rig_expect(&rig, "type=\"result\"");
    rig_does(&rig, ROMEO, PRIVATE("set", "<c xmlns='x'>2</c>"));
    rig_expect(&rig, "type=\"result\"");
    rig.pubsub->limits.max_private_elements = 1;
    rig_does(&rig, ROMEO, PRIVATE("set", "<c xmlns='x'>3</c>"));
    rig_expect(&rig, "type=\"result\"");
    rig_does(&rig, ROMEO, PRIVATE("set", "<a xmlns='x'/><d xmlns='x'>1</d>"));
    rig_expect(&rig, "type=\"result\"");
    rig_does(&rig, ROMEO, PRIVATE("get", "<a xmlns='x'/>")); /* empty: it is gone */
    rig_expect(&rig, "<a xmlns=\"x\"/>");
}

/* Nothing is waited for in between. */
static void an_account_is_served_in_order(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        rig_send(&rig, ROMEO, PRIVATE("set", "<a xmlns='x'>old</a>"));
        rig_send(&rig, ROMEO, VCARD("set", "<FN>old</FN>"));
        rig_send(&rig, ROMEO, PRIVATE("set", "<a xmlns='x'>new</a>"));
        rig_send(&rig, ROMEO, VCARD("set", "<FN>new</FN>"));
        rig_send(&rig, ROMEO, PRIVATE("get", "<a xmlns='x'/>"));
        rig_send(&rig, ROMEO, VCARD("get", ""));
    }
    rig_settle(&rig);
    rig_expect(&rig, "<a xmlns=\"x\">new</a>");
    rig_expect(&rig, "<FN>new</FN>");
    rig_expect_not(&rig, "old");
    assert_int_equal(fake.settled_count, 120);
}

static void a_removed_account_leaves_nothing_behind(void **state)
{
    struct wire_msg msg = {.id = WIRE_ID_account_removed};
    (void)state;
    rig_does(&rig, ROMEO, PRIVATE("set", "<a xmlns='x'>1</a>"));
    rig_does(&rig, ROMEO, VCARD("set", "<FN>R</FN>"));
    rig_does(&rig, JULIET, VCARD("set", "<FN>J</FN>"));
    msg.u.account_removed.account = SPAN("romeo@localhost");
    for (int i = 0; i < 2; i++) {
        pubsub_notice(rig.pubsub, &msg);
        rig_settle(&rig);
    }
    rig_does(&rig, ROMEO, PRIVATE("get", "<a xmlns='x'/>"));
    rig_expect(&rig, "<a xmlns=\"x\"/>");
    rig_does(&rig, ROMEO, VCARD("get", ""));
    rig_expect(&rig, "<item-not-found");
    rig_does(&rig, JULIET, VCARD("get", ""));
    rig_expect(&rig, "<FN>J</FN>");
}

/* What presence reads of romeo, "none" when there is nothing. */
static void note_photo(void *arg, const struct redis_reply *reply)
{
    struct buf *said = arg;
    struct span hash = redis_type(reply) == REDIS_NIL ? SPAN("none") : redis_text(reply);
    buf_printf(said, "photo '%.*s'", SPAN_ARG(hash));
}

static void expect_photo(const char *wanted)
{
    struct arena arena = {0};
    buf_reset(&rig.said);
    redis_call(rig.pubsub->redis, note_photo, &rig.said, SPAN("GET"),
               redis_key(REDIS_KEY_avatar, SPAN("romeo@localhost"), (struct span){0}, &arena));
    arena_deinit(&arena);
    rig_settle(&rig);
    rig_expect(&rig, wanted);
}

static void presence_learns_of_the_photo(void **state)
{
    struct wire_msg msg = {.id = WIRE_ID_account_removed};
    (void)state;
    expect_photo("photo 'none'");
    rig_does(&rig, ROMEO, VCARD("set", "<FN>R</FN>"));
    expect_photo("photo ''");
    rig_does(
        &rig, ROMEO,
        VCARD("set", "<PHOTO><TYPE>image/png</TYPE><BINVAL>\n aGVs\r\n\tbG8= \n</BINVAL></PHOTO>"));
    expect_photo("photo 'aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d'");
    rig_does(&rig, ROMEO, VCARD("set", "<PHOTO><BINVAL>no base64!</BINVAL></PHOTO>"));
    rig_expect(&rig, "type=\"result\"");
    expect_photo("photo ''");
    msg.u.account_removed.account = SPAN("romeo@localhost");
    pubsub_notice(rig.pubsub, &msg);
    rig_settle(&rig);
    expect_photo("photo 'none'");
}

static void without_redis_no_vcard_is_said_to_be_stored(void **state)
{
    (void)state;
    private_redis_kill(&rig.server);
    rig_does(&rig, ROMEO, VCARD("set", "<FN>R</FN>"));
    rig_expect(&rig, "<error type=\"wait\"><resource-constraint");
    rig_does(&rig, ROMEO, PRIVATE("set", "<a xmlns='x'>1</a>"));
    rig_expect(&rig, "type=\"result\"");
    private_redis_spawn(&rig.server);
    uint64_t deadline = clock_mono_ms() + 20000;
    do {
        assert_true(clock_mono_ms() < deadline);
        rig_does(&rig, ROMEO, VCARD("set", "<FN>R</FN>"));
    } while (strstr(buf_cstr(&rig.said), "resource-constraint"));
    expect_photo("photo ''");
}

static void count_call(void *arg)
{
    ++*(int *)arg;
}

static void what_is_under_way_ends_before_the_daemon(void **state)
{
    int drained = 0;
    (void)state;
    pubsub_drain(rig.pubsub, count_call, &drained);
    assert_int_equal(drained, 1);
    buf_reset(&rig.said);
    rig_send(&rig, ROMEO, VCARD("set", "<FN>R</FN>"));
    rig_send(&rig, ROMEO, VCARD("get", ""));
    pubsub_drain(rig.pubsub, count_call, &drained);
    assert_int_equal(drained, 1);
    rig_settle(&rig);
    assert_int_equal(drained, 2);
    rig_expect(&rig, "<FN>R</FN>");
    rig_send(&rig, ROMEO, VCARD("get", "")); /* and closed at once, nothing is lost but this */
}

static void without_the_database_requests_are_told_to_wait(void **state)
{
    (void)state;
    assert_int_equal(private_postgres_kill(&postgres_server), 0);
    rig_does(&rig, ROMEO, VCARD("set", "<FN>R</FN>"));
    rig_expect(&rig, "<error type=\"wait\"><resource-constraint");
    rig_does(&rig, ROMEO, PRIVATE("set", "<a xmlns='x'>1</a>"));
    rig_expect(&rig, "<error type=\"wait\"><resource-constraint");
    rig_does(&rig, ROMEO, PRIVATE("get", "<a xmlns='x'/>"));
    rig_expect(&rig, "<error type=\"wait\"><resource-constraint");
    assert_int_equal(private_postgres_spawn(&postgres_server), 0);
    rig.pubsub->limits.max_private_elements = 3;
    uint64_t deadline = clock_mono_ms() + 20000;
    do {
        assert_true(clock_mono_ms() < deadline);
        rig_does(&rig, ROMEO, VCARD("set", "<FN>R</FN>"));
    } while (strstr(buf_cstr(&rig.said), "resource-constraint"));
    rig_expect(&rig, "type=\"result\"");
}

static int set_up(void **state)
{
    (void)state;
    rig_start_on(&rig, sql_url);
    if (sql_url) {
        sql_query(rig.pubsub->sql, 0, &SQL_PLAIN("DELETE FROM vcard"), NULL, NULL);
        sql_query(rig.pubsub->sql, 0, &SQL_PLAIN("DELETE FROM private_xml"), NULL, NULL);
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
        RIG_TEST(a_vcard_is_kept_and_replaced),
        RIG_TEST(a_vcard_of_another_is_only_read),
        RIG_TEST(the_server_has_a_vcard),
        RIG_TEST(private_elements_have_names_of_their_own),
        RIG_TEST(what_goes_in_comes_out),
        RIG_TEST(what_may_not_be_asked),
        RIG_TEST(what_is_too_large_is_refused),
        RIG_TEST(an_account_keeps_so_many_elements),
        RIG_TEST(an_account_is_served_in_order),
        RIG_TEST(a_removed_account_leaves_nothing_behind),
        RIG_TEST(presence_learns_of_the_photo),
        RIG_TEST(without_redis_no_vcard_is_said_to_be_stored),
        RIG_TEST(what_is_under_way_ends_before_the_daemon),
    };
    const struct CMUnitTest outage[] = {RIG_TEST(without_the_database_requests_are_told_to_wait)};
    int failures = cmocka_run_group_tests_name("sqlite", tests, NULL, NULL);
    if (private_postgres_start(&postgres_server) != 0) {
        return 1;
    }
    sql_url = postgres_server.url;
    failures += cmocka_run_group_tests_name("postgresql", tests, NULL, NULL);
    failures += cmocka_run_group_tests_name("postgresql that dies", outage, NULL, NULL);
    return private_postgres_stop(&postgres_server) == 0 ? failures : 1;
}
