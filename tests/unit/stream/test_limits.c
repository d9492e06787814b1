/* Who sends too fast or fails to log in is held back; draining takes its time. */
#include "fake.h"

#include "stream/backoff.h"

#define ROMEO   "romeo@localhost/orchard"
#define MESSAGE "<message xmlns='jabber:client' to='juliet@localhost'><body>x</body></message>"

static void test_too_many_stanzas_pause_the_socket_and_lose_nothing(void **state)
{
    (void)state;
    struct stream_options options = default_options();
    options.stanza_rate = (struct admit_rate){.per_second = 20, .burst = 10};
    fixture_up(&options);
    struct fake_conn *conn = bound(ROMEO, 9);
    unsigned sent = 0;
    while (!conn->is_paused && sent < 50) {
        say(conn, MESSAGE);
        sent++;
    }
    assert_in_range(sent, 3, 11); /* the login took some of the burst */
    assert_int_equal(fake.item_count, sent);
    for (unsigned ms = 0; ms < 5000 && conn->is_paused; ms += 5)
        run_for(5);
    assert_false(conn->is_paused);
    say(conn, MESSAGE);
    assert_int_equal(fake.item_count, sent + 1);
    conn_free(conn);
    fixture_down();
}

#define HEADER                                                                                     \
    "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "        \
    "to='localhost' version='1.0'>"

static struct fake_conn *bound_over_tcp(void)
{
    struct fake_conn *conn = conn_new(&bytes_transport);
    say(conn, HEADER);
    say(conn, AUTH("'SCRAM-SHA-1'>bjtjbGllbnQ=</auth>"));
    answer_sasl(WIRE_ID_sasl_start, WIRE_SASL_SUCCESS, "");
    say(conn, HEADER);
    say(conn, BIND_IQ);
    answer_bind(ROMEO, 9);
    return conn;
}

static void test_too_many_bytes_pause_the_socket(void **state)
{
    (void)state;
    struct stream_options options = default_options();
    options.byte_rate = (struct admit_rate){.per_second = 2000, .burst = 2000};
    fixture_up(&options);
    struct fake_conn *conn = bound_over_tcp();
    for (unsigned i = 0; i < 100 && !conn->is_paused; i++)
        say(conn, " "); /* white space counts too */
    for (unsigned i = 0; i < 100 && !conn->is_paused; i++)
        say(conn, MESSAGE);
    assert_true(conn->is_paused);
    conn_free(conn); /* gone while it is held */
    fixture_down();
}

/* One read may hold many stanzas: the hold begins in its middle, and order stays. */
static void test_a_burst_in_one_read_is_handled_at_the_rate(void **state)
{
    (void)state;
    struct stream_options options = default_options();
    options.stanza_rate = (struct admit_rate){.per_second = 50, .burst = 10};
    fixture_up(&options);
    struct fake_conn *conn = bound_over_tcp();
    struct buf burst = {0}, xml = {0};
    for (unsigned i = 0; i < 30; i++)
        buf_printf(&burst, "<message to='juliet@localhost'><body>%u</body></message>", i);
    stream_receive(conn->stream, buf_span(&burst));
    assert_true(conn->is_paused);
    assert_in_range(fake.item_count, 1, 12);
    for (unsigned ms = 0; ms < 5000 && (fake.item_count < 30 || conn->is_paused); ms += 5)
        run_for(5);
    assert_int_equal(fake.item_count, 30);
    assert_false(conn->is_paused);
    for (unsigned i = 0; i < 30; i++) {
        char body[32];
        (void)snprintf(body, sizeof(body), "<body>%u</body>", i);
        assert_non_null(strstr(item_xml(i, &xml), body));
    }
    buf_deinit(&burst);
    buf_deinit(&xml);
    conn_free(conn);
    fixture_down();
}

/* What came together with the login is not lost when the login itself is held. */
static void test_deferred_frames_outlive_a_hold(void **state)
{
    (void)state;
    struct stream_options options = default_options();
    options.stanza_rate = (struct admit_rate){.per_second = 20, .burst = 4};
    fixture_up(&options);
    struct fake_conn *conn = logged_in();
    say(conn, BIND_IQ);
    say(conn, MESSAGE);
    say(conn, MESSAGE);
    answer_bind(ROMEO, 9);
    for (unsigned ms = 0; ms < 5000 && fake.item_count < 2; ms += 5)
        run_for(5);
    assert_int_equal(fake.item_count, 2);
    conn_free(conn);
    fixture_down();
}

static void test_stanzas_are_smaller_before_the_session_is_bound(void **state)
{
    (void)state;
    struct stream_options options = default_options();
    options.max_stanza_bytes = 8000;
    options.max_first_bytes = 1000;
    fixture_up(&options);
    struct buf large = {0};
    buf_append_cstr(&large, "<message xmlns='jabber:client' to='juliet@localhost'><body>");
    memset(buf_reserve(&large, 2000), 'x', 2000);
    large.len += 2000;
    buf_append_cstr(&large, "</body></message>");
    const char *text = buf_cstr(&large);
    const struct stream_transport *transports[] = {&framed, &bytes_transport};
    for (size_t i = 0; i < 2; i++) {
        struct fake_conn *early = conn_new(transports[i]);
        say(early, transports[i]->is_framed ? OPEN : HEADER);
        say(early, text);
        assert_said(early, "<policy-violation");
        conn_free(early);
    }
    struct fake_conn *late = bound(ROMEO, 9);
    say(late, text);
    assert_int_equal(fake.item_count, 1);
    conn_free(late);
    late = bound_over_tcp();
    say(late, text);
    assert_false(late->is_finished);
    conn_free(late);
    buf_deinit(&large);
    fixture_down();
}

static void fail_login(struct fake_conn *conn)
{
    say(conn, AUTH("'SCRAM-SHA-1'>bjtjbGllbnQ=</auth>"));
    answer_sasl(WIRE_ID_sasl_start, WIRE_SASL_FAILURE, "not-authorized");
}

static void test_a_failed_login_delays_the_next_one(void **state)
{
    (void)state;
    struct stream_options options = default_options();
    options.login_delay_ms = 50;
    options.login_delay_after = 100;
    options.login_delay_forget_ms = 60000;
    fixture_up(&options);
    struct fake_conn *conn = conn_new(&framed);
    say(conn, OPEN);
    fail_login(conn);
    assert_said(conn, "<not-authorized");
    assert_true(conn->is_paused);
    say(conn, AUTH("'SCRAM-SHA-1'>bjtjbGllbnQ=</auth>"));
    assert_false(has_open_call());
    for (unsigned ms = 0; ms < 5000 && !has_open_call(); ms += 5)
        run_for(5);
    assert_true(has_open_call());
    assert_false(conn->is_paused);
    answer_sasl(WIRE_ID_sasl_start, WIRE_SASL_SUCCESS, "");
    assert_said(conn, "<success");
    conn_free(conn);
    fixture_down();
}

static void test_an_address_that_fails_often_is_delayed_from_its_next_connection_on(void **state)
{
    (void)state;
    struct stream_options options = default_options();
    options.login_delay_ms = 40;
    options.login_delay_after = 2;
    options.login_delay_forget_ms = 60000;
    options.max_auth_attempts = 1;
    fixture_up(&options);
    for (unsigned i = 0; i < 3; i++) {
        struct fake_conn *conn = conn_new(&framed);
        say(conn, OPEN);
        assert_false(conn->is_paused);
        fail_login(conn);
        assert_true(conn->is_finished);
        conn_free(conn);
    }
    struct fake_conn *conn = conn_new(&framed);
    say(conn, OPEN);
    assert_said(conn, "SCRAM-SHA-1");
    assert_true(conn->is_paused);
    conn_free(conn);
    fixture_down();
}

static void test_delays_double_up_to_a_limit_and_are_forgotten(void **state)
{
    (void)state;
    const struct backoff_rule rule = {.first_ms = 500, .free = 2, .forget_ms = 60000};
    struct backoff backoff;
    backoff_init(&backoff);
    static const uint32_t own[] = {500, 1000, 2000, 4000, 8000, BACKOFF_MAX_MS, BACKOFF_MAX_MS};
    for (uint32_t i = 0; i < 7; i++)
        assert_int_equal(backoff_fail(&backoff, &rule, 0, i + 1, 1000), own[i]);
    /* Each a connection of its own: two are free, then the address waits. */
    static const uint32_t shared[] = {0, 0, 500, 1000, 2000};
    for (uint32_t i = 0; i < 5; i++) {
        (void)backoff_fail(&backoff, &rule, 7, 1, 1000);
        assert_int_equal(backoff_wait(&backoff, &rule, 7, 1000), shared[i]);
    }
    assert_int_equal(backoff_wait(&backoff, &rule, 8, 1000), 0);
    assert_int_equal(backoff_wait(&backoff, &rule, 7, 2500), 500);
    assert_int_equal(backoff_wait(&backoff, &rule, 7, 3000), 0);
    (void)backoff_wait(&backoff, &rule, 7, 1000 + 60000);
    assert_int_equal(map64_count(&backoff.by_key), 0);
    for (uint64_t key = 1; key <= BACKOFF_ADDRESSES + 100; key++)
        (void)backoff_fail(&backoff, &rule, key, 1, 100000);
    assert_in_range(map64_count(&backoff.by_key), 1, BACKOFF_ADDRESSES + 1);
    backoff_deinit(&backoff);
}

static void note_drained(void *arg)
{
    bool *is_drained = arg;
    *is_drained = true;
}

static size_t count_finished(struct fake_conn **conns, size_t count)
{
    size_t finished = 0;
    for (size_t i = 0; i < count; i++)
        finished += conns[i]->is_finished ? 1 : 0;
    return finished;
}

#define MANY 40

static void test_draining_ends_a_few_streams_at_a_time(void **state)
{
    (void)state;
    struct stream_options options = default_options();
    options.drain_rate = 100;
    options.drain_timeout_ms = 60000;
    options.see_other_host = SPAN("other.example:5222");
    fixture_up(&options);
    struct fake_conn *conns[MANY];
    bool is_drained = false;
    for (size_t i = 0; i < MANY; i++)
        conns[i] = conn_new(&bytes_transport);
    stream_host_drain(host, note_drained, &is_drained);
    size_t at_once = count_finished(conns, MANY);
    assert_in_range(at_once, 1, 10);
    /* Who is not due yet is served. */
    assert_false(conns[MANY - 1]->is_finished);
    for (unsigned ms = 0; ms < 5000 && !is_drained; ms += 5) {
        run_for(5);
        assert_true(count_finished(conns, MANY) == MANY || !is_drained);
    }
    assert_true(is_drained);
    for (size_t i = 0; i < MANY; i++) {
        assert_said(conns[i], "<see-other-host xmlns='urn:ietf:params:xml:ns:xmpp-streams'>"
                              "other.example:5222</see-other-host>");
        assert_said(conns[i], "</stream:stream>");
        conn_free(conns[i]);
    }
    fixture_down();
}

static void test_draining_hurries_when_the_timeout_is_short(void **state)
{
    (void)state;
    struct stream_options options = default_options();
    options.drain_rate = 1;
    options.drain_timeout_ms = 400;
    fixture_up(&options);
    struct fake_conn *conns[MANY];
    bool is_drained = false;
    for (size_t i = 0; i < MANY; i++)
        conns[i] = conn_new(&framed);
    uint64_t begun = clock_mono_ms();
    stream_host_drain(host, note_drained, &is_drained);
    for (unsigned ms = 0; ms < 5000 && !is_drained; ms += 5)
        run_for(5);
    assert_true(is_drained);
    assert_in_range(clock_mono_ms() - begun, 50, 3000);
    for (size_t i = 0; i < MANY; i++) {
        assert_said(conns[i], "<system-shutdown");
        conn_free(conns[i]);
    }
    fixture_down();
}

static void test_a_client_that_ends_its_side_is_said_goodbye(void **state)
{
    (void)state;
    fixture_up(NULL);
    struct fake_conn *conn = bound_over_tcp();
    stream_input_ended(conn->stream);
    assert_true(conn->is_finished);
    assert_said(conn, "</stream:stream>");
    assert_false(said(conn, "error"));
    conn_free(conn);
    conn = conn_new(&bytes_transport);
    stream_input_ended(conn->stream);
    assert_true(conn->is_finished);
    assert_int_equal(conn->out.len, 0);
    conn_free(conn);
    fixture_down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_too_many_stanzas_pause_the_socket_and_lose_nothing),
        cmocka_unit_test(test_too_many_bytes_pause_the_socket),
        cmocka_unit_test(test_a_burst_in_one_read_is_handled_at_the_rate),
        cmocka_unit_test(test_deferred_frames_outlive_a_hold),
        cmocka_unit_test(test_stanzas_are_smaller_before_the_session_is_bound),
        cmocka_unit_test(test_a_failed_login_delays_the_next_one),
        cmocka_unit_test(test_an_address_that_fails_often_is_delayed_from_its_next_connection_on),
        cmocka_unit_test(test_delays_double_up_to_a_limit_and_are_forgotten),
        cmocka_unit_test(test_draining_ends_a_few_streams_at_a_time),
        cmocka_unit_test(test_draining_hurries_when_the_timeout_is_short),
        cmocka_unit_test(test_a_client_that_ends_its_side_is_said_goodbye),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
