/* SASL2 and what comes inside it: XEP-0388, XEP-0386, XEP-0484. */
#include "fake.h"

#define CLIENT "d4565fa7-4d72-4749-b3d3-740edbf87770"
#define AGENT                                                                                      \
    "<user-agent id='D4565FA7-4d72-4749-b3d3-740edbf87770'><software>X</software></user-agent>"
#define SASL2(rest)  "<authenticate xmlns='urn:xmpp:sasl:2' mechanism=" rest "</authenticate>"
#define SCRAM(inner) SASL2("'SCRAM-SHA-256'><initial-response>biws</initial-response>" inner)
#define BIND2                                                                                      \
    "<bind xmlns='urn:xmpp:bind:0'><tag>Awesome&lt;</tag><x xmlns='urn:x'/><enable "               \
    "xmlns='urn:xmpp:carbons:2'/></bind>"
#define OPEN_FROM(from)                                                                            \
    "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost' from='" from                 \
    "' version='1.0'/>"
#define JID "romeo@localhost/Awesome&lt;/1234"

static struct fake_conn *secure_conn(const struct stream_transport *transport)
{
    struct fake_conn *conn = mem_calloc(1, sizeof(*conn));
    conn->stream = stream_new(host, transport, conn, true);
    return conn;
}

static struct fake_conn *opened(void)
{
    fixture_up(NULL);
    struct fake_conn *conn = secure_conn(&framed);
    say(conn, OPEN);
    return conn;
}

static void done(struct fake_conn *conn)
{
    conn_free(conn);
    fixture_down();
}

static const struct wire_sasl_start *started(void)
{
    return &open_call(WIRE_ID_sasl_start)->msg.u.sasl_start;
}

static void succeed(enum wire_id id)
{
    answer_sasl(id, WIRE_SASL_SUCCESS, "v=2");
}

/* ---- what is offered ---- */

static void test_it_is_offered_on_encrypted_streams_only(void **state)
{
    (void)state;
    struct fake_conn *conn = opened();
    assert_said(conn,
                "<authentication xmlns='urn:xmpp:sasl:2'><mechanism>SCRAM-SHA-512</mechanism>");
    assert_said(conn, "<mechanism>PLAIN</mechanism><inline><bind xmlns='urn:xmpp:bind:0'>"
                      "<inline><feature var='urn:xmpp:carbons:2'/>");
    assert_said(conn,
                "<fast xmlns='urn:xmpp:fast:0'><mechanism>HT-SHA-256-NONE</mechanism></fast>");
    assert_said(conn, "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>");
    conn_free(conn);

    conn = conn_new(&framed);
    say(conn, OPEN);
    assert_false(said(conn, "urn:xmpp:sasl:2"));
    say(conn, SCRAM(""));
    assert_said(conn, "<failure xmlns='urn:xmpp:sasl:2'><encryption-required "
                      "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/></failure>");
    assert_false(has_open_call());
    done(conn);
}

static void test_a_proxy_may_do_tls_and_tokens_may_be_off(void **state)
{
    (void)state;
    struct stream_options options = default_options();
    changed_domain->sasl2_without_tls = true;
    changed_domain->fast = false;
    fixture_up(&options);
    struct fake_conn *conn = conn_new(&framed);
    say(conn, OPEN);
    assert_said(conn, "<authentication xmlns='urn:xmpp:sasl:2'>");
    assert_false(said(conn, "urn:xmpp:fast:0"));
    assert_false(said(conn, "PLAIN"));
    say(conn, SASL2("'HT-SHA-256-NONE'><initial-response>YQ==</initial-response>" AGENT
                    "<fast xmlns='urn:xmpp:fast:0'/>"));
    assert_said(conn, "<invalid-mechanism ");
    say(conn, SCRAM(""));
    assert_true(span_is(started()->mechanism, "SCRAM-SHA-256"));
    done(conn);
}

static void test_tokens_bind_the_channel_where_it_can_be_bound(void **state)
{
    (void)state;
    fixture_up(NULL);
    has_exporter = true;
    struct fake_conn *conn = secure_conn(&bound_transport);
    say(conn, OPEN);
    assert_said(conn,
                "<fast xmlns='urn:xmpp:fast:0'><mechanism>HT-SHA-256-EXPR</mechanism>"
                "<mechanism>HT-SHA-256-ENDP</mechanism><mechanism>HT-SHA-256-NONE</mechanism>");
    conn_free(conn);
    has_exporter = false;
    conn = secure_conn(&bound_transport);
    say(conn, OPEN);
    assert_said(conn, "<fast xmlns='urn:xmpp:fast:0'><mechanism>HT-SHA-256-ENDP</mechanism>");
    /* The list that is hashed for XEP-0474 has no mechanism for tokens. */
    say(conn, SCRAM(""));
    for (uint32_t i = 0; i < started()->mechanisms.count; i++)
        assert_false(span_has_prefix(started()->mechanisms.items[i], SPAN("HT-")));
    done(conn);
}

/* ---- logging in ---- */

static void test_a_login_without_a_new_stream(void **state)
{
    (void)state;
    fixture_up(NULL);
    struct fake_conn *conn = secure_conn(&framed);
    say(conn, OPEN_FROM("Romeo@localhost/x"));
    assert_said(conn, "to=\"romeo@localhost\"");
    say(conn, SCRAM(AGENT "<unknown xmlns='urn:x'/>"
                          "<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-NONE'/>"));
    const struct wire_sasl_start *start = started();
    assert_true(span_is(start->initial, "n,,"));
    assert_true(span_is(start->from, "romeo@localhost"));
    assert_true(span_is(start->client, CLIENT));
    assert_true(span_is(start->token_mechanism, "HT-SHA-256-NONE"));
    assert_int_equal(start->flags, WIRE_SASL_SECURE);
    answer_sasl(WIRE_ID_sasl_start, WIRE_SASL_CHALLENGE, "r=1");
    assert_said(conn, "<challenge xmlns='urn:xmpp:sasl:2'>cj0x</challenge>");
    say(conn, "<response xmlns='urn:xmpp:sasl:2'>Yz1i</response>");
    assert_true(span_is(open_call(WIRE_ID_sasl_step)->msg.u.sasl_step.state, "sealed"));
    succeed(WIRE_ID_sasl_step);
    assert_said(conn, "<success xmlns='urn:xmpp:sasl:2'><additional-data>dj0y</additional-data>"
                      "<authorization-identifier>romeo@localhost</authorization-identifier>"
                      "</success>\n<stream:features");
    assert_said(conn, "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>");
    assert_false(said(conn, "mechanism"));
    say(conn, BIND_IQ);
    assert_true(span_is(open_call(WIRE_ID_bind)->msg.u.bind.resource, "orchard"));
    assert_int_equal(open_call(WIRE_ID_bind)->msg.u.bind.flags, 0);
    answer_bind("romeo@localhost/orchard", 7);
    assert_said(conn, "<jid>romeo@localhost/orchard</jid>");
    done(conn);
}

static void test_an_initial_response_may_be_missing_or_empty(void **state)
{
    (void)state;
    struct fake_conn *conn = opened();
    say(conn, SASL2("'PLAIN'>"));
    assert_said(conn, "<challenge xmlns='urn:xmpp:sasl:2'></challenge>");
    say(conn, "<response xmlns='urn:xmpp:sasl:2'>AGEAYg==</response>");
    assert_int_equal(started()->initial.len, 4);
    answer_sasl(WIRE_ID_sasl_start, WIRE_SASL_FAILURE, "not-authorized");
    assert_said(conn, "<failure xmlns='urn:xmpp:sasl:2'><not-authorized ");
    say(conn, SASL2("'PLAIN'><initial-response/>"));
    assert_int_equal(started()->initial.len, 0);
    answer_sasl(WIRE_ID_sasl_start, WIRE_SASL_SUCCESS, "");
    assert_false(said(conn, "additional-data"));
    assert_said(conn, "<success ");
    done(conn);
}

static void test_a_token_is_written_with_its_expiry(void **state)
{
    (void)state;
    struct fake_conn *conn = opened();
    say(conn, SCRAM(AGENT));
    struct wire_msg reply = {
        .id = WIRE_ID_sasl_reply,
        .u.sasl_reply = {.outcome = WIRE_SASL_SUCCESS,
                         .account = SPAN("romeo@localhost"),
                         .token = SPAN("secret+/="),
                         .token_expires_ms = 1583937375000},
    };
    answer(WIRE_ID_sasl_start, BUS_SETTLED, &reply);
    assert_said(conn, "<token xmlns='urn:xmpp:fast:0' expiry='2020-03-11T14:36:15.000Z' "
                      "token=\"secret+/=\"/></success>");
    done(conn);
}

static void test_what_the_client_says_of_its_token_reaches_session(void **state)
{
    (void)state;
    struct fake_conn *conn = opened();
    say(conn, SASL2("'HT-SHA-256-NONE'><initial-response>YQ==</initial-response>" AGENT
                    "<fast xmlns='urn:xmpp:fast:0' count='123' invalidate='true'/>"));
    assert_int_equal(started()->flags, WIRE_SASL_SECURE | WIRE_SASL_FAST | WIRE_SASL_INVALIDATE);
    assert_int_equal(started()->count, 123);
    assert_true(span_is(started()->client, CLIENT));
    answer_sasl(WIRE_ID_sasl_start, WIRE_SASL_FAILURE, "credentials-expired");
    assert_said(conn, "<credentials-expired xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
    /* The next attempt begins with nothing of this one. */
    say(conn, SCRAM(""));
    assert_int_equal(started()->flags, WIRE_SASL_SECURE);
    assert_int_equal(started()->count, 0);
    assert_int_equal(started()->client.len, 0);
    done(conn);
}

static const char *const malformed[] = {
    SCRAM("<user-agent id='123'/>"),
    SCRAM("<user-agent id='d4565fa7-4d72-4749-b3d3-740edbf8777g'/>"),
    SASL2("'HT-SHA-256-NONE'><initial-response>YQ==</initial-response>" AGENT
          "<fast xmlns='urn:xmpp:fast:0' count='-1'/>"),
    SASL2("'HT-SHA-256-NONE'><initial-response>YQ==</initial-response>" AGENT
          "<fast xmlns='urn:xmpp:fast:0' count='18446744073709551615'/>"),
    SASL2("'HT-SHA-256-NONE'><initial-response>YQ==</initial-response>" AGENT
          "<fast xmlns='urn:xmpp:fast:0' invalidate='yes'/>"),
    SASL2("'HT-SHA-256-NONE'><initial-response>YQ==</initial-response>"
          "<fast xmlns='urn:xmpp:fast:0'/>"),
};

static void test_what_is_malformed_counts_as_an_attempt(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
        struct fake_conn *conn = opened();
        for (int attempt = 0; attempt < 3; attempt++) {
            assert_false(conn->is_finished);
            say(conn, malformed[i]);
            assert_said(conn, "<failure xmlns='urn:xmpp:sasl:2'><malformed-request ");
        }
        assert_said(conn, "<policy-violation");
        assert_true(conn->is_finished);
        done(conn);
    }
}

static void test_mechanisms_for_tokens_and_others_are_not_mixed(void **state)
{
    (void)state;
    struct fake_conn *conn = opened();
    say(conn, SCRAM(AGENT "<fast xmlns='urn:xmpp:fast:0'/>"));
    assert_said(conn, "<invalid-mechanism ");
    say(conn, SASL2("'HT-SHA-256-NONE'><initial-response>YQ==</initial-response>" AGENT));
    assert_said(conn, "<invalid-mechanism ");
    say(conn, SASL2("'HT-SHA-256-ENDP'><initial-response>YQ==</initial-response>" AGENT
                    "<fast xmlns='urn:xmpp:fast:0'/>"));
    assert_said(conn, "<invalid-mechanism ");
    say(conn, AUTH("'HT-SHA-256-NONE'>YQ==</auth>"));
    assert_said(conn, "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><invalid-mechanism/>");
    assert_false(has_open_call());
    done(conn);
}

static void test_nobody_may_come_from_elsewhere(void **state)
{
    (void)state;
    static const char *const headers[] = {OPEN_FROM("romeo@example.org"), OPEN_FROM("@")};
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        fixture_up(NULL);
        struct fake_conn *conn = secure_conn(&framed);
        say(conn, headers[i]);
        assert_said(conn, "<invalid-from ");
        assert_true(conn->is_finished);
        done(conn);
    }
}

/* ---- what must not be sent ---- */

static void test_only_the_answer_or_an_abort_while_a_challenge_is_out(void **state)
{
    (void)state;
    static const char *const others[] = {
        SCRAM(""),
        AUTH("'SCRAM-SHA-1'>biws</auth>"),
        "<x xmlns='urn:xmpp:sasl:2'/>",
        "<presence xmlns='jabber:client'/>",
        "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>YQ==</response>",
        OPEN};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct fake_conn *conn = opened();
        say(conn, SCRAM(""));
        answer_sasl(WIRE_ID_sasl_start, WIRE_SASL_CHALLENGE, "r=1");
        say(conn, others[i]);
        assert_said(conn, "<stream:error");
        assert_true(conn->is_finished);
        assert_false(has_open_call());
        done(conn);
    }
    struct fake_conn *conn = opened();
    say(conn, SCRAM(BIND2));
    answer_sasl(WIRE_ID_sasl_start, WIRE_SASL_CHALLENGE, "r=1");
    say(conn, "<abort xmlns='urn:xmpp:sasl:2'/>");
    assert_said(conn, "<failure xmlns='urn:xmpp:sasl:2'><aborted ");
    say(conn, SCRAM(""));
    succeed(WIRE_ID_sasl_start);
    assert_false(has_open_call()); /* the <bind/> of before is forgotten */
    assert_said(conn, "<success ");
    done(conn);
}

static void test_nobody_logs_in_twice(void **state)
{
    (void)state;
    struct fake_conn *conn = opened();
    say(conn, SCRAM(""));
    succeed(WIRE_ID_sasl_start);
    say(conn, SCRAM(""));
    assert_said(conn, "<policy-violation ");
    assert_true(conn->is_finished);
    done(conn);
}

/* ---- Bind 2 ---- */

static void test_the_session_is_bound_before_the_success(void **state)
{
    (void)state;
    struct fake_conn *conn = opened();
    say(conn, SCRAM(BIND2 AGENT));
    succeed(WIRE_ID_sasl_start);
    assert_int_equal(conn->out.len, 0);
    const struct wire_bind *bind = &open_call(WIRE_ID_bind)->msg.u.bind;
    assert_true(span_is(bind->account, "romeo@localhost"));
    assert_true(span_is(bind->tag, "Awesome<"));
    assert_true(span_is(bind->client, CLIENT));
    assert_true(span_is(bind->holder, "edge-1"));
    assert_int_equal(bind->flags, WIRE_BIND_MADE);
    assert_int_equal(bind->session_flags, WIRE_SESSION_CARBONS);
    assert_int_equal(bind->resource.len, 0);
    answer_bind("romeo@localhost/Awesome</1234", 9);
    assert_said(conn, "<success xmlns='urn:xmpp:sasl:2'><additional-data>dj0y</additional-data>"
                      "<authorization-identifier>" JID "</authorization-identifier>"
                      "<bound xmlns='urn:xmpp:bind:0'></bound></success>\n<stream:features");
    assert_false(said(conn, "xmpp-bind"));
    assert_int_equal(stream_host_session_count(host), 1);
    say(conn, "<message xmlns='jabber:client' to='juliet@localhost'/>");
    assert_int_equal(fake.item_count, 1);
    assert_int_equal(fake.items[0].msg.u.route.origin_sid, 9);
    say(conn, SCRAM(""));
    assert_said(conn, "<policy-violation ");
    done(conn);
}

static void test_a_session_that_cannot_be_bound_leaves_the_older_way(void **state)
{
    (void)state;
    struct fake_conn *conn = opened();
    say(conn, SCRAM(BIND2));
    succeed(WIRE_ID_sasl_start);
    struct wire_msg reply = {.id = WIRE_ID_bind_reply,
                             .u.bind_reply = {.condition = SPAN("resource-constraint")}};
    answer(WIRE_ID_bind, BUS_SETTLED, &reply);
    assert_said(conn,
                "<authorization-identifier>romeo@localhost</authorization-identifier></success>");
    assert_said(conn, "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>");
    say(conn, BIND_IQ);
    answer_bind("romeo@localhost/orchard", 7);
    assert_said(conn, "<jid>romeo@localhost/orchard</jid>");
    done(conn);
}

static void test_a_failed_login_binds_nothing(void **state)
{
    (void)state;
    struct fake_conn *conn = opened();
    say(conn, SCRAM(BIND2));
    answer_sasl(WIRE_ID_sasl_start, WIRE_SASL_FAILURE, "not-authorized");
    assert_false(has_open_call());
    say(conn, SCRAM(""));
    succeed(WIRE_ID_sasl_start);
    assert_false(has_open_call());
    assert_said(conn, "<success ");
    done(conn);
}

static void test_a_session_bound_too_late_is_let_go(void **state)
{
    (void)state;
    struct fake_conn *conn = opened();
    say(conn, SCRAM(BIND2));
    succeed(WIRE_ID_sasl_start);
    conn_free(conn);
    answer_bind("romeo@localhost/x", 9);
    assert_int_equal(open_call(WIRE_ID_unbind)->msg.u.unbind.sid, 9);
    answer_result(WIRE_ID_unbind, "");
    fixture_down();
}

/* A client that knows the features says everything at once. */
static void come_back(const struct stream_transport *transport, const char *header)
{
    fixture_up(NULL);
    struct fake_conn *conn = secure_conn(transport);
    say(conn, header);
    stream_receive(
        conn->stream,
        span_cstr(SASL2("'HT-SHA-256-NONE'><initial-response>YQ==</initial-response>" AGENT BIND2
                        "<fast xmlns='urn:xmpp:fast:0'/>")));
    stream_receive(conn->stream, SPAN("<presence xmlns='jabber:client'/>"));
    succeed(WIRE_ID_sasl_start);
    assert_int_equal(fake.item_count, 0);
    answer_bind("romeo@localhost/Awesome</1234", 9);
    assert_said(conn, "<authorization-identifier>" JID "</authorization-identifier>");
    assert_int_equal(fake.item_count, 1); /* the presence */
    done(conn);
}

static void test_everything_may_come_at_once(void **state)
{
    (void)state;
    come_back(&framed, OPEN);
    come_back(&bytes_transport, "<stream:stream xmlns='jabber:client' to='localhost' version='1.0' "
                                "xmlns:stream='http://etherx.jabber.org/streams'>");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_is_offered_on_encrypted_streams_only),
        cmocka_unit_test(test_a_proxy_may_do_tls_and_tokens_may_be_off),
        cmocka_unit_test(test_tokens_bind_the_channel_where_it_can_be_bound),
        cmocka_unit_test(test_a_login_without_a_new_stream),
        cmocka_unit_test(test_an_initial_response_may_be_missing_or_empty),
        cmocka_unit_test(test_a_token_is_written_with_its_expiry),
        cmocka_unit_test(test_what_the_client_says_of_its_token_reaches_session),
        cmocka_unit_test(test_what_is_malformed_counts_as_an_attempt),
        cmocka_unit_test(test_mechanisms_for_tokens_and_others_are_not_mixed),
        cmocka_unit_test(test_nobody_may_come_from_elsewhere),
        cmocka_unit_test(test_only_the_answer_or_an_abort_while_a_challenge_is_out),
        cmocka_unit_test(test_nobody_logs_in_twice),
        cmocka_unit_test(test_the_session_is_bound_before_the_success),
        cmocka_unit_test(test_a_session_that_cannot_be_bound_leaves_the_older_way),
        cmocka_unit_test(test_a_failed_login_binds_nothing),
        cmocka_unit_test(test_a_session_bound_too_late_is_let_go),
        cmocka_unit_test(test_everything_may_come_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
