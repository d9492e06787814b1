/* Connections: what is written in one turn of the loop leaves in one system call at its end. */
#include "loop/tcp.h"

#include "base/assert.h"
#include "base/mem.h"
#include "loop/loop_internal.h"

#include <stdio.h>

static void flush(void *arg);

struct tcp_conn *tcp_conn_new(struct loop *loop, bool is_unix)
{
    struct tcp_conn *conn = mem_calloc(1, sizeof(*conn));
    int rc = is_unix ? uv_pipe_init(&loop->uv, &conn->handle.pipe, 0)
                     : uv_tcp_init(&loop->uv, &conn->handle.tcp);

    ASSERT(rc == 0);
    conn->handle.any.data = conn;
    conn->loop = loop;
    loop_task_init(&conn->flush, loop, flush, conn);
    (void)snprintf(conn->peer, sizeof(conn->peer), "unix");
    return conn;
}

/* Nothing more comes. */
static void end(struct tcp_conn *conn)
{
    if (conn->is_closed || conn->is_ended)
        return;
    conn->is_ended = true;
    uv_read_stop(&conn->handle.stream);
    if (!conn->is_finishing && conn->handlers)
        conn->handlers->on_end(conn->arg);
    else if (conn->is_broken || tcp_pending(conn) == 0)
        tcp_close(conn);
}

/* Nothing more comes or goes. */
static void break_off(struct tcp_conn *conn)
{
    conn->is_broken = true;
    if (conn->is_ended && conn->is_finishing)
        tcp_close(conn);
    else
        end(conn);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct tcp_conn *conn = handle->data;

    (void)suggested;
    if (!conn->loop->read_buffer)
        conn->loop->read_buffer = mem_alloc(LOOP_READ_BUFFER_BYTES);
    *buf = uv_buf_init(conn->loop->read_buffer, LOOP_READ_BUFFER_BYTES);
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buf)
{
    struct tcp_conn *conn = stream->data;

    if (len == UV_EOF)
        end(conn);
    else if (len < 0)
        break_off(conn);
    else if (len > 0 && !conn->goodbye)
        conn->handlers->on_read(conn->arg, span_of(buf->base, (size_t)len));
}

void tcp_apply_reading(struct tcp_conn *conn)
{
    if (conn->is_closed || conn->is_ended || conn->is_connecting || !conn->handlers)
        return;
    if (!conn->is_reading) {
        uv_read_stop(&conn->handle.stream);
        return;
    }
    int rc = uv_read_start(&conn->handle.stream, on_alloc, on_read);
    if (rc != 0 && rc != UV_EALREADY)
        break_off(conn);
}

static void note_peer(struct tcp_conn *conn)
{
    struct sockaddr_storage peer = {0};
    int len = sizeof(peer);

    if (conn->handle.any.type != UV_TCP)
        return;
    (void)uv_tcp_nodelay(&conn->handle.tcp, 1);
    conn->peer[0] = '\0';
    if (uv_tcp_getpeername(&conn->handle.tcp, (struct sockaddr *)&peer, &len) != 0)
        return; /* gone already */
    if (peer.ss_family == AF_INET6)
        (void)uv_ip6_name((struct sockaddr_in6 *)&peer, conn->peer, sizeof(conn->peer));
    else
        (void)uv_ip4_name((struct sockaddr_in *)&peer, conn->peer, sizeof(conn->peer));
}

void tcp_conn_connected(struct tcp_conn *conn)
{
    conn->is_connecting = false;
    note_peer(conn);
    tcp_apply_reading(conn);
}

static void on_connect(uv_connect_t *connect, int status)
{
    struct tcp_conn *conn = connect->data;

    if (status != 0)
        break_off(conn);
    else
        tcp_conn_connected(conn);
}

struct tcp_conn *tcp_connect(struct loop *loop, const char *address, uint16_t port)
{
    struct sockaddr_storage to;
    const char *path = address_unix_path(address);

    if (!path && address_parse(address, port, &to) < 0)
        return NULL;
    struct tcp_conn *conn = tcp_conn_new(loop, path != NULL);
    conn->is_connecting = true;
    conn->connect.data = conn;
    if (path) {
        uv_pipe_connect(&conn->connect, &conn->handle.pipe, path, on_connect);
    } else if (uv_tcp_connect(&conn->connect, &conn->handle.tcp, (struct sockaddr *)&to,
                              on_connect) != 0) {
        tcp_close(conn);
        return NULL;
    }
    return conn;
}

void tcp_conn_start(struct tcp_conn *conn, const struct tcp_handlers *handlers, void *arg)
{
    conn->handlers = handlers;
    conn->arg = arg;
    conn->is_reading = true;
    tcp_apply_reading(conn);
}

void tcp_pause(struct tcp_conn *conn)
{
    conn->is_reading = false;
    tcp_apply_reading(conn);
}

void tcp_resume(struct tcp_conn *conn)
{
    conn->is_reading = true;
    tcp_apply_reading(conn);
}

void tcp_write(struct tcp_conn *conn, struct span bytes)
{
    if (conn->is_closed || conn->is_broken || bytes.len == 0)
        return;
    buf_append_span(&conn->out, bytes);
    loop_task_schedule(&conn->flush);
}

size_t tcp_pending(const struct tcp_conn *conn)
{
    return conn->out.len + conn->sending.len;
}

static void drained(struct tcp_conn *conn)
{
    /* An idle connection holds no memory. */
    buf_deinit(&conn->out);
    buf_deinit(&conn->sending);
    if (conn->goodbye && !conn->is_ended)
        tcp_goodbye_drained(conn);
    else if (conn->is_finishing)
        tcp_close(conn);
    else if (conn->handlers && conn->handlers->on_drained)
        conn->handlers->on_drained(conn->arg);
}

static void on_written(uv_write_t *write, int status)
{
    struct tcp_conn *conn = write->data;

    buf_reset(&conn->sending);
    if (conn->is_closed)
        return;
    if (status != 0)
        break_off(conn);
    else
        flush(conn);
}

/* Leaves what the kernel did not take to libuv. */
static void queue_rest(struct tcp_conn *conn)
{
    struct buf empty = conn->sending;

    conn->sending = conn->out;
    conn->out = empty;
    conn->write.data = conn;
    uv_buf_t rest = uv_buf_init(conn->sending.data, (unsigned)conn->sending.len);
    int rc = uv_write(&conn->write, &conn->handle.stream, &rest, 1, on_written);
    if (rc != 0) {
        buf_reset(&conn->sending);
        break_off(conn);
    }
}

static void flush(void *arg)
{
    struct tcp_conn *conn = arg;

    if (conn->is_closed || conn->is_broken || conn->sending.len)
        return; /* on_written comes back here */
    if (conn->out.len == 0) {
        drained(conn);
        return;
    }
    uv_buf_t out = uv_buf_init(conn->out.data, (unsigned)conn->out.len);
    int sent = uv_try_write(&conn->handle.stream, &out, 1);
    if (sent < 0 && sent != UV_EAGAIN) {
        break_off(conn);
        return;
    }
    buf_consume(&conn->out, sent > 0 ? (size_t)sent : 0);
    if (conn->out.len)
        queue_rest(conn);
    else
        drained(conn);
}

static void on_closed(uv_handle_t *handle)
{
    struct tcp_conn *conn = handle->data;

    if (conn->handlers && conn->handlers->on_closed)
        conn->handlers->on_closed(conn->arg);
    buf_deinit(&conn->out);
    buf_deinit(&conn->sending);
    mem_free(conn->goodbye);
    mem_free(conn);
}

void tcp_close(struct tcp_conn *conn)
{
    if (conn->is_closed)
        return;
    conn->is_closed = true;
    loop_task_cancel(&conn->flush);
    tcp_goodbye_stop(conn);
    uv_close(&conn->handle.any, on_closed);
}

void tcp_finish(struct tcp_conn *conn)
{
    tcp_pause(conn);
    conn->is_finishing = true;
    if (conn->is_broken)
        tcp_close(conn);
    else if (!conn->is_closed)
        loop_task_schedule(&conn->flush);
}

const char *tcp_peer(const struct tcp_conn *conn)
{
    return conn->peer;
}
