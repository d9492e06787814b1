/* A bound session: stanzas up and down, silence, leaving, draining. */
#include "fake.h"

#define ROMEO "romeo@localhost/orchard"

static void test_stanzas_are_stamped_and_numbered(void **state)
{
    (void)state;
    struct buf xml = {0};
    fixture_up(NULL);
    struct fake_conn *conn = bound(ROMEO, 9);
    say(conn, "<message xmlns='jabber:client' to='juliet@localhost'><body>hi</body></message>");
    say(conn, "<message xmlns='jabber:client' to='juliet@localhost' from='romeo@localhost'/>");
    say(conn, "<presence xmlns='jabber:client' from='" ROMEO "'/>");
    assert_int_equal(fake.item_count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(fake.items[i].msg.u.route.origin_sid, 9);
        assert_int_equal(fake.items[i].msg.u.route.origin_n, i + 1);
        assert_non_null(strstr(item_xml(i, &xml), "from=\"" ROMEO "\""));
    }
    assert_non_null(strstr(item_xml(0, &xml), "<body>hi</body>"));
    assert_false(conn->is_finished);
    conn_free(conn);
    buf_deinit(&xml);
    fixture_down();
}

static void test_bad_stanzas_are_answered_or_end_the_stream(void **state)
{
    (void)state;
    static const struct {
        const char *frame;
        const char *answer;
        bool ends;
    } cases[] = {
        {"<message xmlns='jabber:client' from='other@localhost'/>", "<invalid-from", true},
        {"<message xmlns='jabber:client' from='romeo@localhost/else'/>", "<invalid-from", true},
        {"<message xmlns='jabber:client' to='@@' id='1'/>", "<jid-malformed", false},
        {"<iq xmlns='jabber:client' type='get'/>", "<bad-request", false},
        {"<iq xmlns='jabber:client' type='get' id='1'/>", "<bad-request", false},
        {"<iq xmlns='jabber:client' type='wrong' id='1'><x xmlns='y'/></iq>", "<bad-request",
         false},
        {"<banana xmlns='jabber:client'/>", "<unsupported-stanza-type", true},
        {"<banana xmlns='urn:fruit'/>", "<unsupported-stanza-type", true},
        {"<message/>", "<invalid-namespace", true},
        {"<message xmlns='jabber:client'><body>", "<not-well-formed", true},
        {"<message xmlns='jabber:client'/><message xmlns='jabber:client'/>", "<not-well-formed",
         true},
        {"<message xmlns='jabber:client'><!--x--></message>", "<restricted-xml", true},
        {"<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost' version='1.0'/>",
         "<bad-format", true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fixture_up(NULL);
        struct fake_conn *conn = bound(ROMEO, 9);
        say(conn, cases[i].frame);
        assert_said(conn, cases[i].answer);
        assert_int_equal(conn->is_finished, cases[i].ends);
        assert_int_equal(fake.item_count, 0);
        conn_free(conn);
        fixture_down();
    }
}

static void test_too_big_is_a_policy_violation(void **state)
{
    (void)state;
    fixture_up(NULL);
    struct fake_conn *conn = bound(ROMEO, 9);
    stream_too_big(conn->stream);
    assert_said(conn, "<policy-violation");
    assert_said(conn, "<close ");
    conn_free(conn);
    fixture_down();
}

static struct stanza hello(struct span to)
{
    return (struct stanza){
        .kind = STANZA_MESSAGE,
        .type = STANZA_CHAT,
        .from = SPAN("juliet@localhost/balcony"),
        .to = to,
        .payload = SPAN("<body>hi</body>"),
    };
}

static void test_deliveries_are_written_and_settled(void **state)
{
    (void)state;
    fixture_up(NULL);
    struct fake_conn *one = bound(ROMEO, 9);
    struct fake_conn *two = bound("romeo@localhost/house", 10);
    const uint64_t sids[2] = {9, 10};
    struct stanza to_account = hello(SPAN("romeo@localhost"));
    deliver(&to_account, sids, 2);
    assert_said(one, "<message xmlns=\"jabber:client\"");
    assert_said(one, "to=\"romeo@localhost\"");
    assert_said(two, "<body>hi</body>");
    struct stanza to_nobody = hello((struct span){0});
    deliver(&to_nobody, sids, 2);
    assert_said(one, "to=\"" ROMEO "\"");
    assert_said(two, "to=\"romeo@localhost/house\"");
    assert_int_equal(fake.settled, 2);
    assert_int_equal(fake.item_count, 0);
    conn_free(one);
    conn_free(two);
    fixture_down();
}

static void test_a_stanza_that_comes_again_is_written_once(void **state)
{
    (void)state;
    struct stream_options options = default_options();
    options.remember_ms = 60000;
    fixture_up(&options);
    struct fake_conn *one = bound(ROMEO, 9);
    struct fake_conn *two = bound("romeo@localhost/house", 10);
    const uint64_t sids[2] = {9, 10};
    struct stanza stanza = hello(SPAN("romeo@localhost"));
    deliver(&stanza, sids, 1);
    assert_said(one, "<body>hi</body>");
    buf_reset(&one->out);
    deliver(&stanza, sids, 2);
    assert_int_equal(one->out.len, 0);
    assert_said(two, "<body>hi</body>");
    assert_int_equal(fake.settled, 2);
    assert_int_equal(fake.item_count, 0);
    conn_free(one);
    conn_free(two);
    fixture_down();
}

static void test_missed_sessions_are_told_before_settling(void **state)
{
    (void)state;
    fixture_up(NULL);
    struct fake_conn *conn = bound(ROMEO, 9);
    const uint64_t sids[3] = {8, 9, 11};
    struct stanza stanza = hello(SPAN("romeo@localhost"));
    fake.is_full = true;
    deliver(&stanza, sids, 3);
    assert_said(conn, "<body>hi</body>");
    assert_int_equal(fake.settled, 0);
    fake.is_full = false;
    RUN_UNTIL(fake.item_count > 0);
    run_for(20);
    assert_int_equal(fake.item_count, 1);
    const struct wire_missed *missed = &fake.items[0].msg.u.missed;
    assert_int_equal(fake.items[0].msg.id, WIRE_ID_missed);
    assert_int_equal(missed->sids.count, 2);
    assert_int_equal(missed->sids.items[0], 8);
    assert_int_equal(missed->sids.items[1], 11);
    assert_int_equal(missed->origin_sid, 5);
    assert_int_equal(missed->origin_n, 6);
    assert_int_equal(fake.settled, 0);
    settle_item(0, BUS_SETTLED);
    assert_int_equal(fake.settled, 1);
    assert_int_equal(fake.last_token, 77);
    conn_free(conn);
    fixture_down();
}

static void test_slow_reader_is_ended_and_its_stanza_goes_elsewhere(void **state)
{
    (void)state;
    fixture_up(NULL);
    struct fake_conn *conn = bound(ROMEO, 9);
    const uint64_t sid = 9;
    struct stanza stanza = hello(SPAN("romeo@localhost"));
    conn->is_full = true;
    deliver(&stanza, &sid, 1);
    assert_said(conn, "<policy-violation");
    assert_said(conn, "<close ");
    assert_true(conn->is_finished);
    assert_int_equal(fake.items[0].msg.id, WIRE_ID_missed);
    assert_int_equal(open_call(WIRE_ID_unbind)->msg.u.unbind.sid, 9);
    conn_free(conn);
    fixture_down();
}

static void test_end_session_says_why(void **state)
{
    (void)state;
    fixture_up(NULL);
    struct fake_conn *conn = bound(ROMEO, 9);
    struct wire_msg msg = {.id = WIRE_ID_end_session,
                           .u.end_session = {.sid = 9, .condition = SPAN("conflict")}};
    stream_host_item(host, peer, 1, &msg);
    assert_said(conn, "<conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>");
    assert_int_equal(fake.settled, 1);
    stream_host_item(host, peer, 2, &msg); /* gone already */
    assert_int_equal(fake.settled, 2);
    conn_free(conn);
    fixture_down();
}

static void test_leaving_says_unavailable_then_unbinds(void **state)
{
    (void)state;
    struct buf xml = {0};
    fixture_up(NULL);
    struct fake_conn *conn = bound(ROMEO, 9);
    say(conn, "<presence xmlns='jabber:client'/>");
    say(conn, "<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>");
    assert_said(conn, "<close ");
    assert_false(said(conn, "error"));
    assert_int_equal(stream_host_session_count(host), 0);
    assert_int_equal(fake.item_count, 2);
    assert_non_null(strstr(item_xml(1, &xml), "unavailable"));
    assert_int_equal(fake.items[1].msg.u.route.origin_n, 2);
    assert_false(has_open_call()); /* not before others were told */
    settle_item(1, BUS_SETTLED);
    assert_true(span_is(open_call(WIRE_ID_unbind)->msg.u.unbind.jid, ROMEO));
    conn_free(conn);
    answer(WIRE_ID_unbind, BUS_TIMEOUT, NULL);
    assert_false(has_open_call());
    RUN_UNTIL(has_open_call());
    answer_result(WIRE_ID_unbind, "");
    buf_deinit(&xml);
    fixture_down();
}

static void test_who_said_unavailable_is_unbound_after_it_was_dealt_with(void **state)
{
    (void)state;
    fixture_up(NULL);
    struct fake_conn *conn = bound(ROMEO, 9);
    say(conn, "<presence xmlns='jabber:client'/>");
    say(conn, "<presence xmlns='jabber:client' type='unavailable'/>");
    conn_free(conn);
    assert_int_equal(fake.item_count, 3);
    assert_int_equal(fake.items[2].msg.u.route.origin_n, 3);
    settle_item(2, BUS_SETTLED);
    answer_result(WIRE_ID_unbind, "");
    fixture_down();
}

static void test_a_full_bus_delays_but_keeps_order(void **state)
{
    (void)state;
    fixture_up(NULL);
    struct fake_conn *conn = bound(ROMEO, 9);
    fake.is_full = true;
    for (int i = 0; i < 3; i++)
        say(conn, "<presence xmlns='jabber:client'/>");
    assert_true(conn->is_paused);
    conn_free(conn);
    fake.is_full = false;
    RUN_UNTIL(fake.item_count >= 4);
    assert_int_equal(fake.item_count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(fake.items[i].msg.u.route.origin_n, i + 1);
    settle_item(3, BUS_SETTLED);
    answer_result(WIRE_ID_unbind, "");
    fixture_down();
}

static void test_a_bus_that_stays_full_ends_the_stream(void **state)
{
    (void)state;
    fixture_up(NULL);
    struct fake_conn *conn = bound(ROMEO, 9);
    fake.is_full = true;
    for (int i = 0; i < 100 && !conn->is_finished; i++)
        say(conn, "<message xmlns='jabber:client' to='juliet@localhost'><body>x</body></message>");
    assert_said(conn, "<resource-constraint");
    conn_free(conn);
    fixture_down();
}

static void test_silence_is_pinged_then_ended(void **state)
{
    (void)state;
    struct stream_options options = default_options();
    options.ping_after_ms = 1000;
    options.ping_timeout_ms = 1000;
    fixture_up(&options);
    struct fake_conn *answers = bound(ROMEO, 9);
    struct fake_conn *silent = bound("juliet@localhost/x", 10);
    RUN_UNTIL(said(answers, "<ping ") && said(silent, "<ping "));
    assert_said(answers, "<ping xmlns='urn:xmpp:ping'/>");
    assert_said(answers, "from=\"localhost\"");
    assert_false(silent->is_finished);
    say(answers, "<iq xmlns='jabber:client' type='result' id='jd-ping-1' to='localhost'/>");
    assert_int_equal(fake.item_count, 0); /* the answer is for us */
    RUN_UNTIL(silent->is_finished);
    assert_said(silent, "<connection-timeout");
    assert_false(answers->is_finished);
    conn_free(answers);
    conn_free(silent);
    fixture_down();
}

static void note_drained(void *arg)
{
    bool *is_drained = arg;
    *is_drained = true;
}

static void test_drain_ends_all_and_waits_for_unbind(void **state)
{
    (void)state;
    bool is_drained = false;
    fixture_up(NULL);
    struct fake_conn *conn = bound(ROMEO, 9);
    struct fake_conn *early = conn_new(&framed);
    stream_host_drain(host, note_drained, &is_drained);
    assert_said(conn, "<system-shutdown");
    assert_said(early, "<system-shutdown");
    run_for(5);
    assert_false(is_drained);
    answer_result(WIRE_ID_unbind, "item-not-found");
    RUN_UNTIL(is_drained);
    conn_free(conn);
    conn_free(early);
    fixture_down();
}

static void test_drain_can_send_clients_elsewhere(void **state)
{
    (void)state;
    bool is_drained = false;
    struct stream_options options = default_options();
    options.see_other_uri = "wss://other.example/ws";
    fixture_up(&options);
    struct fake_conn *conn = bound(ROMEO, 9);
    stream_host_drain(host, note_drained, &is_drained);
    assert_said(conn, "see-other-uri=\"wss://other.example/ws\"");
    assert_false(said(conn, "error"));
    conn_free(conn);
    struct fake_conn *late = conn_new(&framed);
    say(late, OPEN);
    assert_said(late, "see-other-uri");
    conn_free(late);
    fixture_down();
}

static void test_lost_lease_ends_every_session(void **state)
{
    (void)state;
    fixture_up(NULL);
    struct fake_conn *conn = bound(ROMEO, 9);
    struct fake_conn *early = conn_new(&framed);
    stream_host_end_all(host, "connection-timeout", "lease lost");
    assert_said(conn, "<connection-timeout");
    assert_false(early->is_finished);
    conn_free(conn);
    conn_free(early);
    fixture_down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stanzas_are_stamped_and_numbered),
        cmocka_unit_test(test_bad_stanzas_are_answered_or_end_the_stream),
        cmocka_unit_test(test_too_big_is_a_policy_violation),
        cmocka_unit_test(test_deliveries_are_written_and_settled),
        cmocka_unit_test(test_a_stanza_that_comes_again_is_written_once),
        cmocka_unit_test(test_missed_sessions_are_told_before_settling),
        cmocka_unit_test(test_slow_reader_is_ended_and_its_stanza_goes_elsewhere),
        cmocka_unit_test(test_end_session_says_why),
        cmocka_unit_test(test_leaving_says_unavailable_then_unbinds),
        cmocka_unit_test(test_who_said_unavailable_is_unbound_after_it_was_dealt_with),
        cmocka_unit_test(test_a_full_bus_delays_but_keeps_order),
        cmocka_unit_test(test_a_bus_that_stays_full_ends_the_stream),
        cmocka_unit_test(test_silence_is_pinged_then_ended),
        cmocka_unit_test(test_drain_ends_all_and_waits_for_unbind),
        cmocka_unit_test(test_drain_can_send_clients_elsewhere),
        cmocka_unit_test(test_lost_lease_ends_every_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
