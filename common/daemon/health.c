/* The health listener: GET /healthz, /readyz and /metrics over HTTP/1.1, one request a connection.
 *
 * Made for probes and Prometheus, not for the public: a request has to fit HEALTH_REQUEST_MAX and
 * to be there within HEALTH_PATIENCE_MS, and at most HEALTH_CONNS_MAX connections are open at once.
 */
#include "base/list.h"
#include "base/mem.h"
#include "daemon/daemon_internal.h"
#include "loop/tcp.h"
#include "loop/timer.h"
#include "metric/metric.h"

#define HEALTH_REQUEST_MAX 4096
#define HEALTH_PATIENCE_MS 5000
#define HEALTH_CONNS_MAX   64

struct health {
    struct daemon *daemon;
    struct tcp_listener *listener;
    struct list_node conns;
    unsigned conn_count;
};

struct health_conn {
    struct list_node node;
    struct health *health; /* NULL when the listener is gone */
    struct tcp_conn *tcp;
    bool is_answered;
    struct loop_timer patience;
    struct buf request;
};

/* ---- what is asked ---- */
struct health_page {
    const char *path;
    const char *content_type;
    /* Fills the body; returns the status. */
    unsigned (*fill)(struct health *health, struct buf *body);
};

static unsigned fill_healthz(struct health *health, struct buf *body)
{
    (void)health;
    buf_append_cstr(body, "ok\n");
    return 200;
}

static unsigned fill_readyz(struct health *health, struct buf *body)
{
    bool is_ready = daemon_is_ready(health->daemon, body);

    if (is_ready) {
        buf_reset(body);
        buf_append_cstr(body, "ready");
    }
    buf_append_cstr(body, "\n");
    return is_ready ? 200 : 503;
}

static unsigned fill_metrics(struct health *health, struct buf *body)
{
    struct buf why = {0};

    process_measure();
    metric_set(METRIC_ready, daemon_is_ready(health->daemon, &why));
    buf_deinit(&why);
    metric_write(body);
    return 200;
}

static const struct health_page health_pages[] = {
    {"/healthz", "text/plain; charset=utf-8", fill_healthz},
    {"/readyz", "text/plain; charset=utf-8", fill_readyz},
    {"/metrics", "text/plain; version=0.0.4; charset=utf-8", fill_metrics},
};

/* ---- answering ---- */
static const char *health_reason(unsigned status)
{
    static const struct {
        unsigned status;
        const char *reason;
    } reasons[] = {{200, "OK"},
                   {400, "Bad Request"},
                   {404, "Not Found"},
                   {405, "Method Not Allowed"},
                   {503, "Service Unavailable"}};

    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (reasons[i].status == status) {
            return reasons[i].reason;
        }
    }
    return "";
}

static void health_answer(struct health_conn *conn, unsigned status, const char *content_type,
                          struct buf *body)
{
    struct buf head = {0};

    metric_inc(METRIC_health_requests);
    buf_printf(&head,
               "HTTP/1.1 %u %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
               "Cache-Control: no-store\r\nConnection: close\r\n\r\n",
               status, health_reason(status), content_type, body->len);
    buf_append_span(&head, buf_span(body));
    tcp_write(conn->tcp, buf_span(&head));
    buf_deinit(&head);
    /* Who does not read the answer is dropped when patience ends. */
    conn->is_answered = true;
    tcp_finish(conn->tcp);
}

static void health_handle(struct health_conn *conn)
{
    struct span line =
        span_head(buf_span(&conn->request), span_find(buf_span(&conn->request), '\r'));
    struct span rest = span_from(line, span_find(line, ' ') + 1);
    struct span path = span_head(rest, span_find(rest, ' '));
    struct buf body = {0};

    path = span_head(path, span_find(path, '?'));
    if (!span_has_prefix(line, SPAN("GET "))) {
        buf_append_cstr(&body, "only GET\n");
        health_answer(conn, 405, "text/plain", &body);
    }
    for (size_t i = 0; !conn->is_answered && i < sizeof(health_pages) / sizeof(health_pages[0]);
         i++) {
        if (span_is(path, health_pages[i].path)) {
            unsigned status = health_pages[i].fill(conn->health, &body);
            health_answer(conn, status, health_pages[i].content_type, &body);
        }
    }
    if (!conn->is_answered) {
        buf_append_cstr(&body, "there are /healthz, /readyz and /metrics\n");
        health_answer(conn, 404, "text/plain", &body);
    }
    buf_deinit(&body);
}

/* ---- connections ---- */
static void health_drop(void *arg)
{
    struct health_conn *conn = arg;

    loop_timer_stop(&conn->patience);
    tcp_close(conn->tcp);
}

static void health_on_read(void *arg, struct span bytes)
{
    struct health_conn *conn = arg;

    buf_append_span(&conn->request, bytes);
    if (conn->request.len > HEALTH_REQUEST_MAX || conn->health == NULL) {
        health_drop(conn);
    } else if (strstr(buf_cstr(&conn->request), "\r\n\r\n") != NULL) {
        health_handle(conn);
    }
}

static void health_on_closed(void *arg)
{
    struct health_conn *conn = arg;

    loop_timer_stop(&conn->patience);
    list_remove(&conn->node);
    if (conn->health != NULL) {
        conn->health->conn_count--;
    }
    buf_deinit(&conn->request);
    mem_free(conn);
}

static const struct tcp_handlers health_handlers = {
    .on_read = health_on_read,
    .on_end = health_drop,
    .on_closed = health_on_closed,
};

static void health_on_accept(void *arg, struct tcp_conn *tcp)
{
    struct health *health = arg;
    struct health_conn *conn;

    if (health->conn_count >= HEALTH_CONNS_MAX) {
        tcp_close(tcp);
        return;
    }
    conn = mem_calloc(1, sizeof(*conn));
    conn->health = health;
    conn->tcp = tcp;
    health->conn_count++;
    list_add_tail(&health->conns, &conn->node);
    loop_timer_init(&conn->patience, health->daemon->loop, health_drop, conn);
    loop_timer_start(&conn->patience, HEALTH_PATIENCE_MS, 0);
    tcp_conn_start(tcp, &health_handlers, conn);
}

/* ---- life ---- */
struct health *health_new(struct daemon *d, const char *address, uint16_t port, char *error,
                          size_t error_size)
{
    struct health *health = mem_calloc(1, sizeof(*health));
    struct tcp_listen_options options = {
        .address = address, .port = port, .on_accept = health_on_accept, .arg = health};

    health->daemon = d;
    list_init(&health->conns);
    health->listener = tcp_listen(d->loop, &options, error, error_size);
    if (health->listener == NULL) {
        mem_free(health);
        return NULL;
    }
    return health;
}

uint16_t health_port(const struct health *health)
{
    return tcp_listener_port(health->listener);
}

void health_free(struct health *health)
{
    if (health == NULL) {
        return;
    }
    tcp_listener_free(health->listener);
    LIST_FOREACH_SAFE(node, &health->conns)
    {
        struct health_conn *conn = CONTAINER_OF(node, struct health_conn, node);
        list_remove(node);
        conn->health = NULL;
        health_drop(conn);
    }
    mem_free(health);
}
