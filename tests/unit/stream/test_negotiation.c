/* From the first byte to a bound session, and every way in which it is refused. */
#include "fake.h"

static void test_header_is_answered_with_mechanisms(void **state)
{
    (void)state;
    fixture_up(NULL);
    struct fake_conn *conn = conn_new(&framed);
    say(conn, OPEN);
    assert_said(conn, "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' id='");
    assert_said(conn, "from=\"localhost\"");
    assert_said(conn, "<stream:features xmlns:stream='http://etherx.jabber.org/streams'>");
    assert_said(conn, "<mechanism>SCRAM-SHA-256</mechanism><mechanism>SCRAM-SHA-1</mechanism>");
    assert_false(said(conn, "PLAIN"));
    assert_false(said(conn, "register"));
    conn_free(conn);
    fixture_down();
}

static void test_a_declaration_before_open_is_tolerated(void **state)
{
    (void)state;
    fixture_up(NULL);
    struct fake_conn *conn = conn_new(&framed);
    say(conn, "<?xml version='1.0'?>\n" OPEN);
    assert_said(conn, "<open xmlns");
    assert_said(conn, "SCRAM-SHA-1");
    conn_free(conn);
    fixture_down();
}

#define FRAMING "xmlns='urn:ietf:params:xml:ns:xmpp-framing' "

static void test_bad_first_frames_get_their_stream_error(void **state)
{
    (void)state;
    static const struct {
        const char *frame;
        const char *condition;
    } cases[] = {
        {"<open " FRAMING "to='elsewhere' version='1.0'/>", "<host-unknown"},
        {"<open " FRAMING "to='@@' version='1.0'/>", "<host-unknown"},
        {"<open " FRAMING "version='1.0'/>", "<improper-addressing"},
        {"<open " FRAMING "to='localhost'/>", "<unsupported-version"},
        {"<open " FRAMING "to='localhost' version='0.9'/>", "<unsupported-version"},
        {"<open xmlns='wrong' to='localhost' version='1.0'/>", "<invalid-namespace"},
        {"<open to='localhost' version='1.0'/>", "<invalid-namespace"},
        {"<open " FRAMING "to='localhost'", "<not-well-formed"},
        {"<open " FRAMING "/><open " FRAMING "/>", "<not-well-formed"},
        {"", "<not-well-formed"},
        {"hello", "<not-well-formed"},
        {"<!-- hi --><open " FRAMING "/>", "<restricted-xml"},
        {"<!DOCTYPE x><open " FRAMING "/>", "<restricted-xml"},
        {"<message xmlns='jabber:client'/>", "<not-authorized"},
        {"<stream:stream xmlns='jabber:client' xmlns:stream='wrong' to='localhost' version='1.0'>",
         "<invalid-namespace"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fixture_up(NULL);
        struct fake_conn *conn = conn_new(&framed);
        say(conn, cases[i].frame);
        assert_said(conn, cases[i].condition);
        assert_true(conn->is_finished);
        /* A header comes before the error, the close behind it. */
        assert_true(said(conn, "<open ") || said(conn, "<stream:stream "));
        assert_true(said(conn, "<close ") || said(conn, "</stream:stream>"));
        say(conn, OPEN);
        assert_int_equal(conn->out.len, 0);
        conn_free(conn);
        fixture_down();
    }
}

static void test_scram_conversation_is_carried_to_session(void **state)
{
    (void)state;
    fixture_up(NULL);
    struct fake_conn *conn = conn_new(&framed);
    say(conn, OPEN);
    say(conn, AUTH("'SCRAM-SHA-256'>bix=</auth>"));
    assert_said(conn, "<incorrect-encoding/>");
    say(conn, AUTH("'SCRAM-SHA-256'>biws</auth>"));
    const struct wire_sasl_start *start = &open_call(WIRE_ID_sasl_start)->msg.u.sasl_start;
    assert_true(span_is(start->mechanism, "SCRAM-SHA-256"));
    assert_true(span_is(start->domain, "localhost"));
    assert_true(span_is(start->address, "192.0.2.1"));
    assert_true(span_is(start->initial, "n,,"));
    assert_int_equal(start->flags, 0);
    assert_int_equal(conn->out.len, 0);
    answer_sasl(WIRE_ID_sasl_start, WIRE_SASL_CHALLENGE, "r=1");
    assert_said(conn, "<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>cj0x</challenge>");
    say(conn, "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>Yz1i</response>");
    const struct wire_sasl_step *step = &open_call(WIRE_ID_sasl_step)->msg.u.sasl_step;
    assert_true(span_is(step->state, "sealed"));
    assert_true(span_is(step->response, "c=b"));
    answer_sasl(WIRE_ID_sasl_step, WIRE_SASL_SUCCESS, "v=2");
    assert_said(conn, "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>dj0y</success>");
    say(conn, OPEN);
    assert_said(conn, "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>");
    assert_said(conn, "urn:xmpp:features:rosterver");
    assert_false(said(conn, "mechanism"));
    conn_free(conn);
    fixture_down();
}

static void test_initial_response_may_be_missing_or_empty(void **state)
{
    (void)state;
    fixture_up(NULL);
    struct fake_conn *conn = conn_new(&framed);
    say(conn, OPEN);
    say(conn, AUTH("'SCRAM-SHA-1'/>"));
    assert_said(conn, "<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'></challenge>");
    assert_false(has_open_call());
    say(conn, "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>biws</response>");
    assert_true(span_is(open_call(WIRE_ID_sasl_start)->msg.u.sasl_start.initial, "n,,"));
    answer_sasl(WIRE_ID_sasl_start, WIRE_SASL_FAILURE, "malformed-request");
    say(conn, AUTH("'SCRAM-SHA-1'>=</auth>"));
    assert_true(span_is_empty(open_call(WIRE_ID_sasl_start)->msg.u.sasl_start.initial));
    answer_sasl(WIRE_ID_sasl_start, WIRE_SASL_CHALLENGE, "x");
    say(conn, "<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
    assert_said(conn, "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><aborted/></failure>");
    say(conn, AUTH("'SCRAM-SHA-1'>biws</auth>"));
    assert_true(has_open_call());
    conn_free(conn);
    answer_sasl(WIRE_ID_sasl_start, WIRE_SASL_CHALLENGE, "late"); /* nobody is there */
    fixture_down();
}

static void test_refused_mechanisms(void **state)
{
    (void)state;
    fixture_up(NULL);
    struct fake_conn *conn = conn_new(&framed);
    say(conn, OPEN);
    say(conn, AUTH("'PLAIN'>AGEAYg==</auth>"));
    assert_said(conn, "<encryption-required/>");
    say(conn, AUTH("'X-NONE'/>"));
    assert_said(conn, "<invalid-mechanism/>");
    assert_false(has_open_call());
    conn_free(conn);

    struct fake_conn secure = {0};
    secure.stream = stream_new(host, &framed, &secure, true);
    say(&secure, OPEN);
    assert_said(&secure, "<mechanism>PLAIN</mechanism>");
    say(&secure, AUTH("'PLAIN'>AGEAYg==</auth>"));
    assert_int_equal(open_call(WIRE_ID_sasl_start)->msg.u.sasl_start.flags, WIRE_SASL_SECURE);
    answer_sasl(WIRE_ID_sasl_start, WIRE_SASL_FAILURE, "not-authorized");
    stream_closed(secure.stream);
    buf_deinit(&secure.out);
    fixture_down();
}

static void test_channel_binding_is_offered_where_there_is_one(void **state)
{
    (void)state;
    fixture_up(NULL);
    struct fake_conn conn = {0};
    has_exporter = true;
    conn.stream = stream_new(host, &bound_transport, &conn, true);
    say(&conn, OPEN);
    assert_said(&conn, "<sasl-channel-binding xmlns='urn:xmpp:sasl-cb:0'>"
                       "<channel-binding type='tls-exporter'/>"
                       "<channel-binding type='tls-server-end-point'/></sasl-channel-binding>"
                       "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>"
                       "<mechanism>SCRAM-SHA-512-PLUS</mechanism>"
                       "<mechanism>SCRAM-SHA-256-PLUS</mechanism>"
                       "<mechanism>SCRAM-SHA-1-PLUS</mechanism>"
                       "<mechanism>SCRAM-SHA-512</mechanism>"
                       "<mechanism>SCRAM-SHA-256</mechanism>");
    has_exporter = false; /* what it says to session is what is true now */
    say(&conn, AUTH("'SCRAM-SHA-256-PLUS'>biws</auth>"));
    const struct wire_sasl_start *start = &open_call(WIRE_ID_sasl_start)->msg.u.sasl_start;
    assert_int_equal(start->mechanisms.count, 7);
    assert_true(span_is(start->mechanisms.items[0], "SCRAM-SHA-512-PLUS"));
    assert_int_equal(start->binding_types.count, 2);
    assert_int_equal(start->bindings.count, 2);
    assert_int_equal(start->unadvertised, 1);
    assert_true(span_is(start->binding_types.items[1], "tls-unique"));
    assert_true(span_is(start->binding_types.items[0], "tls-server-end-point"));
    assert_true(span_is(start->bindings.items[0], "<tls-server-end-point>"));
    answer_sasl(WIRE_ID_sasl_start, WIRE_SASL_FAILURE, "not-authorized");
    stream_closed(conn.stream);
    buf_deinit(&conn.out);
    fixture_down();
}

static void test_no_binding_no_plus(void **state)
{
    (void)state;
    struct stream_options options = default_options();
    fixture_up(&options);
    struct fake_conn *conn = conn_new(&framed);
    say(conn, OPEN);
    assert_said(conn, "<mechanism>SCRAM-SHA-512</mechanism>");
    assert_false(said(conn, "-PLUS"));
    assert_false(said(conn, "sasl-channel-binding"));
    say(conn, AUTH("'SCRAM-SHA-256-PLUS'>biws</auth>"));
    assert_said(conn, "<invalid-mechanism/>");
    conn_free(conn);
    changed_domain->scram_sha512 = false;
    options.loop = loop;
    stream_host_reload(host, &options);
    conn = conn_new(&framed);
    say(conn, OPEN);
    assert_false(said(conn, "SHA-512"));
    say(conn, AUTH("'SCRAM-SHA-512'>biws</auth>"));
    assert_said(conn, "<invalid-mechanism/>");
    assert_false(has_open_call());
    conn_free(conn);
    fixture_down();
}

static void test_too_many_failures_end_the_stream(void **state)
{
    (void)state;
    fixture_up(NULL);
    struct fake_conn *conn = conn_new(&framed);
    say(conn, OPEN);
    for (int i = 0; i < 3; i++) {
        assert_false(conn->is_finished);
        say(conn, AUTH("'SCRAM-SHA-1'>biws</auth>"));
        answer_sasl(WIRE_ID_sasl_start, WIRE_SASL_FAILURE, "not-authorized");
        assert_said(conn, "<not-authorized/>");
    }
    assert_said(conn, "<policy-violation");
    assert_true(conn->is_finished);
    conn_free(conn);
    fixture_down();
}

static void test_no_session_daemon_is_a_temporary_failure(void **state)
{
    (void)state;
    fixture_up(NULL);
    struct fake_conn *conn = conn_new(&framed);
    say(conn, OPEN);
    for (int i = 0; i < 5; i++) { /* not the client's fault: does not count */
        say(conn, AUTH("'SCRAM-SHA-1'>biws</auth>"));
        answer(WIRE_ID_sasl_start, i % 2 ? BUS_NO_PEER : BUS_TIMEOUT, NULL);
        assert_said(conn, "<temporary-auth-failure/>");
    }
    assert_false(conn->is_finished);
    conn_free(conn);

    conn = logged_in();
    say(conn, BIND_IQ);
    answer(WIRE_ID_bind, BUS_NO_PEER, NULL);
    assert_said(conn, "type=\"error\"");
    assert_said(conn, "<resource-constraint");
    say(conn, BIND_IQ);
    answer_bind("romeo@localhost/orchard", 9);
    assert_said(conn, "<jid>romeo@localhost/orchard</jid>");
    conn_free(conn);
    fixture_down();
}

static void test_bind_asks_session_and_answers(void **state)
{
    (void)state;
    fixture_up(NULL);
    struct fake_conn *conn = logged_in();
    say(conn, BIND_IQ);
    const struct wire_bind *bind = &open_call(WIRE_ID_bind)->msg.u.bind;
    assert_true(span_is(bind->account, "romeo@localhost"));
    assert_true(span_is(bind->resource, "orchard"));
    assert_true(span_is(bind->holder, "edge-1"));
    assert_true(span_is(bind->transport, "ws"));
    answer_bind("romeo@localhost/orchard", 9);
    assert_said(conn, "id=\"b1\"");
    assert_said(conn, "type=\"result\"");
    assert_int_equal(stream_host_session_count(host), 1);
    say(conn, "<iq xmlns='jabber:client' type='set' id='s1'>"
              "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>");
    assert_said(conn, "id=\"s1\"");
    assert_said(conn, "result");
    say(conn, BIND_IQ);
    assert_said(conn, "<not-allowed");
    assert_int_equal(fake.item_count, 0);
    conn_free(conn);
    fixture_down();
}

static void test_refused_bind_is_an_error_and_may_be_tried_again(void **state)
{
    (void)state;
    fixture_up(NULL);
    struct fake_conn *conn = logged_in();
    say(conn, BIND_IQ);
    struct wire_msg reply = {.id = WIRE_ID_bind_reply,
                             .u.bind_reply = {.condition = SPAN("conflict")}};
    answer(WIRE_ID_bind, BUS_SETTLED, &reply);
    assert_said(conn, "<conflict");
    say(conn, BIND_IQ);
    assert_true(has_open_call());
    conn_free(conn);
    answer_bind("romeo@localhost/orchard", 9); /* bound for nobody: unbound again */
    assert_int_equal(open_call(WIRE_ID_unbind)->msg.u.unbind.sid, 9);
    answer_result(WIRE_ID_unbind, "");
    fixture_down();
}

static void test_what_comes_too_early_waits_for_the_answer(void **state)
{
    (void)state;
    fixture_up(NULL);
    struct fake_conn *conn = conn_new(&framed);
    say(conn, OPEN);
    say(conn, AUTH("'SCRAM-SHA-1'>biws</auth>"));
    stream_receive(conn->stream, SPAN(OPEN));
    stream_receive(conn->stream, SPAN(BIND_IQ));
    assert_int_equal(conn->out.len, 0);
    answer_sasl(WIRE_ID_sasl_start, WIRE_SASL_SUCCESS, "");
    assert_said(conn, "<success");
    assert_said(conn, "<open ");
    stream_receive(conn->stream, SPAN("<presence xmlns='jabber:client'/>"));
    answer_bind("romeo@localhost/orchard", 9);
    assert_int_equal(fake.item_count, 1);
    conn_free(conn);
    fixture_down();
}

static void test_nothing_but_binding_before_binding(void **state)
{
    (void)state;
    static const struct {
        const char *frame;
        const char *condition;
        bool logged_in;
    } cases[] = {
        {"<message xmlns='jabber:client' to='a@localhost'/>", "<not-authorized", false},
        {"<message xmlns='jabber:client' to='a@localhost'/>", "<not-authorized", true},
        {"<iq xmlns='jabber:client' type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>",
         "<not-authorized", true},
        {"<iq xmlns='jabber:client' type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>",
         "<not-authorized", false},
        {AUTH("'SCRAM-SHA-1'>biws</auth>"), "<policy-violation", true},
        {"<banana xmlns='urn:fruit'/>", "<unsupported-stanza-type", false},
        {"<message xmlns='urn:fruit'/>", "<invalid-namespace", false},
        {OPEN, "<bad-format", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fixture_up(NULL);
        struct fake_conn *conn = cases[i].logged_in ? logged_in() : conn_new(&framed);
        if (!cases[i].logged_in)
            say(conn, OPEN);
        say(conn, cases[i].frame);
        assert_said(conn, cases[i].condition);
        conn_free(conn);
        fixture_down();
    }
}

static void test_other_domain_after_login_is_refused(void **state)
{
    (void)state;
    fixture_up(NULL);
    struct fake_conn *conn = conn_new(&framed);
    say(conn, OPEN);
    say(conn, AUTH("'SCRAM-SHA-1'>biws</auth>"));
    answer_sasl(WIRE_ID_sasl_start, WIRE_SASL_SUCCESS, "");
    say(conn, "<open " FRAMING "to='example.org' version='1.0'/>");
    assert_said(conn, "<host-unknown");
    conn_free(conn);
    fixture_down();
}

#define REGISTER(type, inner)                                                                      \
    "<iq xmlns='jabber:client' type='" type "' id='r1'><query xmlns='jabber:iq:register'>" inner   \
    "</query></iq>"

static void test_registration_before_login(void **state)
{
    (void)state;
    struct stream_options options = default_options();
    changed_domain->registration = true;
    fixture_up(&options);
    struct fake_conn *conn = conn_new(&framed);
    say(conn, OPEN);
    assert_said(conn, "http://jabber.org/features/iq-register");
    say(conn, REGISTER("get", ""));
    assert_said(conn, "<username/><password/>");
    say(conn, REGISTER("set", "<username>Juliet</username><password></password>"));
    assert_said(conn, "<not-acceptable");
    say(conn, REGISTER("set", "<username>a@b</username><password>x</password>"));
    assert_said(conn, "<not-acceptable");
    say(conn, REGISTER("set", "<username>Juliet</username><password>b&amp;y</password>"));
    const struct wire_account_add *add = &open_call(WIRE_ID_account_add)->msg.u.account_add;
    assert_true(span_is(add->account, "juliet@localhost"));
    assert_true(span_is(add->password, "b&y"));
    assert_true(span_is(add->address, "192.0.2.1"));
    answer_result(WIRE_ID_account_add, "conflict");
    assert_said(conn, "<conflict");
    say(conn, REGISTER("set", "<username>juliet</username><password>x</password>"));
    answer_result(WIRE_ID_account_add, "");
    assert_said(conn, "type=\"result\"");
    conn_free(conn);
    fixture_down();
}

static void test_each_domain_has_its_own_registration(void **state)
{
    (void)state;
    struct stream_options options = default_options();
    changed_domain->registration = true;
    fixture_up(&options);
    struct fake_conn *here = conn_new(&framed);
    struct fake_conn *there = conn_new(&framed);
    say(here, OPEN);
    say(there,
        "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='example.org' version='1.0'/>");
    assert_said(here, "http://jabber.org/features/iq-register");
    assert_said(there, "from=\"example.org\"");
    assert_false(said(there, "http://jabber.org/features/iq-register"));
    say(there, REGISTER("get", ""));
    assert_said(there, "<service-unavailable");
    conn_free(here);
    conn_free(there);
    fixture_down();
}

static void test_registration_that_is_off_is_refused(void **state)
{
    (void)state;
    fixture_up(NULL);
    struct fake_conn *conn = conn_new(&framed);
    say(conn, OPEN);
    say(conn, REGISTER("get", ""));
    assert_said(conn, "<service-unavailable");
    assert_false(conn->is_finished);
    conn_free(conn);
    fixture_down();
}

#define OLD_OPEN                                                                                   \
    "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "        \
    "to='localhost' version='1.0'>"

static void test_what_routers_say_of_the_server_is_shown_after_login(void **state)
{
    (void)state;
    fixture_up(NULL);
    hear_features("elsewhere", "<c a='1'/>");
    hear_features("localhost", "<c a='2'/>");
    hear_features("localhost", "<c a='3'/>");
    struct fake_conn *conn = conn_new(&framed);
    say(conn, OPEN);
    assert_false(said(conn, "<c a="));
    say(conn, AUTH("'SCRAM-SHA-1'>biws</auth>"));
    answer_sasl(WIRE_ID_sasl_start, WIRE_SASL_SUCCESS, "");
    say(conn, OPEN);
    assert_said(conn, "<c a='3'/></stream:features>");
    conn_free(conn);
    fixture_down();
}

static void log_in_with_old_framing(const struct stream_transport *transport)
{
    fixture_up(NULL);
    struct fake_conn *conn = conn_new(transport);
    say(conn, OLD_OPEN);
    assert_said(conn, "<stream:stream xmlns='jabber:client'");
    assert_said(conn, "<mechanism>SCRAM-SHA-1</mechanism>");
    say(conn, AUTH("'SCRAM-SHA-1'>biws</auth>"));
    answer_sasl(WIRE_ID_sasl_start, WIRE_SASL_SUCCESS, "");
    assert_said(conn, "<success");
    say(conn, OLD_OPEN);
    assert_said(conn, "<bind ");
    say(conn, "<iq type='set' id='b1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
    answer_bind("romeo@localhost/x", 9);
    assert_said(conn, "<jid>romeo@localhost/x</jid>");
    say(conn, "<message to='a@localhost'><body>x</body></message>");
    assert_int_equal(fake.item_count, 1);
    say(conn, "</stream:stream>");
    assert_said(conn, "</stream:stream>");
    assert_false(said(conn, "error"));
    assert_true(conn->is_finished);
    answer_result(WIRE_ID_unbind, "");
    conn_free(conn);
    fixture_down();
}

static void test_old_framing_as_messages_and_as_bytes(void **state)
{
    (void)state;
    log_in_with_old_framing(&framed);
    log_in_with_old_framing(&bytes_transport);
}

static void test_bytes_may_come_one_by_one_and_ahead(void **state)
{
    (void)state;
    fixture_up(NULL);
    struct fake_conn *conn = conn_new(&bytes_transport);
    const char *text = "<?xml version='1.0'?>" OLD_OPEN AUTH("'SCRAM-SHA-1'>biws</auth>") OLD_OPEN;
    for (const char *at = text; *at; at++)
        stream_receive(conn->stream, span_of(at, 1));
    answer_sasl(WIRE_ID_sasl_start, WIRE_SASL_SUCCESS, "");
    assert_said(conn, "<bind ");
    conn_free(conn);
    fixture_down();
}

static void test_who_does_not_log_in_in_time_is_dropped(void **state)
{
    (void)state;
    struct stream_options options = default_options();
    options.auth_deadline_ms = 30;
    fixture_up(&options);
    struct fake_conn *conn = conn_new(&framed);
    say(conn, OPEN);
    RUN_UNTIL(conn->is_finished);
    assert_said(conn, "<connection-timeout");
    conn_free(conn);
    fixture_down();
}

/* The features and, if `auth` is not NULL, the answer to it. */
static void visit_with(const char *first, const char *second, const char *auth,
                       struct fake_conn *conn)
{
    *conn = (struct fake_conn){0};
    certificate[0] = first;
    certificate[1] = second;
    conn->stream = stream_new(host, &certified_transport, conn, true);
    say(conn, OPEN);
    if (auth)
        say(conn, auth);
}

static void visit_end(struct fake_conn *conn)
{
    stream_closed(conn->stream);
    buf_deinit(&conn->out);
}

#define EXTERNAL "<mechanism>EXTERNAL</mechanism>"

static void test_external_is_offered_to_who_has_an_address_of_the_domain(void **state)
{
    (void)state;
    struct fake_conn conn;
    static const struct {
        const char *first, *second;
        bool is_trusted, is_offered;
    } cases[] = {
        {"romeo@localhost", NULL, true, true},
        {"Romeo@LOCALHOST", NULL, true, true},
        {"romeo@elsewhere.example", "romeo@localhost", true, true},
        {"romeo@localhost", NULL, false, false},
        {NULL, NULL, true, false},
        {"romeo@example.org", NULL, true, false}, /* served, but not this stream's */
        {"localhost", NULL, true, false},
        {"romeo@localhost/orchard", NULL, true, false},
        {"@localhost", "\xff@localhost", true, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fixture_up(NULL);
        has_certificate = cases[i].is_trusted;
        visit_with(cases[i].first, cases[i].second, NULL, &conn);
        if (said(&conn, EXTERNAL) != cases[i].is_offered)
            fail_msg("case %zu: %s", i, buf_cstr(&conn.out));
        visit_end(&conn);
        fixture_down();
    }
}

static void test_external_carries_what_the_certificate_says(void **state)
{
    (void)state;
    struct fake_conn conn;
    fixture_up(NULL);
    has_certificate = true;
    visit_with("not/a/jid", "Romeo@localhost", AUTH("'EXTERNAL'>=</auth>"), &conn);
    const struct wire_sasl_start *start = &open_call(WIRE_ID_sasl_start)->msg.u.sasl_start;
    assert_int_equal(start->flags, WIRE_SASL_SECURE | WIRE_SASL_CERTIFICATE);
    assert_int_equal(start->certificate.count, 1);
    assert_true(span_is(start->certificate.items[0], "romeo@localhost"));
    assert_true(span_is(start->mechanisms.items[0], "EXTERNAL"));
    assert_true(span_is_empty(start->initial));
    answer_sasl(WIRE_ID_sasl_start, WIRE_SASL_FAILURE, "not-authorized");
    assert_said(&conn, "<not-authorized/>");
    visit_end(&conn);
    /* A certificate without an address: not offered, and session says what comes of it. */
    visit_with(NULL, NULL, AUTH("'EXTERNAL'>=</auth>"), &conn);
    start = &open_call(WIRE_ID_sasl_start)->msg.u.sasl_start;
    assert_int_equal(start->flags, WIRE_SASL_SECURE | WIRE_SASL_CERTIFICATE);
    assert_int_equal(start->certificate.count, 0);
    answer_sasl(WIRE_ID_sasl_start, WIRE_SASL_FAILURE, "not-authorized");
    visit_end(&conn);
    has_certificate = false;
    visit_with("romeo@localhost", NULL, AUTH("'EXTERNAL'>=</auth>"), &conn);
    assert_said(&conn, "<invalid-mechanism/>");
    assert_false(has_open_call());
    visit_end(&conn);
    fixture_down();
}

static void test_anonymous_is_offered_where_it_is_on(void **state)
{
    (void)state;
    fixture_up(NULL);
    struct fake_conn *conn = conn_new(&framed);
    say(conn, OPEN);
    assert_false(said(conn, "ANONYMOUS"));
    say(conn, AUTH("'ANONYMOUS'/>"));
    assert_said(conn, "<invalid-mechanism/>");
    conn_free(conn);
    fixture_down();
    struct stream_options options = default_options();
    struct stream_domain domains[2];
    memcpy(domains, options.domains, sizeof(domains));
    domains[0].anonymous = true;
    options.domains = domains;
    fixture_up(&options);
    conn = conn_new(&framed);
    say(conn, OPEN);
    assert_said(conn, "<mechanism>ANONYMOUS</mechanism></mechanisms>");
    say(conn, AUTH("'ANONYMOUS'/>")); /* there is nothing to ask for */
    const struct wire_sasl_start *start = &open_call(WIRE_ID_sasl_start)->msg.u.sasl_start;
    assert_true(span_is(start->mechanism, "ANONYMOUS"));
    assert_true(span_is_empty(start->initial));
    answer_sasl(WIRE_ID_sasl_start, WIRE_SASL_SUCCESS, "");
    assert_said(conn, "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'></success>");
    conn_free(conn);
    fixture_down();
}

static void test_a_token_is_for_encrypted_streams(void **state)
{
    (void)state;
    struct stream_options options = default_options();
    struct stream_domain domains[2];
    struct fake_conn conn;
    memcpy(domains, options.domains, sizeof(domains));
    domains[0].oauth = true;
    options.domains = domains;
    fixture_up(&options);
    struct fake_conn *plain = conn_new(&framed);
    say(plain, OPEN);
    assert_false(said(plain, "OAUTHBEARER"));
    say(plain, AUTH("'OAUTHBEARER'>biws</auth>"));
    assert_said(plain, "<encryption-required/>");
    conn_free(plain);
    has_certificate = false;
    visit_with(NULL, NULL, NULL, &conn);
    assert_said(&conn, "<mechanism>OAUTHBEARER</mechanism>");
    visit_end(&conn);
    fixture_down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header_is_answered_with_mechanisms),
        cmocka_unit_test(test_a_declaration_before_open_is_tolerated),
        cmocka_unit_test(test_bad_first_frames_get_their_stream_error),
        cmocka_unit_test(test_scram_conversation_is_carried_to_session),
        cmocka_unit_test(test_initial_response_may_be_missing_or_empty),
        cmocka_unit_test(test_refused_mechanisms),
        cmocka_unit_test(test_channel_binding_is_offered_where_there_is_one),
        cmocka_unit_test(test_no_binding_no_plus),
        cmocka_unit_test(test_too_many_failures_end_the_stream),
        cmocka_unit_test(test_no_session_daemon_is_a_temporary_failure),
        cmocka_unit_test(test_bind_asks_session_and_answers),
        cmocka_unit_test(test_refused_bind_is_an_error_and_may_be_tried_again),
        cmocka_unit_test(test_what_comes_too_early_waits_for_the_answer),
        cmocka_unit_test(test_nothing_but_binding_before_binding),
        cmocka_unit_test(test_other_domain_after_login_is_refused),
        cmocka_unit_test(test_registration_before_login),
        cmocka_unit_test(test_each_domain_has_its_own_registration),
        cmocka_unit_test(test_registration_that_is_off_is_refused),
        cmocka_unit_test(test_what_routers_say_of_the_server_is_shown_after_login),
        cmocka_unit_test(test_old_framing_as_messages_and_as_bytes),
        cmocka_unit_test(test_bytes_may_come_one_by_one_and_ahead),
        cmocka_unit_test(test_who_does_not_log_in_in_time_is_dropped),
        cmocka_unit_test(test_external_is_offered_to_who_has_an_address_of_the_domain),
        cmocka_unit_test(test_external_carries_what_the_certificate_says),
        cmocka_unit_test(test_anonymous_is_offered_where_it_is_on),
        cmocka_unit_test(test_a_token_is_for_encrypted_streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
