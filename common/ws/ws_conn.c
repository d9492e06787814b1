/* One WebSocket connection: messages put together, frames built, flushed once a turn, closed. */
#include "base/log.h"
#include "base/mem.h"
#include "metric/metric.h"
#include "ws/ws_internal.h"

#include <sys/socket.h>

#define FRAME_TEXT  0x81 /* final fragment, text */
#define FRAME_CLOSE 0x88
#define FRAME_PING  0x89

/* ---- out ---- */

static struct buf *buffer_take(struct ws_server *server)
{
    if (server->spare_count > 0)
        return server->spare[--server->spare_count];
    return mem_calloc(1, sizeof(struct buf));
}

static void buffer_give(struct ws_server *server, struct buf *buf)
{
    if (!buf)
        return;
    if (server->spare_count < WS_SPARE_BUFFERS && buf->cap <= WS_SPARE_BYTES) {
        buf_reset(buf);
        server->spare[server->spare_count++] = buf;
        return;
    }
    buf_deinit(buf);
    mem_free(buf);
}

static void mark_dirty(struct ws_conn *conn)
{
    if (conn->is_dirty)
        return;
    conn->is_dirty = true;
    list_add_tail(&conn->server->dirty, &conn->dirty);
    loop_task_schedule(&conn->server->flush);
}

static void append_frame(struct ws_conn *conn, uint8_t opcode, struct span payload)
{
    uint8_t head[10] = {opcode};
    size_t head_len = 2;
    size_t length_bytes = payload.len < 126 ? 0 : payload.len < 65536 ? 2 : 8;
    if (length_bytes == 0)
        head[1] = (uint8_t)payload.len;
    else
        head[1] = length_bytes == 2 ? 126 : 127;
    for (size_t i = 0; i < length_bytes; i++)
        head[head_len++] = (uint8_t)(payload.len >> (8 * (length_bytes - 1 - i)));
    if (!conn->out)
        conn->out = buffer_take(conn->server);
    buf_append(conn->out, head, head_len);
    buf_append_span(conn->out, payload);
    mark_dirty(conn);
}

static size_t queued_bytes(const struct ws_conn *conn)
{
    return conn->in_lws + (conn->out ? conn->out->len : 0);
}

int ws_send(struct ws_conn *conn, struct span text)
{
    if (conn->is_finishing)
        return -1;
    if (queued_bytes(conn) + text.len > conn->server->options.limits.max_queue_bytes) {
        metric_inc(METRIC_ws_queue_full);
        return -1;
    }
    metric_inc(METRIC_ws_messages_out);
    append_frame(conn, FRAME_TEXT, text);
    return 0;
}

void ws_conn_ping(struct ws_conn *conn)
{
    /* With a payload: libwebsockets reports no empty pong. */
    if (!conn->is_finishing)
        append_frame(conn, FRAME_PING, SPAN("jd"));
}

void ws_finish(struct ws_conn *conn, const struct span *last, size_t count, uint16_t code)
{
    if (conn->is_finishing)
        return;
    for (size_t i = 0; i < count; i++)
        append_frame(conn, FRAME_TEXT, last[i]);
    const char payload[2] = {(char)(code >> 8), (char)(code & 0xff)};
    append_frame(conn, FRAME_CLOSE, span_of(payload, sizeof(payload)));
    ws_set_reading(conn, true); /* the answer to our close frame */
    conn->is_finishing = true;
    ws_idle_finish(conn);
}

/* Where bytes wait in libwebsockets it does not close at once but first wants to be rid of them: so
 * that must fail. */
void ws_conn_kill(struct ws_conn *conn)
{
    conn->is_finishing = true;
    (void)shutdown(lws_get_socket_fd(conn->wsi), SHUT_RDWR);
    lws_set_timeout(conn->wsi, PENDING_TIMEOUT_KILLED_BY_PARENT, LWS_TO_KILL_SYNC);
}

/* Told at the end of the turn, never from within a callback: libwebsockets would stop in the middle of
 * a TLS record, put what it has read of it aside again and again without end, and later not know
 * that OpenSSL holds the rest. So what was decrypted already is still handed up, 16 kB at most. */
static void apply_reading(struct ws_conn *conn)
{
    if (conn->is_off == conn->is_paused)
        return;
    conn->is_off = conn->is_paused;
    (void)lws_rx_flow_control(conn->wsi, conn->is_paused ? 0 : 1);
}

/* Gives what is queued to libwebsockets. 0, or -1 when the connection is dead. */
static int flush_conn(struct ws_conn *conn)
{
    if (conn->out && !lws_partial_buffered(conn->wsi)) {
        size_t len = conn->out->len;
        metric_inc(METRIC_ws_writes);
        if (lws_write(conn->wsi, (unsigned char *)conn->out->data, len, LWS_WRITE_HTTP) < 0)
            return -1;
        conn->in_lws = lws_partial_buffered(conn->wsi) ? (uint32_t)len : 0;
        buffer_give(conn->server, conn->out);
        conn->out = NULL;
    }
    if (conn->in_lws > 0)
        lws_callback_on_writable(conn->wsi);
    return 0;
}

void ws_flush(void *arg)
{
    struct ws_server *server = arg;
    while (!list_is_empty(&server->dirty)) {
        struct ws_conn *conn = CONTAINER_OF(server->dirty.next, struct ws_conn, dirty);
        list_remove(&conn->dirty);
        conn->is_dirty = false;
        apply_reading(conn);
        if (flush_conn(conn) < 0)
            ws_conn_kill(conn);
    }
}

/* The socket takes bytes again and libwebsockets holds none of ours. */
int ws_conn_writeable(struct ws_conn *conn)
{
    if (lws_partial_buffered(conn->wsi))
        return 0;
    conn->in_lws = 0;
    return conn->out ? flush_conn(conn) : 0;
}

/* ---- in ---- */

static int hand_up(struct ws_conn *conn, struct span text)
{
    metric_inc(METRIC_ws_messages_in);
    conn->server->options.handlers.message(conn->user, text);
    return 0;
}

static int refuse_size(struct ws_conn *conn)
{
    conn->is_skipping = true;
    buffer_give(conn->server, conn->in);
    conn->in = NULL;
    conn->server->options.handlers.too_big(conn->user);
    if (!conn->is_finishing)
        ws_finish(conn, NULL, 0, WS_CLOSE_TOO_BIG);
    return 0;
}

static int assemble(struct ws_conn *conn, struct span part, bool is_last)
{
    if (!conn->in)
        conn->in = buffer_take(conn->server);
    buf_append_span(conn->in, part);
    if (!is_last)
        return 0;
    struct buf *whole = conn->in;
    conn->in = NULL;
    hand_up(conn, buf_span(whole));
    buffer_give(conn->server, whole);
    return 0;
}

static size_t max_message(const struct ws_conn *conn)
{
    const struct ws_limits *limits = &conn->server->options.limits;
    return conn->is_admitted || limits->max_first_bytes == 0 ? limits->max_message_bytes
                                                             : limits->max_first_bytes;
}

int ws_conn_receive(struct ws_conn *conn, const char *in, size_t len)
{
    bool is_last = lws_is_final_fragment(conn->wsi) != 0;
    ws_idle_touch(conn);
    if (conn->is_finishing || conn->is_skipping)
        return 0;
    if (lws_frame_is_binary(conn->wsi)) {
        ws_finish(conn, NULL, 0, WS_CLOSE_UNSUPPORTED);
        return 0;
    }
    size_t have = conn->in ? conn->in->len : 0;
    if (have + len > max_message(conn))
        return refuse_size(conn);
    if (is_last && !conn->in)
        return hand_up(conn, span_of(in, len));
    return assemble(conn, span_of(in, len), is_last);
}

void ws_admit(struct ws_conn *conn)
{
    conn->is_admitted = true;
}

void ws_set_reading(struct ws_conn *conn, bool on)
{
    if (conn->is_paused == !on || conn->is_finishing)
        return;
    conn->is_paused = !on;
    ws_idle_touch(conn);
    mark_dirty(conn);
}

/* ---- from birth to death ---- */

/* libwebsockets sets the kernel's send buffer to the size of its own receive buffer, which makes
 * every other write a partial one. */
static void widen_send_buffer(struct lws *wsi)
{
    int size = WS_SEND_BUFFER;
    (void)setsockopt(lws_get_socket_fd(wsi), SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

int ws_conn_open(struct lws *wsi)
{
    struct ws_server *server = ws_server_of(wsi);
    struct ws_conn *conn = mem_calloc(1, sizeof(*conn));
    conn->server = server;
    conn->wsi = wsi;
    conn->is_secure = lws_is_ssl(wsi) != 0;
    widen_send_buffer(wsi);
    conn->user = server->options.handlers.open(server->options.ctx, conn);
    if (!conn->user) {
        mem_free(conn);
        lws_close_reason(wsi, LWS_CLOSE_STATUS_GOINGAWAY, NULL, 0);
        return -1;
    }
    lws_set_opaque_user_data(wsi, conn);
    server->conn_count++;
    metric_set(METRIC_ws_connections, server->conn_count);
    ws_limit_add(conn);
    ws_idle_add(conn);
    return 0;
}

void ws_conn_closed(struct ws_conn *conn)
{
    struct ws_server *server = conn->server;
    conn->is_finishing = true;
    server->options.handlers.closed(conn->user);
    list_remove(&conn->idle);
    if (conn->is_dirty)
        list_remove(&conn->dirty);
    ws_limit_remove(conn);
    buffer_give(server, conn->out);
    buffer_give(server, conn->in);
    server->conn_count--;
    metric_set(METRIC_ws_connections, server->conn_count);
    mem_free(conn);
}

bool ws_is_secure(const struct ws_conn *conn)
{
    return conn->is_secure;
}

void ws_address(const struct ws_conn *conn, char out[WS_ADDRESS_MAX])
{
    ws_limit_address(conn->wsi, out);
}
