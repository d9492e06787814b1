/* The message archive (XEP-0313), on SQLite and on a private PostgreSQL: pages, filters, ids,
 * preferences (XEP-0441), full text (XEP-0431), and how it is kept small. */
#include "rig.h"

#include "../sql/private_postgres.h"
#include "trim.h"

#define JULIET             "juliet@localhost"
#define PHONE              JULIET "/phone"
#define FIELD(name, value) "<field var='" name "'><value>" value "</value></field>"
#define FORM(fields)                                                                               \
    "<x xmlns='jabber:x:data' type='submit'>" FIELD("FORM_TYPE", "urn:xmpp:mam:2") fields "</x>"
#define SET(content) "<set xmlns='http://jabber.org/protocol/rsm'>" content "</set>"
#define QUERY(content)                                                                             \
    "<iq xmlns='jabber:client' type='set' id='q'><query xmlns='urn:xmpp:mam:2' "                   \
    "queryid='f'>" content "</query></iq>"
#define PREFS(type, content)                                                                       \
    "<iq xmlns='jabber:client' type='" type "' id='p'><prefs xmlns='urn:xmpp:mam:2'" content "</"  \
    "iq>"

static struct rig rig;
static struct private_postgres postgres_server;
static const char *sql_url; /* NULL: SQLite */

static const char *id_text(uint64_t n)
{
    static char text[33];
    (void)snprintf(text, sizeof(text), "%02x000000000000006a756c696574406c", (unsigned)n);
    return text;
}

static void says(uint64_t n, const char *from, const char *to, const char *body)
{
    char xml[512];
    uint32_t sent = strncmp(from, JULIET, strlen(JULIET)) == 0 ? WIRE_KEEP_SENT : 0;
    (void)snprintf(xml, sizeof(xml),
                   "<message xmlns='jabber:client' from='%s' to='%s' type='chat' id='m%02u'>"
                   "<body>%s</body></message>",
                   from, to, (unsigned)n, body);
    rig_keep(&rig, JULIET, n, WIRE_KEEP_ARCHIVE | sent, xml);
    rig_settle(&rig);
}

/* romeo says 1, 2, 3 ...; juliet answers every third time; every fifth is the nurse's. */
static void talk(uint64_t from, uint64_t to)
{
    for (uint64_t n = from; n <= to; n++) {
        if (n % 5 == 0) {
            says(n, "nurse@localhost/kitchen", JULIET, "Madam!");
        } else if (n % 3 == 0) {
            says(n, PHONE, "romeo@localhost/orchard", "Ay me!");
        } else {
            says(n, "romeo@localhost/orchard", JULIET, "It is my lady");
        }
    }
}

static void asks(const char *xml)
{
    rig_asks(&rig, PHONE, 4, xml);
}

/* What was found, in the order it was sent: "1 2 3". */
static void expect_found(const char *wanted)
{
    struct buf found = {0};
    for (const char *at = buf_cstr(&rig.said); (at = strstr(at, "<message xmlns=")) != NULL; at++) {
        const char *id = strstr(at, " id=\"m");
        assert_non_null(id);
        buf_printf(&found, "%s%ld", found.len ? " " : "", strtol(id + 6, NULL, 10));
    }
    if (strcmp(buf_cstr(&found), wanted) != 0) {
        fail_msg("found %s, not %s, in:\n%s", buf_cstr(&found), wanted, buf_cstr(&rig.said));
    }
    buf_deinit(&found);
}

static void a_query_finds_all_in_order(void **state)
{
    (void)state;
    talk(1, 7);
    asks(QUERY(""));
    expect_found("1 2 3 4 5 6 7");
    rig_expect(&rig,
               "<message from=\"" JULIET "\" to=\"" PHONE "\"><result xmlns=\"urn:xmpp:mam:2\" "
               "queryid=\"f\" id=\"01000000000000006a756c696574406c\">"
               "<forwarded xmlns=\"urn:xmpp:forward:0\"><delay xmlns=\"urn:xmpp:delay\" "
               "stamp=\"20");
    rig_expect(&rig,
               "<message xmlns=\"jabber:client\" from=\"romeo@localhost/orchard\" to=\"" JULIET
               "\" type=\"chat\" id=\"m01\"><body>It is my lady</body></message>"
               "</forwarded></result></message>");
    rig_expect(&rig, "<fin xmlns=\"urn:xmpp:mam:2\" complete=\"true\">"
                     "<set xmlns=\"http://jabber.org/protocol/rsm\"><first index=\"0\">"
                     "01000000000000006a756c696574406c</first><last>"
                     "07000000000000006a756c696574406c</last><count>7</count></set></fin></iq>");
}

static void an_empty_archive_is_complete(void **state)
{
    (void)state;
    asks(QUERY(""));
    expect_found("");
    rig_expect(&rig, "complete=\"true\"><set xmlns=\"http://jabber.org/protocol/rsm\">"
                     "<count>0</count></set>");
}

static void a_retry_makes_no_second_row(void **state)
{
    (void)state;
    talk(1, 2);
    rig_kill(&rig);
    talk(1, 2);
    asks(QUERY(""));
    expect_found("1 2");
}

static void pages_go_forwards(void **state)
{
    char xml[512];
    (void)state;
    talk(1, 7);
    asks(QUERY(SET("<max>3</max>")));
    expect_found("1 2 3");
    rig_expect_not(&rig, "complete=\"true\"");
    rig_expect(&rig, "<first index=\"0\">");
    rig_expect(&rig, "<count>7</count>");
    (void)snprintf(xml, sizeof(xml), QUERY(SET("<max>3</max><after>%s</after>")), id_text(3));
    asks(xml);
    expect_found("4 5 6");
    rig_expect_not(&rig, "complete=\"true\"");
    (void)snprintf(xml, sizeof(xml), QUERY(SET("<max>3</max><after>%s</after>")), id_text(6));
    asks(xml);
    expect_found("7");
    rig_expect(&rig, "complete=\"true\"");
    (void)snprintf(xml, sizeof(xml), QUERY(SET("<max>3</max><after>%s</after>")), id_text(7));
    asks(xml);
    expect_found("");
    rig_expect(&rig, "complete=\"true\"");
}

static void pages_go_backwards_and_are_flipped(void **state)
{
    char xml[512];
    (void)state;
    talk(1, 7);
    asks(QUERY(SET("<max>3</max><before/>")));
    expect_found("5 6 7");
    rig_expect(&rig, "<first index=\"4\">05");
    rig_expect(&rig, "<last>07");
    rig_expect_not(&rig, "complete=\"true\"");
    (void)snprintf(xml, sizeof(xml), QUERY(SET("<max>4</max><before>%s</before>")), id_text(5));
    asks(xml);
    expect_found("1 2 3 4");
    rig_expect(&rig, "complete=\"true\"");
    asks(QUERY(SET("<max>3</max><before/>") "<flip-page/>"));
    expect_found("7 6 5");
    rig_expect(&rig, "<first index=\"4\">05");
    asks(QUERY(SET("<max>3</max>") "<flip-page/>"));
    expect_found("3 2 1");
}

static void a_page_may_begin_at_an_index_or_be_only_counted(void **state)
{
    (void)state;
    talk(1, 7);
    asks(QUERY(SET("<max>2</max><index>3</index>")));
    expect_found("4 5");
    rig_expect(&rig, "<first index=\"3\">04");
    rig_expect(&rig, "<count>7</count>");
    asks(QUERY(SET("<max>2</max><index>7</index>")));
    expect_found("");
    rig_expect(&rig, "<count>7</count>");
    asks(QUERY(SET("<max>0</max>")));
    expect_found("");
    rig_expect(&rig, "<count>7</count>");
    rig_expect_not(&rig, "complete=\"true\"");
}

static void a_client_gets_no_more_than_it_may(void **state)
{
    (void)state;
    talk(1, 12);
    asks(QUERY(SET("<max>1000000</max>")));
    expect_found("1 2 3 4 5 6 7 8 9 10"); /* archive.max_page */
    rig_expect_not(&rig, "complete=\"true\"");
    asks(QUERY(""));
    expect_found("1 2 3 4 5 6 7 8"); /* archive.page */
    rig_expect_not(&rig, "<count>"); /* archive.max_count */
}

static void the_other_side_may_be_named(void **state)
{
    (void)state;
    talk(1, 7);
    asks(QUERY(FORM(FIELD("with", "Romeo@localhost"))));
    expect_found("1 2 3 4 6 7");
    asks(QUERY(FORM(FIELD("with", "nurse@localhost/kitchen"))));
    expect_found("5");
    asks(QUERY(FORM(FIELD("with", "nurse@localhost/elsewhere"))));
    expect_found("");
    asks(QUERY(FORM(FIELD("with", "romeo@localhost")) SET("<max>2</max><before/>")));
    expect_found("6 7");
    says(8, PHONE, JULIET, "to myself");
    asks(QUERY(FORM(FIELD("with", JULIET))));
    expect_found("8");
}

/* When the message was archived, as its result says. */
static void stamp_of(uint64_t n, char stamp[CLOCK_XEP82_SIZE])
{
    char id[64];
    asks(QUERY(""));
    (void)snprintf(id, sizeof(id), "id=\"%s\"", id_text(n));
    const char *at = strstr(buf_cstr(&rig.said), id);
    assert_non_null(at);
    at = strstr(at, "stamp=\"");
    assert_non_null(at);
    (void)snprintf(stamp, CLOCK_XEP82_SIZE, "%.24s", at + 7);
}

static void times_are_limits(void **state)
{
    char xml[600];
    char stamp[CLOCK_XEP82_SIZE];
    (void)state;
    talk(1, 2);
    for (uint64_t now = clock_real_ms(); clock_real_ms() < now + 3;) {
        continue; /* messages of one test differ in time */
    }
    talk(3, 4);
    stamp_of(3, stamp);
    (void)snprintf(xml, sizeof(xml), QUERY(FORM(FIELD("start", "%s"))), stamp);
    asks(xml);
    expect_found("3 4");
    stamp_of(2, stamp);
    (void)snprintf(xml, sizeof(xml), QUERY(FORM(FIELD("end", "%s"))), stamp);
    asks(xml);
    expect_found("1 2");
    asks(QUERY(FORM(FIELD("start", "2000-01-01T00:00:00Z") FIELD("end", "2000-01-02T00:00:00Z"))));
    expect_found("");
    asks(QUERY(FORM(FIELD("start", "2999-01-01T00:00:00Z"))));
    expect_found("");
    asks(QUERY(
        FORM(FIELD("start", "1969-07-20T20:17:40+02:00") FIELD("end", "2999-01-01T00:00:00Z"))));
    expect_found("1 2 3 4");
}

static void ids_are_limits_and_may_be_asked_for(void **state)
{
    char xml[900];
    char second[33];
    (void)state;
    talk(1, 7);
    (void)snprintf(second, sizeof(second), "%s", id_text(2));
    (void)snprintf(xml, sizeof(xml), QUERY(FORM(FIELD("after-id", "%s") FIELD("before-id", "%s"))),
                   second, id_text(6));
    asks(xml);
    expect_found("3 4 5");
    rig_expect(&rig, "<count>3</count>");
    (void)snprintf(xml, sizeof(xml),
                   QUERY(FORM("<field var='ids'><value>%s</value><value>%s</value></field>")),
                   id_text(6), second);
    asks(xml);
    expect_found("2 6");
    rig_expect(&rig, "complete=\"true\"");
}

static void ids_that_are_not_there_are_told(void **state)
{
    static const char *const queries[] = {
        QUERY(SET("<after>00000000000000000000000000000000</after>")),
        QUERY(SET("<before>nonsense</before>")),
        QUERY(FORM(FIELD("after-id", "00000000000000000000000000000000"))),
        QUERY(FORM(FIELD("before-id", "x"))),
        QUERY(FORM(FIELD("ids", "00000000000000000000000000000000"))),
        QUERY(FORM(FIELD("ids", "x"))),
    };
    (void)state;
    talk(1, 2);
    for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
        asks(queries[i]);
        expect_found("");
        rig_expect(&rig, "<item-not-found");
    }
    /* Somebody else's messages are not there either. */
    char xml[512];
    (void)snprintf(xml, sizeof(xml), QUERY(SET("<after>%s</after>")), id_text(1));
    rig_asks(&rig, "romeo@localhost/orchard", 5, xml);
    rig_expect(&rig, "<item-not-found");
}

static void what_may_not_be_asked(void **state)
{
    static const struct {
        const char *xml;
        const char *condition;
    } cases[] = {
        {QUERY(FORM(FIELD("start", "yesterday"))), "<bad-request"},
        {QUERY(FORM(FIELD("end", "2010-13-01T00:00:00Z"))), "<bad-request"},
        {QUERY(FORM(FIELD("with", "@"))), "<bad-request"},
        {QUERY(FORM(FIELD("{urn:example}colour", "red"))), "<feature-not-implemented"},
        {QUERY("<x xmlns='jabber:x:data' type='submit'>" FIELD("FORM_TYPE", "other") "</x>"),
         "<bad-request"},
        {QUERY("<x xmlns='jabber:x:data' type='submit'>" FIELD("with", "a@b") "</x>"),
         "<bad-request"},
        {QUERY(SET("<max>many</max>")), "<bad-request"},
        {"<iq xmlns='jabber:client' type='set' id='q'><query xmlns='urn:xmpp:mam:2' "
         "node='n'/></iq>",
         "<item-not-found"},
        {"<iq xmlns='jabber:client' type='set' id='q' to='romeo@localhost'>"
         "<query xmlns='urn:xmpp:mam:2'/></iq>",
         "<forbidden"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        asks(cases[i].xml);
        rig_expect(&rig, cases[i].condition);
    }
}

static void words_are_found_in_bodies(void **state)
{
    (void)state;
    says(1, "romeo@localhost/o", JULIET, "But soft, what LIGHT through yonder window");
    says(2, "romeo@localhost/o", JULIET, "it is the east; 100%_ sure! light");
    says(3, "romeo@localhost/o", JULIET, "\xc3\x89t\xc3\xa9 \xd0\x9c\xd0\x98\xd0\xa0");
    says(4, "romeo@localhost/o", JULIET, "the &lt;body&gt; of it");
    asks(QUERY(FORM(FIELD("{urn:xmpp:fulltext:0}fulltext", "Light"))));
    expect_found("1 2");
    asks(QUERY(FORM(FIELD("{urn:xmpp:fulltext:0}fulltext", "window light"))));
    expect_found("1");
    asks(QUERY(FORM(FIELD("{urn:xmpp:fulltext:0}fulltext", "100%_"))));
    expect_found("2");
    asks(QUERY(FORM(FIELD("{urn:xmpp:fulltext:0}fulltext", "%"))));
    expect_found("2");
    asks(QUERY(FORM(
        FIELD("{urn:xmpp:fulltext:0}fulltext", "\xc3\xa9T\xc3\x89 \xd0\xbc\xd0\xb8\xd1\x80"))));
    expect_found("3");
    asks(QUERY(FORM(FIELD("{urn:xmpp:fulltext:0}fulltext", "&lt;body"))));
    expect_found("4");
    asks(QUERY(FORM(FIELD("{urn:xmpp:fulltext:0}fulltext", "") FIELD("with", "romeo@localhost"))));
    expect_found("1 2 3 4");
    asks(QUERY(
        FORM(FIELD("{urn:xmpp:fulltext:0}fulltext", "light") FIELD("with", "nurse@localhost"))));
    expect_found("");
}

static void the_fields_are_told(void **state)
{
    (void)state;
    asks("<iq xmlns='jabber:client' type='get' id='g'><query xmlns='urn:xmpp:mam:2'/></iq>");
    rig_expect(&rig,
               "<query xmlns=\"urn:xmpp:mam:2\"><x xmlns=\"jabber:x:data\" type=\"form\">"
               "<field type=\"hidden\" var=\"FORM_TYPE\"><value>urn:xmpp:mam:2</value></field>"
               "<field type=\"jid-single\" var=\"with\"></field>");
    rig_expect(&rig, "var=\"{urn:xmpp:fulltext:0}fulltext\"");
    rig_expect(&rig, "<open/>");
}

static void metadata_names_both_ends(void **state)
{
    static const char xml[] =
        "<iq xmlns='jabber:client' type='get' id='g'><metadata xmlns='urn:xmpp:mam:2'/></iq>";
    (void)state;
    asks(xml);
    rig_expect(&rig, "<metadata xmlns=\"urn:xmpp:mam:2\"></metadata>");
    talk(1, 1);
    asks(xml);
    rig_expect(&rig, "<start id=\"01");
    rig_expect(&rig, "<end id=\"01");
    talk(2, 4);
    asks(xml);
    rig_expect(&rig,
               "<metadata xmlns=\"urn:xmpp:mam:2\"><start id=\"01000000000000006a756c696574406c\""
               " timestamp=\"20");
    rig_expect(&rig, "<end id=\"04");
}

static void preferences_are_kept_and_obeyed(void **state)
{
    char xml[512];
    (void)state;
    talk(1, 1); /* that there are none is remembered now */
    asks(PREFS("get", "/>"));
    rig_expect(&rig, "<prefs xmlns=\"urn:xmpp:mam:2\" default=\"always\"><always></always>"
                     "<never></never></prefs>");
    asks(PREFS("set", " default='never'><always><jid>Romeo@localhost</jid></always><never>"
                      "<jid>romeo@localhost/orchard</jid></never></prefs>"));
    rig_expect(&rig, "default=\"never\"><always><jid>romeo@localhost</jid></always>"
                     "<never><jid>romeo@localhost/orchard</jid></never></prefs>");
    says(2, "romeo@localhost/orchard", JULIET, "never");
    says(3, "romeo@localhost/garden", JULIET, "always");
    says(4, "nurse@localhost/kitchen", JULIET, "by default never");
    says(5, PHONE, "nurse@localhost", "nor what is sent");
    rig_kill(&rig);
    asks(PREFS("get", "/>"));
    rig_expect(&rig, "default=\"never\"><always><jid>romeo@localhost</jid>");
    asks(QUERY(""));
    expect_found("1 3");
    rig_expect(&rig, "<count>2</count>");
    /* The client was told the id of what is not shown. */
    (void)snprintf(xml, sizeof(xml), QUERY(SET("<after>%s</after>")), id_text(2));
    asks(xml);
    expect_found("3");
    asks(PREFS("set", " default='roster'/>"));
    rig_expect(&rig, "default=\"always\"");
    says(6, "nurse@localhost/kitchen", JULIET, "again");
    asks(QUERY(""));
    expect_found("1 3 6");
    asks(PREFS("set", " default='sometimes'/>"));
    rig_expect(&rig, "<bad-request");
    asks(PREFS("set", " default='always'><always><jid>@</jid></always></prefs>"));
    rig_expect(&rig, "<bad-request");
}

static void who_asked_is_not_sent_it_offline(void **state)
{
    char xml[512];
    (void)state;
    (void)snprintf(xml, sizeof(xml),
                   "<message xmlns='jabber:client' from='romeo@localhost/o' to='" JULIET
                   "' type='chat' id='m01'><body>hi</body></message>");
    rig_keep(&rig, JULIET, 1, WIRE_KEEP_OFFLINE | WIRE_KEEP_ARCHIVE | WIRE_KEEP_STAMPED, xml);
    rig_settle(&rig);
    for (uint64_t now = clock_real_ms(); clock_real_ms() < now + 2;) {
        continue; /* what came in the very millisecond of the query is sent */
    }
    asks(QUERY(""));
    expect_found("1");
    buf_reset(&rig.said);
    rig_came(&rig, JULIET, 4);
    rig_settle(&rig);
    assert_int_equal(rig.said.len, 0);
}

static void a_message_that_is_refused_is_not_archived(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= 121; n++) {
        char xml[256];
        (void)snprintf(xml, sizeof(xml),
                       "<message xmlns='jabber:client' from='romeo@localhost/o' to='" JULIET
                       "' type='chat' id='m%u'><body>hi</body></message>",
                       (unsigned)n);
        rig_keep(&rig, JULIET, n, WIRE_KEEP_OFFLINE | WIRE_KEEP_ARCHIVE, xml);
    }
    rig_settle(&rig);
    asks(QUERY(SET("<max>0</max>")));
    rig_expect(&rig, "<count>120</count>");
}

static void what_is_too_much_goes(void **state)
{
    (void)state;
    rig.archive->limits.max_messages = 3;
    talk(1, 7);
    trim_run(rig.archive->trim);
    rig_settle(&rig);
    asks(QUERY(""));
    expect_found("5 6 7");
}

static void what_is_too_old_goes(void **state)
{
    (void)state;
    talk(1, 3);
    talk(4, 4);
    rig.archive->limits.max_age_ms = clock_real_ms() - 1000; /* what is of 1970 goes */
    trim_run(rig.archive->trim);
    rig_settle(&rig);
    asks(QUERY(""));
    expect_found("1 2 3 4");
    sql_query(
        rig.archive->sql, 0,
        &SQL_PLAIN("UPDATE archive SET at_ms = 1000 WHERE id < (SELECT MAX(id) FROM archive)"),
        NULL, NULL);
    rig_settle(&rig);
    rig.archive->limits.max_age_ms = 86400000;
    trim_run(rig.archive->trim);
    rig_settle(&rig);
    asks(QUERY(""));
    expect_found("4");
}

static void a_removed_account_leaves_nothing_behind(void **state)
{
    struct wire_msg msg = {.id = WIRE_ID_account_removed};
    (void)state;
    msg.u.account_removed.account = SPAN(JULIET);
    talk(1, 3);
    asks(PREFS("set", " default='never'/>"));
    archive_notice(rig.archive, &msg);
    rig_settle(&rig);
    asks(QUERY(""));
    expect_found("");
    asks(PREFS("get", "/>"));
    rig_expect(&rig, "default=\"always\"");
}

static int set_up(void **state)
{
    (void)state;
    setenv("JACKDAW_ARCHIVE_PAGE", "8", 1);
    setenv("JACKDAW_ARCHIVE_MAX_PAGE", "10", 1);
    setenv("JACKDAW_ARCHIVE_MAX_COUNT", "12", 1);
    rig_start_on(&rig, sql_url);
    if (sql_url) {
        sql_query(rig.archive->sql, 0, &SQL_PLAIN("DELETE FROM offline"), NULL, NULL);
        sql_query(rig.archive->sql, 0, &SQL_PLAIN("DELETE FROM archive"), NULL, NULL);
        sql_query(rig.archive->sql, 0, &SQL_PLAIN("DELETE FROM archive_prefs"), NULL, NULL);
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
        RIG_TEST(a_query_finds_all_in_order),
        RIG_TEST(an_empty_archive_is_complete),
        RIG_TEST(a_retry_makes_no_second_row),
        RIG_TEST(pages_go_forwards),
        RIG_TEST(pages_go_backwards_and_are_flipped),
        RIG_TEST(a_page_may_begin_at_an_index_or_be_only_counted),
        RIG_TEST(a_client_gets_no_more_than_it_may),
        RIG_TEST(the_other_side_may_be_named),
        RIG_TEST(times_are_limits),
        RIG_TEST(ids_are_limits_and_may_be_asked_for),
        RIG_TEST(ids_that_are_not_there_are_told),
        RIG_TEST(what_may_not_be_asked),
        RIG_TEST(words_are_found_in_bodies),
        RIG_TEST(the_fields_are_told),
        RIG_TEST(metadata_names_both_ends),
        RIG_TEST(preferences_are_kept_and_obeyed),
        RIG_TEST(who_asked_is_not_sent_it_offline),
        RIG_TEST(a_message_that_is_refused_is_not_archived),
        RIG_TEST(what_is_too_much_goes),
        RIG_TEST(what_is_too_old_goes),
        RIG_TEST(a_removed_account_leaves_nothing_behind),
    };
    int failures = cmocka_run_group_tests_name("sqlite", tests, NULL, NULL);
    if (private_postgres_start(&postgres_server) != 0) {
        return 1;
    }
    sql_url = postgres_server.url;
    failures += cmocka_run_group_tests_name("postgresql", tests, NULL, NULL);
    return private_postgres_stop(&postgres_server) == 0 ? failures : 1;
}
