/* What the router hands to the archive daemon (XEP-0160, XEP-0313), and the ids it stamps
 * (XEP-0359). */
#include "fixture.h"

#include "keep.h"

#define ROMEO  "romeo@localhost/orchard"
#define JULIET "juliet@localhost/balcony"
#define ABSENT "nurse@localhost"
#define CHAT(to, content)                                                                          \
    "<message from='" ROMEO "' to='" to "' type='chat' id='m'>" content "</message>"

static const struct span archive_lines[] = {
    {"keep", 4},
    {"archive", 7},
    {"accounts", 8},
};

static struct bus_peer *archive;

static void archive_comes(size_t lines)
{
    archive = fake_peer("archive", "archive-0");
    archive->lines = archive_lines;
    archive->line_count = lines;
    router_peer_up(f.router, archive);
}

static void answers_all(enum route_existence existence)
{
    while (f.load_count > 0 || f.asked_count > 0) {
        redis_answers();
        while (f.asked_count > 0)
            route_cache_existence(f.router->cache, f.asked[--f.asked_count], existence);
    }
}

static uint64_t romeo_sends(const char *xml)
{
    uint64_t token = client_sends(f.edge1, 1, xml);

    answers_all(ROUTE_EXISTS);
    return token;
}

static const struct wire_keep *kept(size_t i)
{
    assert_true(i < fake.sent_count);
    assert_int_equal(fake.sent[i].msg.id, WIRE_ID_keep);
    assert_string_equal(fake.sent[i].to, "archive");
    return &fake.sent[i].msg.u.keep;
}

static int setup_offline(void **state)
{
    setup(state);
    archive_comes(1);
    return 0;
}

static int setup_archive(void **state)
{
    setup(state);
    archive_comes(3);
    return 0;
}

/* ---- the offline store ---- */

static void a_message_for_the_absent_is_stored_and_holds_its_item(void **state)
{
    uint64_t token = romeo_sends(CHAT(ABSENT, "<body>hi</body>"));

    (void)state;
    assert_int_equal(fake.sent_count, 1);
    assert_true(span_is(kept(0)->account, ABSENT));
    assert_int_equal(kept(0)->flags, WIRE_KEEP_OFFLINE);
    assert_int_equal(kept(0)->origin_sid, 1);
    assert_true(fake.sent[0].hash == hash_span(SPAN(ABSENT)));
    assert_false(is_settled(token));
    fake_settle(0, BUS_SETTLED);
    assert_true(is_settled(token));
}

static void no_such_account_is_told(void **state)
{
    (void)state;
    client_sends(f.edge1, 1, CHAT(ABSENT, "<body>hi</body>"));
    answers_all(ROUTE_EXISTS_NOT);
    check_error(0, "edge-1", 1, "service-unavailable");
    assert_int_equal(fake.sent_count, 1);
}

static void what_is_not_stored_asks_nobody_whether_the_account_exists(void **state)
{
    (void)state;
    client_sends(f.edge1, 1,
                 CHAT(ABSENT, "<active xmlns='http://jabber.org/protocol/chatstates'/>"));
    redis_answers();
    redis_answers();
    assert_int_equal(f.asked_count, 0);
    assert_int_equal(fake.sent_count, 0);
    client_sends(f.edge1, 1, CHAT(ABSENT, "<body>hi</body><no-store xmlns='urn:xmpp:hints'/>"));
    redis_answers();
    redis_answers();
    assert_int_equal(f.asked_count, 0);
    check_error(0, "edge-1", 1, "service-unavailable");
}

static void without_an_archive_daemon_senders_are_told(void **state)
{
    (void)state;
    client_sends(f.edge1, 1, CHAT(ABSENT, "<body>hi</body>"));
    redis_answers();
    redis_answers();
    assert_int_equal(f.asked_count, 0);
    check_error(0, "edge-1", 1, "service-unavailable");
}

static void a_stored_message_that_finds_nobody_comes_back(void **state)
{
    static const char *const to[] = {ABSENT};

    (void)state;
    service_sends(CHAT(ABSENT, "<body>hi</body>"), WIRE_FORWARD_STORED, to, 1);
    answers_all(ROUTE_EXISTS);
    assert_int_equal(kept(0)->flags, WIRE_KEEP_OFFLINE | WIRE_KEEP_AGAIN);
}

static void who_comes_is_told_to_the_archive(void **state)
{
    static const struct span to[] = {{"romeo@localhost", 15}};
    struct wire_msg msg = {.id = WIRE_ID_forward};

    (void)state;
    msg.u.forward = (struct wire_forward){.origin_sid = 99,
                                          .origin_n = 1,
                                          .recipients = {to, 1},
                                          .stanza = encoded("<presence from='" ROMEO "'/>"),
                                          .came_sid = 1};
    router_item(f.router, f.presence, ++f.next_token, &msg);
    assert_int_equal(fake.sent[0].msg.id, WIRE_ID_came);
    assert_true(span_is(fake.sent[0].msg.u.came.account, "romeo@localhost"));
    assert_int_equal(fake.sent[0].msg.u.came.sid, 1);
    answers_all(ROUTE_EXISTS);
    check_deliver(1, "edge-1", 1, 1);
    fake_settle(1, BUS_SETTLED);
    assert_false(is_settled(f.next_token));
    fake_settle(0, BUS_SETTLED);
    assert_true(is_settled(f.next_token));
}

static void an_account_to_be_made_is_cleared_first(void **state)
{
    struct wire_msg msg = {.id = WIRE_ID_clear_account};

    (void)state;
    archive_comes(3);
    msg.u.clear_account.account = SPAN("benvolio@localhost");
    router_item(f.router, f.session, ++f.next_token, &msg);
    assert_int_equal(fake.sent_count, 1);
    assert_int_equal(fake.sent[0].msg.id, WIRE_ID_clear_account);
    assert_string_equal(fake.sent[0].to, "archive");
    assert_true(span_is(fake.sent[0].msg.u.clear_account.account, "benvolio@localhost"));
    assert_false(is_settled(f.next_token));
    fake_settle(0, BUS_SETTLED);
    assert_true(is_settled(f.next_token));
}

static void where_nobody_keeps_data_nothing_is_waited_for(void **state)
{
    struct wire_msg msg = {.id = WIRE_ID_clear_account};

    (void)state;
    msg.u.clear_account.account = SPAN("benvolio@localhost");
    router_item(f.router, f.session, ++f.next_token, &msg);
    assert_true(is_settled(f.next_token));
}

/* ---- the archive ---- */

static void both_sides_archive_and_the_recipient_is_told_the_id(void **state)
{
    char id[128];
    struct buf hex = {0};
    uint64_t token = romeo_sends(CHAT(JULIET, "<body>hi</body>"));

    (void)state;
    assert_int_equal(fake.sent_count, 3);
    assert_true(span_is(kept(0)->account, "juliet@localhost"));
    assert_int_equal(kept(0)->flags, WIRE_KEEP_ARCHIVE);
    assert_true(span_is(kept(1)->account, "romeo@localhost"));
    assert_int_equal(kept(1)->flags, WIRE_KEEP_ARCHIVE | WIRE_KEEP_SENT);
    assert_false(span_eq(kept(0)->uid, kept(1)->uid));
    check_deliver(2, "edge-2", 1, 2);
    for (size_t i = 0; i < kept(0)->uid.len; i++)
        buf_printf(&hex, "%02x", (unsigned char)kept(0)->uid.data[i]);
    (void)snprintf(id, sizeof(id),
                   "<body>hi</body><stanza-id xmlns=\"urn:xmpp:sid:0\" by=\"juliet@localhost\" "
                   "id=\"%s\"/></message>",
                   buf_cstr(&hex));
    assert_non_null(strstr(sent_xml(2), id));
    buf_deinit(&hex);
    fake_settle(2, BUS_SETTLED);
    fake_settle(0, BUS_SETTLED);
    assert_false(is_settled(token));
    fake_settle(1, BUS_SETTLED);
    assert_true(is_settled(token));
}

static void an_id_is_the_same_whoever_routes_it(void **state)
{
    char uid[16];

    romeo_sends(CHAT(JULIET, "<body>hi</body>"));
    memcpy(uid, kept(0)->uid.data, sizeof(uid));
    teardown(state);
    setup_archive(state);
    romeo_sends(CHAT(JULIET, "<body>hi</body>"));
    assert_memory_equal(uid, kept(0)->uid.data, sizeof(uid));
    romeo_sends(CHAT(JULIET, "<body>hi</body>"));
    assert_memory_not_equal(uid, kept(3)->uid.data, sizeof(uid));
}

static void an_absent_recipient_stores_and_archives_in_one_item(void **state)
{
    (void)state;
    romeo_sends(CHAT(ABSENT, "<body>hi</body>"));
    assert_int_equal(fake.sent_count, 2);
    assert_int_equal(kept(0)->flags, WIRE_KEEP_OFFLINE | WIRE_KEEP_ARCHIVE | WIRE_KEEP_STAMPED);
    assert_int_equal(kept(1)->flags, WIRE_KEEP_ARCHIVE | WIRE_KEEP_SENT);
}

static void a_message_to_oneself_is_archived_once(void **state)
{
    (void)state;
    romeo_sends(CHAT("romeo@localhost", "<body>note</body>"));
    assert_int_equal(fake.sent_count, 2);
    assert_true(span_is(kept(0)->account, "romeo@localhost"));
    check_deliver(1, "edge-1", 1, 1);
}

static void an_id_that_claims_to_be_ours_is_taken_off(void **state)
{
    const char *spoofed = "<stanza-id xmlns='urn:xmpp:sid:0' id='x' by='Juliet@localhost'/>"
                          "<stanza-id xmlns='urn:xmpp:sid:0' id='y' by='room@muc.localhost'/>"
                          "<origin-id xmlns='urn:xmpp:sid:0' id='z'/>";
    char xml[512];

    (void)state;
    (void)snprintf(xml, sizeof(xml),
                   "<message from='" ROMEO "' to='" JULIET "' type='headline'>%s</message>",
                   spoofed);
    romeo_sends(xml);
    assert_int_equal(fake.sent_count, 1); /* not archived, but not to be lied about either */
    assert_null(strstr(sent_xml(0), "id=\"x\""));
    assert_non_null(strstr(sent_xml(0), "by=\"room@muc.localhost\""));
    assert_non_null(strstr(sent_xml(0), "<origin-id xmlns=\"urn:xmpp:sid:0\" id=\"z\"/>"));
}

static void what_a_lost_session_had_is_stored_with_the_same_id(void **state)
{
    char uid[16];

    (void)state;
    romeo_sends(CHAT(JULIET, "<body>hi</body>"));
    memcpy(uid, kept(0)->uid.data, sizeof(uid));
    redis_lost(2);
    redis_lost(3);
    fake_settle(2, BUS_LOST);
    answers_all(ROUTE_EXISTS);
    assert_int_equal(fake.sent_count, 4);
    assert_int_equal(kept(3)->flags, WIRE_KEEP_OFFLINE | WIRE_KEEP_STAMPED);
    assert_memory_equal(uid, kept(3)->uid.data, sizeof(uid));
}

static void a_router_that_has_just_started_waits_for_the_archive(void **state)
{
    (void)state;
    f.router->await.is_on = true; /* as Redis says that there are some */
    romeo_sends(CHAT(JULIET, "<body>first</body>"));
    romeo_sends(CHAT(ABSENT, "<body>second</body>"));
    assert_int_equal(fake.sent_count, 0);
    archive_comes(2);
    answers_all(ROUTE_EXISTS);
    assert_int_equal(fake.sent_count, 5);
    assert_true(span_is(kept(0)->account, "juliet@localhost"));
    check_deliver(2, "edge-2", 1, 2);
    assert_true(span_is(kept(3)->account, ABSENT));
}

static void what_is_archived(void **state)
{
    static const struct {
        const char *content;
        bool is_archived;
    } cases[] = {
        {"<body>hi</body>", true},
        {"<active xmlns='http://jabber.org/protocol/chatstates'/>", false},
        {"<body>x</body><active xmlns='http://jabber.org/protocol/chatstates'/>", true},
        {"<received xmlns='urn:xmpp:receipts' id='x'/>", true},
        {"<displayed xmlns='urn:xmpp:chat-markers:0' id='x'/>", true},
        {"<reactions xmlns='urn:xmpp:reactions:0' id='x'/>", true},
        {"<retract xmlns='urn:xmpp:message-retract:1' id='x'/>", true},
        {"<body>x</body><no-store xmlns='urn:xmpp:hints'/>", false},
        {"<body>x</body><no-permanent-store xmlns='urn:xmpp:hints'/>", false},
        {"<thing xmlns='urn:example'/>", false},
        {"<thing xmlns='urn:example'/><store xmlns='urn:xmpp:hints'/>", true},
        {"", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char xml[512];
        size_t before = fake.sent_count;

        (void)snprintf(xml, sizeof(xml),
                       "<message from='" ROMEO "' to='" JULIET "' type='chat'>%s</message>",
                       cases[i].content);
        romeo_sends(xml);
        if (fake.sent_count - before != (cases[i].is_archived ? 3 : 1))
            fail_msg("%s", cases[i].content);
    }
}

static void types_that_are_no_conversation_are_not_archived(void **state)
{
    static const char *const types[] = {"groupchat", "headline", "error"};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        char xml[256];

        (void)snprintf(xml, sizeof(xml),
                       "<message from='" ROMEO "' to='" JULIET "' type='%s'><body>x</body>"
                       "<store xmlns='urn:xmpp:hints'/></message>",
                       types[i]);
        romeo_sends(xml);
        assert_int_equal(fake.sent_count, i + 1);
        check_deliver(i, "edge-2", 1, 2);
    }
}

static void a_full_backlog_stops_no_delivery(void **state)
{
    (void)state;
    romeo_sends(CHAT(JULIET, "<body>first</body>"));
    fake.is_full = true;
    romeo_sends(CHAT(ABSENT, "<body>hi</body>"));
    fake.is_full = false;
    romeo_sends(CHAT(JULIET, "<body>second</body>"));
    assert_non_null(strstr(sent_xml(fake.sent_count - 1), "second"));
}

#define OFFLINE_TEST(t) cmocka_unit_test_setup_teardown(t, setup_offline, teardown)
#define ARCHIVE_TEST(t) cmocka_unit_test_setup_teardown(t, setup_archive, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        OFFLINE_TEST(a_message_for_the_absent_is_stored_and_holds_its_item),
        OFFLINE_TEST(no_such_account_is_told),
        OFFLINE_TEST(what_is_not_stored_asks_nobody_whether_the_account_exists),
        cmocka_unit_test_setup_teardown(without_an_archive_daemon_senders_are_told, setup,
                                        teardown),
        OFFLINE_TEST(a_stored_message_that_finds_nobody_comes_back),
        OFFLINE_TEST(who_comes_is_told_to_the_archive),
        cmocka_unit_test_setup_teardown(an_account_to_be_made_is_cleared_first, setup, teardown),
        cmocka_unit_test_setup_teardown(where_nobody_keeps_data_nothing_is_waited_for, setup,
                                        teardown),
        ARCHIVE_TEST(both_sides_archive_and_the_recipient_is_told_the_id),
        ARCHIVE_TEST(an_id_is_the_same_whoever_routes_it),
        ARCHIVE_TEST(an_absent_recipient_stores_and_archives_in_one_item),
        ARCHIVE_TEST(a_message_to_oneself_is_archived_once),
        ARCHIVE_TEST(an_id_that_claims_to_be_ours_is_taken_off),
        ARCHIVE_TEST(what_a_lost_session_had_is_stored_with_the_same_id),
        cmocka_unit_test_setup_teardown(a_router_that_has_just_started_waits_for_the_archive, setup,
                                        teardown),
        ARCHIVE_TEST(what_is_archived),
        ARCHIVE_TEST(types_that_are_no_conversation_are_not_archived),
        ARCHIVE_TEST(a_full_backlog_stops_no_delivery),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
