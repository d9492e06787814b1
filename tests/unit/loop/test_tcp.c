/* Stream sockets: every byte arrives once and in order, ends are told, nothing leaks. */
#include "base/buf.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "loop/tcp.h"
#include "loop/timer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define BIG 5000000u

/* Two ends of one connection, and what happened to them. */
struct end {
    struct tcp_conn *conn;
    struct buf got;
    bool has_ended;
    bool is_closed;
    unsigned drained;
};

static struct loop *loop;
static struct tcp_listener *listener;
static struct end server, client;
static char error[256];

static void on_read(void *arg, struct span bytes)
{
    struct end *end = arg;

    buf_append_span(&end->got, bytes);
}

static void on_end(void *arg)
{
    struct end *end = arg;

    assert_false(end->has_ended);
    end->has_ended = true;
    tcp_close(end->conn);
}

static void on_drained(void *arg)
{
    struct end *end = arg;

    end->drained++;
}

static void on_closed(void *arg)
{
    struct end *end = arg;

    assert_false(end->is_closed);
    end->is_closed = true;
}

static const struct tcp_handlers handlers = {on_read, on_end, on_drained, on_closed};

static void on_accept(void *arg, struct tcp_conn *conn)
{
    (void)arg;
    assert_null(server.conn);
    server.conn = conn;
    tcp_conn_start(conn, &handlers, &server);
}

static void give_up(void *arg)
{
    (void)arg;
    fail_msg("waited too long");
}

/* Runs the loop until the condition holds. */
#define WAIT_FOR(condition)                                                                        \
    do {                                                                                           \
        struct loop_timer patience;                                                                \
        loop_timer_init(&patience, loop, give_up, NULL);                                           \
        loop_timer_start(&patience, 10000, 0);                                                     \
        while (!(condition))                                                                       \
            loop_run_once(loop, 1);                                                                \
        loop_timer_stop(&patience);                                                                \
    } while (0)

static void listen_on(const char *address)
{
    struct tcp_listen_options options = {.address = address, .on_accept = on_accept};

    loop = loop_new();
    listener = tcp_listen(loop, &options, error, sizeof(error));
    assert_non_null(listener);
    server = client = (struct end){.conn = NULL};
}

static void connect_to(const char *address)
{
    client.conn = tcp_connect(loop, address, tcp_listener_port(listener));
    assert_non_null(client.conn);
    tcp_conn_start(client.conn, &handlers, &client);
}

static void finish(void)
{
    tcp_listener_free(listener);
    loop_free(loop);
    buf_deinit(&server.got);
    buf_deinit(&client.got);
}

static void say_hello_both_ways(const char *address, const char *peer)
{
    listen_on(address);
    connect_to(address);
    tcp_write(client.conn, SPAN("hel"));
    tcp_write(client.conn, SPAN("lo"));
    WAIT_FOR(server.got.len == 5);
    assert_true(span_is(buf_span(&server.got), "hello"));
    assert_string_equal(tcp_peer(server.conn), peer);
    tcp_write(server.conn, SPAN("world"));
    tcp_finish(server.conn);
    WAIT_FOR(client.has_ended && client.is_closed && server.is_closed);
    assert_true(span_is(buf_span(&client.got), "world"));
    assert_false(server.has_ended);
    finish();
}

static void ipv4_and_ipv6_carry_both_ways(void **state)
{
    (void)state;
    say_hello_both_ways("127.0.0.1", "127.0.0.1");
    say_hello_both_ways("::1", "::1");
}

static void a_unix_socket_carries_both_ways(void **state)
{
    char address[128];

    (void)state;
    snprintf(address, sizeof(address), "unix:/tmp/jackdaw-test-tcp-%d.sock", getpid());
    say_hello_both_ways(address, "unix");
}

static void megabytes_wait_for_a_paused_reader(void **state)
{
    char *bytes = mem_alloc(BIG);

    (void)state;
    for (size_t i = 0; i < BIG; i++)
        bytes[i] = (char)(i * 31 >> 3);
    listen_on("127.0.0.1");
    connect_to("127.0.0.1");
    WAIT_FOR(server.conn);
    tcp_pause(server.conn);
    for (size_t at = 0; at < BIG; at += 50000)
        tcp_write(client.conn, span_of(bytes + at, 50000));
    for (int i = 0; i < 20; i++)
        loop_run_once(loop, 0);
    assert_true(tcp_pending(client.conn) > 0);
    assert_int_equal(server.got.len, 0);
    assert_int_equal(client.drained, 0);
    tcp_resume(server.conn);
    WAIT_FOR(server.got.len == BIG);
    assert_memory_equal(server.got.data, bytes, BIG);
    WAIT_FOR(client.drained == 1);
    assert_int_equal(tcp_pending(client.conn), 0);
    tcp_close(client.conn);
    WAIT_FOR(server.has_ended && server.is_closed && client.is_closed);
    mem_free(bytes);
    finish();
}

static void finishing_sends_all_that_was_written(void **state)
{
    char *bytes = mem_calloc(1, BIG);

    (void)state;
    listen_on("127.0.0.1");
    connect_to("127.0.0.1");
    tcp_write(client.conn, span_of(bytes, BIG));
    tcp_finish(client.conn);
    WAIT_FOR(server.has_ended && server.is_closed && client.is_closed);
    assert_int_equal(server.got.len, BIG);
    mem_free(bytes);
    finish();
}

/* A peer that is only a socket: it does what the test says, and nothing by itself. */
static int raw_peer(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(tcp_listener_port(listener)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    WAIT_FOR(server.conn);
    return fd;
}

static void assert_hears(int fd, const char *text)
{
    char got[64] = {0};
    size_t len = 0;
    for (ssize_t n; (n = recv(fd, got + len, sizeof(got) - 1 - len, 0)) != 0; len += (size_t)n)
        assert_true(n > 0);
    assert_string_equal(got, text);
}

static void a_goodbye_arrives_though_the_peers_words_were_not_read(void **state)
{
    static const char unread[100000];

    (void)state;
    listen_on("127.0.0.1");
    int fd = raw_peer();
    tcp_pause(server.conn);
    assert_true(send(fd, unread, sizeof(unread), 0) > 0);
    tcp_write(server.conn, SPAN("farewell"));
    tcp_goodbye(server.conn, 10000);
    for (int i = 0; i < 20; i++)
        loop_run_once(loop, 0);
    assert_int_equal(server.got.len, 0); /* dropped */
    assert_hears(fd, "farewell");
    assert_false(server.is_closed); /* it waits for the peer's end */
    close(fd);
    WAIT_FOR(server.is_closed);
    assert_false(server.has_ended);
    finish();
}

static void a_goodbye_waits_for_nobody_for_ever(void **state)
{
    (void)state;
    listen_on("127.0.0.1");
    int fd = raw_peer();
    tcp_goodbye(server.conn, 50);
    WAIT_FOR(server.is_closed);
    close(fd);
    /* Nor does one that cannot even be said. */
    server = (struct end){.conn = NULL};
    fd = raw_peer();
    char *bytes = mem_calloc(1, BIG);
    tcp_write(server.conn, span_of(bytes, BIG));
    tcp_goodbye(server.conn, 50);
    WAIT_FOR(server.is_closed);
    mem_free(bytes);
    close(fd);
    finish();
}

static void on_end_answers(void *arg)
{
    struct end *end = arg;

    end->has_ended = true;
    tcp_write(end->conn, SPAN("heard "));
    tcp_write(end->conn, buf_span(&end->got));
    tcp_goodbye(end->conn, 10000);
}

static void who_ends_its_own_side_is_still_answered(void **state)
{
    static const struct tcp_handlers answering = {on_read, on_end_answers, NULL, on_closed};

    (void)state;
    listen_on("127.0.0.1");
    int fd = raw_peer();
    tcp_conn_start(server.conn, &answering, &server);
    assert_int_equal(send(fd, "all", 3, 0), 3);
    WAIT_FOR(server.got.len == 3);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    WAIT_FOR(server.is_closed); /* the peer said its end before */
    assert_hears(fd, "heard all");
    close(fd);
    finish();
}

static void a_refused_connection_ends(void **state)
{
    struct tcp_listen_options options = {.address = "127.0.0.1", .on_accept = on_accept};

    (void)state;
    listen_on("127.0.0.1");
    uint16_t port = tcp_listener_port(listener);
    options.port = port;
    assert_null(tcp_listen(loop, &options, error, sizeof(error)));
    assert_non_null(strstr(error, "in use"));
    tcp_listener_free(listener);
    listener = NULL;
    loop_run_once(loop, 0);
    client.conn = tcp_connect(loop, "127.0.0.1", port);
    assert_non_null(client.conn);
    tcp_conn_start(client.conn, &handlers, &client);
    tcp_write(client.conn, SPAN("never sent"));
    WAIT_FOR(client.has_ended && client.is_closed);
    finish();
}

static void names_and_nonsense_are_no_addresses(void **state)
{
    struct tcp_listen_options options = {.address = "localhost", .on_accept = on_accept};

    (void)state;
    listen_on("127.0.0.1");
    assert_null(tcp_listen(loop, &options, error, sizeof(error)));
    assert_null(tcp_connect(loop, "example.org", 80));
    options.address = "unix:/nonexistent/folder/socket";
    assert_null(tcp_listen(loop, &options, error, sizeof(error)));
    finish();
}

static void a_stale_socket_file_is_replaced_a_live_one_is_not(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char text[64];
    struct tcp_listen_options options = {.address = text, .on_accept = on_accept};

    (void)state;
    snprintf(text, sizeof(text), "unix:/tmp/jackdaw-test-stale-%d.sock", getpid());
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", text + 5);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    close(fd);
    listen_on(text);
    assert_null(tcp_listen(loop, &options, error, sizeof(error)));
    finish();
    unlink(address.sun_path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ipv4_and_ipv6_carry_both_ways),
        cmocka_unit_test(a_unix_socket_carries_both_ways),
        cmocka_unit_test(megabytes_wait_for_a_paused_reader),
        cmocka_unit_test(finishing_sends_all_that_was_written),
        cmocka_unit_test(a_goodbye_arrives_though_the_peers_words_were_not_read),
        cmocka_unit_test(a_goodbye_waits_for_nobody_for_ever),
        cmocka_unit_test(who_ends_its_own_side_is_still_answered),
        cmocka_unit_test(a_refused_connection_ends),
        cmocka_unit_test(names_and_nonsense_are_no_addresses),
        cmocka_unit_test(a_stale_socket_file_is_replaced_a_live_one_is_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
