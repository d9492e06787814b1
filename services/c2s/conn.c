/* One TCP connection of a client: bytes between the socket and its stream, TLS in between.
 *
 * What the stream sends in one turn of the loop leaves as one TLS record and one write at the
 * turn's end. Between turns an idle connection holds no buffer.
 */
#include "c2s.h"

#include "base/log.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "loop/task.h"
#include "metric/metric.h"

#include <stdio.h>
#include <string.h>

#define CONN_GOODBYE_MS  5000  /* for the last bytes to be taken and the client to close too */
#define CONN_SCRATCH_MAX 65536 /* bytes of scratch kept between reads */

struct conn {
    struct list_node node;
    struct c2s *c2s;
    struct tcp_conn *tcp;     /* NULL once given back to be closed */
    struct tcp_conn *leaving; /* it said goodbye */
    struct tls *tls;          /* NULL: plain text */
    struct stream *stream;
    struct loop_task flush;
    uint64_t address_key;
    struct buf pending; /* plain text to be sent at the end of this turn */
    bool is_finishing;
};

static void conn_free(struct conn *conn)
{
    loop_task_cancel(&conn->flush);
    list_remove(&conn->node);
    conn->c2s->conn_count--;
    admit_leave(&conn->c2s->addresses, conn->address_key);
    metric_set(METRIC_c2s_connections, conn->c2s->conn_count);
    tls_free(conn->tls);
    buf_deinit(&conn->pending);
    if (conn->c2s->conn_count == 0 && conn->c2s->is_drained) {
        loop_task_schedule(&conn->c2s->all_gone);
    }
    mem_free(conn);
}

/* The connection is over, whoever ended it: tells the stream and lets the socket go. */
static void conn_end(struct conn *conn)
{
    struct stream *stream = conn->stream;

    conn->stream = NULL;
    if (stream != NULL) {
        stream_closed(stream);
    }
    if (conn->tcp != NULL) {
        struct tcp_conn *tcp = conn->tcp;
        conn->tcp = NULL;
        tcp_close(tcp);
    }
}

/* ---- out ---- */
static void conn_flush(void *arg)
{
    struct conn *conn = arg;
    struct buf *out = &conn->c2s->encrypted;

    if (conn->tcp == NULL || conn->pending.len == 0) {
        return;
    }
    if (conn->tls == NULL) {
        tcp_write(conn->tcp, buf_span(&conn->pending));
    } else {
        buf_reset(out);
        if (tls_send(conn->tls, buf_span(&conn->pending), out) == 0) {
            tcp_write(conn->tcp, buf_span(out));
        }
    }
    buf_deinit(&conn->pending);
}

static int conn_send(void *arg, struct span text)
{
    struct conn *conn = arg;

    if (conn->tcp == NULL || conn->is_finishing ||
        conn->pending.len + tcp_pending(conn->tcp) + text.len > conn->c2s->max_queue_bytes) {
        return -1;
    }
    buf_append_span(&conn->pending, text);
    loop_task_schedule(&conn->flush);
    return 0;
}

static void conn_finish(void *arg, const struct span *last, size_t count)
{
    struct conn *conn = arg;
    struct buf *out = &conn->c2s->encrypted;

    if (conn->tcp == NULL || conn->is_finishing) {
        return;
    }
    conn->is_finishing = true;
    for (size_t i = 0; i < count; i++) {
        buf_append_span(&conn->pending, last[i]);
    }
    conn_flush(conn);
    if (conn->tls != NULL) {
        buf_reset(out);
        tls_finish(conn->tls, out);
        tcp_write(conn->tcp, buf_span(out));
    }
    conn->leaving = conn->tcp;
    conn->tcp = NULL;
    tcp_goodbye(conn->leaving, CONN_GOODBYE_MS);
}

/* The client sends no more, but what it sent before is answered, and it may still read (RFC 6120
 * section 4.4). */
static void conn_on_end(void *arg)
{
    struct conn *conn = arg;

    if (conn->stream != NULL) {
        stream_input_ended(conn->stream);
    }
    conn_end(conn);
}

/* ---- TLS ---- */
static void conn_refuse(struct conn *conn, const char *why)
{
    uint32_t more;

    if (admit_may_say(&conn->c2s->said_tls, loop_now_ms(conn->c2s->holder.daemon->loop), &more)) {
        LOG_INFO("tls_failed", "address=%s reason=\"%s\" more=%u", tcp_peer(conn->tcp), why, more);
    }
    metric_inc(METRIC_c2s_tls_failures);
    conn_end(conn);
}

static enum tls_state conn_decrypt(struct conn *conn, struct span wire, struct buf *plain)
{
    bool was_open = tls_is_open(conn->tls);
    enum tls_state state = tls_receive(conn->tls, wire, plain, &conn->c2s->encrypted);

    if (!was_open && state == TLS_OPEN && tls_client_problem(conn->tls)[0]) {
        LOG_INFO("client_certificate", "address=%s reason=%s", tcp_peer(conn->tcp),
                 tls_client_problem(conn->tls));
    }
    return state;
}

/* Decrypts and hands up what came. The scratch is taken for the call: the stream may write, and so
 * come back here for another connection, while its input is being looked at. */
static void conn_read_tls(struct conn *conn, struct span wire)
{
    struct c2s *c2s = conn->c2s;
    struct buf plain = c2s->decrypted;
    enum tls_state state;

    c2s->decrypted = (struct buf){0};
    buf_reset(&plain);
    buf_reset(&c2s->encrypted);
    state = conn_decrypt(conn, wire, &plain);
    if (c2s->encrypted.len > 0) {
        tcp_write(conn->tcp, buf_span(&c2s->encrypted));
    }
    if (plain.len > 0 && conn->stream != NULL) {
        stream_receive(conn->stream, buf_span(&plain));
    }
    if (conn->tcp != NULL && state == TLS_FAILED) {
        conn_refuse(conn, tls_failure(conn->tls));
    } else if (conn->tcp != NULL && state == TLS_ENDED) {
        conn_on_end(conn);
    }
    if (plain.cap <= CONN_SCRATCH_MAX && c2s->decrypted.data == NULL) {
        c2s->decrypted = plain;
    } else {
        buf_deinit(&plain);
    }
}

static int conn_start_tls(void *arg, struct span proceed, struct span domain)
{
    struct conn *conn = arg;

    if (conn->tls != NULL || conn->tcp == NULL) {
        return -1;
    }
    buf_append_span(&conn->pending, proceed);
    conn_flush(conn);
    conn->tls = tls_new(conn->c2s->tls);
    tls_prefer(conn->tls, domain);
    return 0;
}

/* ---- facts for the stream ---- */
static void conn_set_reading(void *arg, bool on)
{
    struct conn *conn = arg;

    if (conn->tcp != NULL) {
        (on ? tcp_resume : tcp_pause)(conn->tcp);
    }
}

static void conn_address(void *arg, char *out, size_t size)
{
    const struct conn *conn = arg;

    (void)snprintf(out, size, "%s", conn->tcp != NULL ? tcp_peer(conn->tcp) : "");
}

/* RFC 9266, RFC 5929 */
static const struct {
    const char *type;
    size_t (*load)(struct tls *tls, unsigned char *out, size_t size);
} channel_bindings[] = {
    {"tls-exporter", tls_exporter},
    {"tls-server-end-point", tls_server_end_point},
    {"tls-unique", tls_unique},
};

static size_t conn_channel_binding(void *arg, const char *type, unsigned char *out, size_t size)
{
    const struct conn *conn = arg;

    for (size_t i = 0; i < sizeof(channel_bindings) / sizeof(channel_bindings[0]); i++) {
        if (conn->tls != NULL && strcmp(type, channel_bindings[i].type) == 0) {
            return channel_bindings[i].load(conn->tls, out, size);
        }
    }
    return 0;
}

static bool conn_certificate(void *arg, struct arena *arena, struct wire_strs *addresses_out)
{
    const struct conn *conn = arg;

    if (conn->tls == NULL || !tls_client_is_trusted(conn->tls)) {
        return false;
    }
    addresses_out->count = (uint32_t)tls_client_addresses(conn->tls, arena, &addresses_out->items);
    return true;
}

static const struct stream_transport conn_starttls = {
    .name = "tcp",
    .send = conn_send,
    .finish = conn_finish,
    .set_reading = conn_set_reading,
    .address = conn_address,
    .start_tls = conn_start_tls,
    .channel_binding = conn_channel_binding,
    .certificate = conn_certificate,
};

static const struct stream_transport conn_direct = {
    .name = "tls",
    .channel_binding = conn_channel_binding,
    .certificate = conn_certificate,
    .send = conn_send,
    .finish = conn_finish,
    .set_reading = conn_set_reading,
    .address = conn_address,
};

/* ---- in ---- */
static void conn_on_read(void *arg, struct span bytes)
{
    struct conn *conn = arg;

    if (conn->tls != NULL) {
        conn_read_tls(conn, bytes);
    } else if (conn->stream != NULL) {
        stream_receive(conn->stream, bytes);
    }
}

static void conn_on_closed(void *arg)
{
    struct conn *conn = arg;

    conn->tcp = NULL;
    conn->leaving = NULL;
    conn_end(conn);
    conn_free(conn);
}

static const struct tcp_handlers conn_handlers = {
    .on_read = conn_on_read,
    .on_end = conn_on_end,
    .on_closed = conn_on_closed,
};

void conn_accept(struct c2s *c2s, struct tcp_conn *tcp, bool is_direct)
{
    uint64_t key = admit_address_key(span_cstr(tcp_peer(tcp)));
    struct conn *conn;

    if (refuse_connection(c2s, tcp, key, is_direct)) {
        return;
    }
    conn = mem_calloc(1, sizeof(*conn));
    conn->c2s = c2s;
    conn->tcp = tcp;
    conn->address_key = key;
    (void)admit_enter(&c2s->addresses, key, 0);
    loop_task_init(&conn->flush, c2s->holder.daemon->loop, conn_flush, conn);
    list_add_tail(&c2s->conns, &conn->node);
    metric_set(METRIC_c2s_connections, ++c2s->conn_count);
    if (is_direct) {
        conn->tls = tls_new(c2s->tls);
    }
    conn->stream =
        stream_new(c2s->holder.streams, is_direct ? &conn_direct : &conn_starttls, conn, is_direct);
    tcp_conn_start(tcp, &conn_handlers, conn);
}

void conn_close_all(struct c2s *c2s)
{
    LIST_FOREACH_SAFE(node, &c2s->conns)
    {
        struct conn *conn = CONTAINER_OF(node, struct conn, node);
        conn_end(conn);
        if (conn->leaving != NULL) {
            tcp_close(conn->leaving);
        }
    }
}
