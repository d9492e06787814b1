/* WebSocket connections against a client that follows RFC 6455 and against one that does not. */
#include <errno.h>

#include "ws_client.h"

#include "metric/metric.h"

static void test_upgrade_is_answered_with_key_and_subprotocol(void **state)
{
    (void)state;
    struct server server = {0};
    server_start(&server, NULL);
    static const char *const paths[] = {"/", "/ws", "/ws?x=1"};
    for (size_t i = 0; i < 3; i++) {
        struct client client = client_connect(&server);
        client_text(&client, "GET ");
        client_text(&client, paths[i]);
        client_text(&client, UPGRADE "Sec-WebSocket-Protocol: foo, xmpp\r\n\r\n");
        WAIT_FOR(&client, client_has(&client, "\r\n\r\n"));
        assert_true(client_has(&client, "HTTP/1.1 101"));
        assert_true(client_has(&client, ACCEPT));
        assert_true(client_has(&client, "rotocol: xmpp\r\n"));
        assert_false(client_has(&client, "permessage"));
        assert_int_equal(ws_connection_count(server.ws), 1);
        client_free(&client);
        struct client other = client_connect(&server);
        WAIT_FOR(&other, server.closed == i + 1);
        client_free(&other);
    }
    server_stop(&server);
}

static void test_missing_subprotocol_is_refused_with_advice(void **state)
{
    (void)state;
    struct server server = {0};
    server_start(&server, NULL);
    static const struct {
        const char *request;
        const char *status;
        const char *text;
    } cases[] = {
        {"GET /ws" UPGRADE "\r\n", "400", "Sec-WebSocket-Protocol: xmpp"},
        {"GET /ws" UPGRADE "Sec-WebSocket-Protocol: chat\r\n\r\n", "400", "RFC 7395"},
        {"GET /elsewhere" UPGRADE "Sec-WebSocket-Protocol: xmpp\r\n\r\n", "404", "/ws"},
        {"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", "400",
         "websocket"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct client client = client_connect(&server);
        client_text(&client, cases[i].request);
        WAIT_FOR(&client, client_has(&client, cases[i].text));
        assert_true(client_has(&client, cases[i].status));
        client_free(&client);
    }
    assert_int_equal(server.opened, 0);
    server_stop(&server);
}

static void test_unknown_upgrades_and_garbage_harm_nobody(void **state)
{
    (void)state;
    struct server server = {0};
    server_start(&server, NULL);
    static const char *const cases[] = {
        "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: foo\r\nConnection: Upgrade\r\n\r\n",
        "CONNECT other:443 HTTP/1.1\r\nHost: x\r\n\r\n",
        "\x16\x03\x01\x02garbage\r\n\r\n\r\n",
        "GET\r\n\r\n",
        "DELETE /ws HTTP/1.1\r\nHost: x\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct client client = client_connect(&server);
        client_text(&client, cases[i]);
        WAIT_FOR(&client, client.is_closed || client.in.len > 0);
        client_free(&client);
    }
    struct client sane = client_open(&server);
    client_free(&sane);
    server_stop(&server);
}

static void test_messages_are_put_together(void **state)
{
    (void)state;
    struct server server = {.echoes = true};
    struct buf got = {0};
    char big[5000];
    memset(big, 'a', sizeof(big));
    server_start(&server, NULL);
    struct client client = client_open(&server);

    client_frame(&client, 0x80 | OP_TEXT, "hello", 5);
    assert_int_equal(client_read_frame(&client, &got), OP_TEXT);
    assert_true(span_is(buf_span(&got), "hello"));

    client_frame(&client, OP_TEXT, "he", 2);
    client_frame(&client, 0x80 | OP_PING, "p", 1); /* control frames may come between */
    client_frame(&client, OP_CONT, "ll", 2);
    client_frame(&client, 0x80 | OP_CONT, "o", 1);
    unsigned first = client_read_frame(&client, &got); /* the pong may come before or after */
    unsigned second = client_read_frame(&client, &got);
    assert_int_equal(first + second, OP_PONG + OP_TEXT);
    assert_int_equal(server.messages, 2);
    assert_true(span_is(buf_span(&server.last), "hello"));

    client_frame(&client, OP_TEXT, big, sizeof(big));
    client_frame(&client, 0x80 | OP_CONT, big, 4000);
    assert_int_equal(client_read_frame(&client, &got), OP_TEXT);
    assert_int_equal(got.len, 9000);

    assert_int_equal(server.messages, 3);
    client_free(&client);
    buf_deinit(&got);
    server_stop(&server);
}

static void test_a_message_that_drips_in_is_handed_up_once(void **state)
{
    (void)state;
    struct server server = {.echoes = true};
    struct buf got = {0};
    static const unsigned char frame[] = {0x81, 0x83, 0, 0, 0, 0, 'a', 'b', 'c'};
    server_start(&server, NULL);
    struct client client = client_open(&server);
    for (size_t i = 0; i < sizeof(frame); i++) {
        client_write(&client, frame + i, 1);
        turn(&client);
        turn(&client);
    }
    assert_int_equal(client_read_frame(&client, &got), OP_TEXT);
    assert_true(span_is(buf_span(&got), "abc"));
    assert_int_equal(server.messages, 1);
    client_free(&client);
    buf_deinit(&got);
    server_stop(&server);
}

static unsigned close_code(struct client *client)
{
    struct buf got = {0};
    unsigned op;
    do
        op = client_read_frame(client, &got);
    while (op != OP_CLOSE);
    assert_true(got.len >= 2);
    unsigned code = (unsigned)(unsigned char)got.data[0] << 8 | (unsigned char)got.data[1];
    buf_deinit(&got);
    return code;
}

static void test_what_is_not_allowed_closes_with_its_code(void **state)
{
    (void)state;
    struct server server = {0};
    char big[20000];
    memset(big, 'x', sizeof(big));
    server_start(&server, NULL);
    static const struct {
        unsigned op;
        size_t len;
        unsigned code;
    } cases[] = {
        {0x80 | OP_BIN, 10, WS_CLOSE_UNSUPPORTED}, {OP_BIN, 10, WS_CLOSE_UNSUPPORTED},
        {0x80 | OP_TEXT, 20000, WS_CLOSE_TOO_BIG}, {0x80 | OP_CONT, 5, WS_CLOSE_PROTOCOL},
        {0x80 | 3, 5, WS_CLOSE_PROTOCOL},          {0xC0 | OP_TEXT, 5, WS_CLOSE_PROTOCOL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct client client = client_open(&server);
        client_frame(&client, cases[i].op, big, cases[i].len);
        assert_int_equal(close_code(&client), cases[i].code);
        client_frame(&client, 0x80 | OP_CLOSE, "\x03\xe8", 2);
        WAIT_FOR(&client, server.closed == i + 1);
        client_free(&client);
    }
    assert_int_equal(server.too_big, 1);
    assert_int_equal(server.messages, 0);
    server_stop(&server);
}

static void test_clients_close_is_answered(void **state)
{
    (void)state;
    struct server server = {0};
    server_start(&server, NULL);
    struct client client = client_open(&server);
    client_frame(&client, 0x80 | OP_CLOSE, "\x03\xe8", 2);
    assert_int_equal(close_code(&client), WS_CLOSE_NORMAL);
    WAIT_FOR(&client, server.closed == 1);
    client_free(&client);
    server_stop(&server);
}

static void test_last_words_come_before_the_close(void **state)
{
    (void)state;
    struct server server = {0};
    struct buf got = {0};
    server_start(&server, NULL);
    struct client client = client_open(&server);
    const struct span last[2] = {SPAN("error"), SPAN("bye")};
    ws_finish(server.conn, last, 2, WS_CLOSE_POLICY);
    ws_finish(server.conn, last, 2, WS_CLOSE_NORMAL);
    assert_int_equal(ws_send(server.conn, SPAN("late")), -1);
    assert_int_equal(client_read_frame(&client, &got), OP_TEXT);
    assert_true(span_is(buf_span(&got), "error"));
    assert_int_equal(client_read_frame(&client, &got), OP_TEXT);
    assert_true(span_is(buf_span(&got), "bye"));
    assert_int_equal(close_code(&client), WS_CLOSE_POLICY);
    client_frame(&client, 0x80 | OP_TEXT, "more", 4);
    client_frame(&client, 0x80 | OP_CLOSE, "\x03\xf0", 2);
    WAIT_FOR(&client, server.closed == 1);
    assert_int_equal(server.messages, 0);
    client_free(&client);
    buf_deinit(&got);
    server_stop(&server);
}

static void test_one_turn_is_one_write(void **state)
{
    (void)state;
    struct server server = {0};
    struct buf got = {0};
    server_start(&server, NULL);
    struct client client = client_open(&server);
    int64_t before = metric_value(METRIC_ws_writes);
    for (int i = 0; i < 50; i++)
        assert_int_equal(ws_send(server.conn, SPAN("one of many")), 0);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(client_read_frame(&client, &got), OP_TEXT);
        assert_true(span_is(buf_span(&got), "one of many"));
    }
    assert_int_equal(metric_value(METRIC_ws_writes) - before, 1);
    client_free(&client);
    buf_deinit(&got);
    server_stop(&server);
}

/* Every byte that was accepted arrives in order although the socket takes them in pieces. */
static void test_slow_reader_has_a_bounded_queue(void **state)
{
    (void)state;
    struct server server = {0};
    struct buf got = {0};
    char text[1000];
    unsigned sent = 0;
    server_start(&server, NULL);
    struct client client = client_open(&server);
    for (unsigned turns = 0; turns < 20000; turns++) {
        memset(text, 'a' + (int)(sent % 26), sizeof(text));
        if (ws_send(server.conn, span_of(text, sizeof(text))) < 0)
            break;
        sent++;
        loop_run_once(server.loop, 0);
    }
    assert_in_range(sent, 100, 19999);
    for (unsigned i = 0; i < sent; i++) {
        assert_int_equal(client_read_frame(&client, &got), OP_TEXT);
        assert_int_equal(got.len, sizeof(text));
        assert_int_equal(got.data[0], 'a' + (int)(i % 26));
        assert_int_equal(got.data[999], 'a' + (int)(i % 26));
    }
    assert_int_equal(ws_send(server.conn, SPAN("again")), 0);
    assert_int_equal(client_read_frame(&client, &got), OP_TEXT);
    client_free(&client);
    buf_deinit(&got);
    server_stop(&server);
}

static void test_reading_can_be_paused(void **state)
{
    (void)state;
    struct server server = {0};
    server_start(&server, NULL);
    struct client client = client_open(&server);
    ws_set_reading(server.conn, false);
    client_frame(&client, 0x80 | OP_TEXT, "later", 5);
    for (int i = 0; i < 50; i++)
        turn(&client);
    assert_int_equal(server.messages, 0);
    ws_set_reading(server.conn, true);
    WAIT_FOR(&client, server.messages == 1);
    client_free(&client);
    server_stop(&server);
}

static void test_silent_connections_are_pinged_then_dropped(void **state)
{
    (void)state;
    struct server server = {0};
    struct buf got = {0};
    server.loop = loop_new();
    struct ws_options options = ws_default_options(&server);
    options.limits.ping_after_ms = 1000;
    options.limits.ping_timeout_ms = 1000;
    server_start(&server, &options);
    struct client answers = client_open(&server);
    struct client silent = client_open(&server);
    assert_int_equal(client_read_frame(&answers, &got), OP_PING);
    client_frame(&answers, 0x80 | OP_PONG, got.data, got.len);
    WAIT_FOR(&silent, silent.is_closed);
    assert_int_equal(server.closed, 1);
    assert_int_equal(ws_connection_count(server.ws), 1);
    client_free(&answers);
    client_free(&silent);
    buf_deinit(&got);
    server_stop(&server);
}

/* Its bytes wait in libwebsockets and in our queue: it must go all the same, and nobody wait for it. */
static void test_a_silent_connection_is_dropped_with_what_it_does_not_read(void **state)
{
    (void)state;
    struct server server = {0};
    server.loop = loop_new();
    struct ws_options options = ws_default_options(&server);
    options.limits.ping_after_ms = 1000;
    options.limits.ping_timeout_ms = 1000;
    server_start(&server, &options);
    struct client client = client_open(&server);
    char text[1000];
    memset(text, 'a', sizeof(text));
    uint64_t end = clock_mono_ms() + 20000;
    while (server.closed == 0 && clock_mono_ms() < end) {
        while (ws_send(server.conn, span_of(text, sizeof(text))) == 0) {
        }
        loop_run_once(server.loop, 0);
    }
    assert_int_equal(server.closed, 1);
    assert_int_equal(ws_connection_count(server.ws), 0);
    client_free(&client);
    server_stop(&server);
}

static void test_limits_refuse_the_next_one(void **state)
{
    (void)state;
    struct server server = {0};
    server.loop = loop_new();
    struct ws_options options = ws_default_options(&server);
    options.limits.max_connections = 2;
    options.limits.max_per_address = 1;
    server_start(&server, &options);
    struct client first = client_open(&server);
    struct client second = client_connect(&server);
    client_text(&second, "GET /ws" UPGRADE "Sec-WebSocket-Protocol: xmpp\r\n\r\n");
    WAIT_FOR(&second, client_has(&second, "429"));
    struct client third = client_connect(&server);
    struct client fourth = client_connect(&server);
    WAIT_FOR(&fourth, fourth.is_closed);
    assert_false(first.is_closed);
    client_free(&first);
    WAIT_FOR(&third, server.closed == 1);
    client_free(&second);
    client_free(&third);
    client_free(&fourth);
    struct client fifth = client_open(&server);
    client_free(&fifth);
    server_stop(&server);
}

static void test_a_refusing_server_keeps_what_it_has(void **state)
{
    (void)state;
    struct server server = {.echoes = true};
    struct buf got = {0};
    server_start(&server, NULL);
    struct client client = client_open(&server);
    ws_stop_accepting(server.ws);
    struct client late = client_connect(&server);
    WAIT_FOR(&late, late.is_closed);
    client_frame(&client, 0x80 | OP_TEXT, "still", 5);
    assert_int_equal(client_read_frame(&client, &got), OP_TEXT);
    client_free(&client);
    client_free(&late);
    buf_deinit(&got);
    server_stop(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_upgrade_is_answered_with_key_and_subprotocol),
        cmocka_unit_test(test_missing_subprotocol_is_refused_with_advice),
        cmocka_unit_test(test_unknown_upgrades_and_garbage_harm_nobody),
        cmocka_unit_test(test_messages_are_put_together),
        cmocka_unit_test(test_a_message_that_drips_in_is_handed_up_once),
        cmocka_unit_test(test_what_is_not_allowed_closes_with_its_code),
        cmocka_unit_test(test_clients_close_is_answered),
        cmocka_unit_test(test_last_words_come_before_the_close),
        cmocka_unit_test(test_one_turn_is_one_write),
        cmocka_unit_test(test_slow_reader_has_a_bounded_queue),
        cmocka_unit_test(test_reading_can_be_paused),
        cmocka_unit_test(test_silent_connections_are_pinged_then_dropped),
        cmocka_unit_test(test_a_silent_connection_is_dropped_with_what_it_does_not_read),
        cmocka_unit_test(test_limits_refuse_the_next_one),
        cmocka_unit_test(test_a_refusing_server_keeps_what_it_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
