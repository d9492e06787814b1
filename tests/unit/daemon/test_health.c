/* The health listener answers probes and Prometheus, and nobody can hold it up. */
#include "child.h"

#include "base/log.h"

static bool never_ready(void *ctx, struct buf *why)
{
    (void)ctx;
    buf_append_cstr(why, "the tide is out");
    return false;
}

static const struct daemon_spec unready = {
    .name = "toy", .summary = "never ready", .flags = DAEMON_HAS_NO_BUS, .is_ready = never_ready};
static const struct daemon_spec ready = {
    .name = "toy", .summary = "always ready", .flags = DAEMON_HAS_NO_BUS};

static uint16_t start(struct child *child, const struct daemon_spec *spec)
{
    const char *const args[] = {"--port-dir", child_dir, "--instance", "toy-1", NULL};

    child_start(child, spec, args);
    child_wait_for(child, "event=listening what=health address=127.0.0.1 port=");
    child_wait_for(child, "ready");
    return child_port("toy-1.health");
}

static void stop(struct child *child)
{
    kill(child->pid, SIGTERM);
    assert_int_equal(child_end(child), 0);
    child_free(child);
}

/* The answer to `request` begins with `head` and holds `text`. */
static void expect(uint16_t port, const char *request, const char *head, const char *text)
{
    struct buf answer = {0};

    child_ask(port, request, &answer);
    if (!span_has_prefix(buf_span(&answer), span_cstr(head)) || !strstr(buf_cstr(&answer), text))
        fail_msg("%s answered with:\n%s", request, buf_cstr(&answer));
    buf_deinit(&answer);
}

static void a_ready_daemon_says_so(void **state)
{
    struct child child;
    uint16_t port = start(&child, &ready);

    (void)state;
    expect(port, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\n", "\r\n\r\nok\n");
    expect(port, "GET /readyz HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n", "\r\n\r\nready\n");
    expect(port, "GET /readyz?verbose HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK\r\n", "ready");
    stop(&child);
}

static void an_unready_daemon_says_why(void **state)
{
    struct child child;
    uint16_t port = start(&child, &unready);

    (void)state;
    expect(port, "GET /healthz HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n", "ok");
    expect(port, "GET /readyz HTTP/1.1\r\n\r\n", "HTTP/1.1 503 Service Unavailable\r\n",
           "\r\n\r\nthe tide is out\n");
    stop(&child);
}

static void metrics_are_shown_to_prometheus(void **state)
{
    struct child child;
    uint16_t port = start(&child, &ready);

    (void)state;
    expect(port, "GET /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n",
           "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n");
    expect(port, "GET /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n", "\njackdaw_ready 1\n");
    expect(port, "GET /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n",
           "\nprocess_resident_memory_bytes ");
    expect(port, "GET /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n",
           "\njackdaw_log_lines_total{level=\"error\"} 0\n");
    expect(port, "GET /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n",
           "\njackdaw_health_requests_total 4\n");
    stop(&child);
}

static void other_requests_are_refused(void **state)
{
    struct child child;
    uint16_t port = start(&child, &ready);
    char request[6000];

    (void)state;
    expect(port, "GET /etc/passwd HTTP/1.1\r\n\r\n", "HTTP/1.1 404 ", "");
    expect(port, "POST /healthz HTTP/1.1\r\n\r\n", "HTTP/1.1 405 ", "");
    expect(port, "\r\n\r\n", "HTTP/1.1 405 ", "");
    expect(port, "GET \r\n\r\n", "HTTP/1.1 404 ", "");
    memset(request, 'a', sizeof(request) - 1);
    request[sizeof(request) - 1] = '\0';
    expect(port, request, "", ""); /* closed without an answer */
    expect(port, "GET /healthz HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n", "ok");
    stop(&child);
}

/* The daemon answers again within a while: a place is free a moment after its connection is seen to
 * have ended. */
static void expect_soon(uint16_t port)
{
    bool is_answered = false;

    for (int i = 0; i < 100 && !is_answered; i++) {
        struct buf answer = {0};
        child_ask(port, "GET /healthz HTTP/1.1\r\n\r\n", &answer);
        is_answered = span_has_prefix(buf_span(&answer), SPAN("HTTP/1.1 200 OK\r\n"));
        buf_deinit(&answer);
        if (!is_answered)
            usleep(50000);
    }
    assert_true(is_answered);
}

static void idle_connections_are_bounded_and_dropped(void **state)
{
    struct child child;
    uint16_t port = start(&child, &ready);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fds[64];

    (void)state;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (size_t i = 0; i < 64; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(connect(fds[i], (struct sockaddr *)&address, sizeof(address)), 0);
    }
    expect(port, "GET /healthz HTTP/1.1\r\n\r\n", "", ""); /* one too many: closed */
    /* The first of them was certainly taken; the last may have been the one too many itself. */
    struct pollfd ended = {.fd = fds[0], .events = POLLIN};
    assert_int_equal(poll(&ended, 1, PATIENCE_MS), 1); /* the daemon loses its patience */
    expect_soon(port);
    for (size_t i = 0; i < 64; i++)
        close(fds[i]);
    stop(&child);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ready_daemon_says_so),
        cmocka_unit_test(an_unready_daemon_says_why),
        cmocka_unit_test(metrics_are_shown_to_prometheus),
        cmocka_unit_test(other_requests_are_refused),
        cmocka_unit_test(idle_connections_are_bounded_and_dropped),
    };

    return cmocka_run_group_tests(tests, child_setup, child_teardown);
}
