/* A stream between a transport that remembers what it was told and a bus whose other side is the
 * test: the functions of bus.h are defined here, so that the real bus is not linked. */
#ifndef JACKDAW_TEST_STREAM_FAKE_H
#define JACKDAW_TEST_STREAM_FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "bus/bus.h"
#include "loop/loop.h"
#include "stanza/stanza.h"
#include "stream/stream.h"

#include <stdio.h>
#include <unistd.h>

#define MAX_SENT 64

struct fake_call {
    struct wire_msg msg; /* spans point into `bytes` */
    struct buf bytes;
    bus_reply_fn *reply;
    void *arg;
    bool is_open;
};

struct fake_item {
    struct wire_msg msg;
    struct buf bytes;
    bus_settled_fn *settled;
    void *arg;
};

/* What the bus was asked for, and what it answers. */
static struct {
    struct arena arena;
    struct fake_call calls[MAX_SENT];
    size_t call_count;
    struct fake_item items[MAX_SENT];
    size_t item_count;
    unsigned settled;
    uint64_t last_token;
    bool is_full; /* bus_send returns -1 */
} fake;

/* What the transport was told. */
struct fake_conn {
    struct buf out; /* messages, each with a newline behind it */
    struct stream *stream;
    bool is_finished;
    bool is_full;
    bool is_paused;
};

static struct stream_host *host;
static struct loop *loop;

/* ---- bus ---- */

static void keep_msg(const struct wire_msg *msg, struct buf *bytes, struct wire_msg *copy)
{
    wire_encode(msg, bytes);
    assert_int_equal(wire_decode(buf_span(bytes), &fake.arena, copy, NULL), 0);
}

static int keep_item(const struct wire_msg *msg, bus_settled_fn *settled, void *arg)
{
    if (fake.is_full)
        return -1;
    assert_true(fake.item_count < MAX_SENT);
    struct fake_item *item = &fake.items[fake.item_count++];
    keep_msg(msg, &item->bytes, &item->msg);
    item->settled = settled;
    item->arg = arg;
    return 0;
}

int bus_send(struct bus *bus, const char *kind, uint64_t hash, const struct wire_msg *msg,
             bus_settled_fn *settled, void *arg)
{
    (void)bus;
    (void)hash;
    assert_string_equal(kind, "router");
    return keep_item(msg, settled, arg);
}

int bus_send_to(struct bus_peer *peer, const struct wire_msg *msg, bus_settled_fn *settled,
                void *arg)
{
    (void)peer;
    return keep_item(msg, settled, arg);
}

uint64_t bus_call(struct bus *bus, const char *kind, uint64_t hash, const struct wire_msg *request,
                  uint32_t deadline_ms, bus_reply_fn *reply, void *arg)
{
    (void)bus;
    (void)hash;
    (void)deadline_ms;
    assert_string_equal(kind, "session");
    assert_true(fake.call_count < MAX_SENT);
    struct fake_call *call = &fake.calls[fake.call_count++];
    keep_msg(request, &call->bytes, &call->msg);
    call->reply = reply;
    call->arg = arg;
    call->is_open = true;
    return fake.call_count;
}

void bus_call_cancel(struct bus *bus, uint64_t handle)
{
    (void)bus;
    fake.calls[handle - 1].is_open = false;
}

void bus_settle(struct bus_peer *peer, uint64_t token)
{
    (void)peer;
    fake.settled++;
    fake.last_token = token;
}

const char *bus_peer_instance(const struct bus_peer *peer)
{
    (void)peer;
    return "router-1";
}

/* ---- the other side ---- */

/* The newest call that is still open; it must be of kind `id`. */
static inline struct fake_call *open_call(enum wire_id id)
{
    for (size_t i = fake.call_count; i-- > 0;) {
        if (!fake.calls[i].is_open)
            continue;
        assert_int_equal(fake.calls[i].msg.id, id);
        return &fake.calls[i];
    }
    fail_msg("no call %s is open", wire_name(id));
    return NULL;
}

static inline bool has_open_call(void)
{
    for (size_t i = 0; i < fake.call_count; i++)
        if (fake.calls[i].is_open)
            return true;
    return false;
}

static inline void answer(enum wire_id id, enum bus_outcome outcome, const struct wire_msg *reply)
{
    struct fake_call *call = open_call(id);
    call->is_open = false;
    call->reply(call->arg, outcome, reply);
}

static inline void answer_sasl(enum wire_id id, enum wire_sasl_outcome outcome, const char *data)
{
    struct wire_msg reply = {
        .id = WIRE_ID_sasl_reply,
        .u.sasl_reply = {.outcome = outcome, .data = span_cstr(data), .state = SPAN("sealed")},
    };
    if (outcome == WIRE_SASL_SUCCESS)
        reply.u.sasl_reply.account = SPAN("romeo@localhost");
    if (outcome == WIRE_SASL_FAILURE)
        reply.u.sasl_reply.condition = span_cstr(data);
    answer(id, BUS_SETTLED, &reply);
}

static inline void answer_result(enum wire_id id, const char *condition)
{
    struct wire_msg reply = {.id = WIRE_ID_result, .u.result.condition = span_cstr(condition)};
    answer(id, BUS_SETTLED, &reply);
}

static inline void answer_bind(const char *jid, uint64_t sid)
{
    struct wire_msg reply = {.id = WIRE_ID_bind_reply,
                             .u.bind_reply = {.jid = span_cstr(jid), .sid = sid, .epoch = 1}};
    answer(WIRE_ID_bind, BUS_SETTLED, &reply);
}

/* The stanza of the item `index` as XML. */
static inline const char *item_xml(size_t index, struct buf *out)
{
    struct stanza stanza;
    assert_true(index < fake.item_count);
    assert_int_equal(fake.items[index].msg.id, WIRE_ID_route);
    assert_int_equal(stanza_decode(fake.items[index].msg.u.route.stanza, &fake.arena, &stanza), 0);
    buf_reset(out);
    stanza_write(&stanza, (struct span){0}, (struct span){0}, out);
    return buf_cstr(out);
}

static inline void settle_item(size_t index, enum bus_outcome outcome)
{
    bus_settled_fn *settled = fake.items[index].settled;
    fake.items[index].settled = NULL;
    if (settled)
        settled(fake.items[index].arg, outcome);
}

static struct bus_peer *const peer = (struct bus_peer *)&fake;

/* A stanza for `sids` comes down. */
static inline void deliver(const struct stanza *stanza, const uint64_t *sids, uint32_t count)
{
    struct buf encoded = {0};
    stanza_encode(stanza, &encoded);
    struct wire_msg msg = {
        .id = WIRE_ID_deliver,
        .u.deliver = {
            .origin_sid = 5, .origin_n = 6, .sids = {sids, count}, .stanza = buf_span(&encoded)}};
    stream_host_item(host, peer, 77, &msg);
    buf_deinit(&encoded);
}

/* ---- transport ---- */

/* A router tells what stream features say of the server. */
static inline void hear_features(const char *domain, const char *features)
{
    struct wire_msg msg = {.id = WIRE_ID_stream_features};
    msg.u.stream_features = (struct wire_stream_features){span_cstr(domain), span_cstr(features)};
    stream_host_item(host, peer, 0, &msg);
}

static int transport_send(void *conn, struct span text)
{
    struct fake_conn *fc = conn;
    if (fc->is_full)
        return -1;
    buf_append_span(&fc->out, text);
    buf_append_u8(&fc->out, '\n');
    return 0;
}

static void transport_finish(void *conn, const struct span *last, size_t count)
{
    struct fake_conn *fc = conn;
    assert_false(fc->is_finished);
    fc->is_finished = true;
    for (size_t i = 0; i < count; i++) {
        buf_append_span(&fc->out, last[i]);
        buf_append_u8(&fc->out, '\n');
    }
}

static void transport_set_reading(void *conn, bool on)
{
    struct fake_conn *fc = conn;
    fc->is_paused = !on;
}

static void transport_address(void *conn, char *out, size_t size)
{
    (void)conn;
    (void)snprintf(out, size, "192.0.2.1");
}

static const struct stream_transport framed = {.name = "ws",
                                               .is_framed = true,
                                               .send = transport_send,
                                               .finish = transport_finish,
                                               .set_reading = transport_set_reading,
                                               .address = transport_address};
static const struct stream_transport bytes_transport = {.name = "tcp",
                                                        .is_framed = false,
                                                        .send = transport_send,
                                                        .finish = transport_finish,
                                                        .set_reading = transport_set_reading,
                                                        .address = transport_address};

/* "tls" can bind its channel; `has_exporter` as with TLS 1.3. */
static bool has_exporter;

static size_t transport_binding(void *conn, const char *type, unsigned char *out, size_t size)
{
    (void)conn;
    if (strcmp(type, "tls-exporter") == 0 && !has_exporter)
        return 0;
    return (size_t)snprintf((char *)out, size, "<%s>", type);
}

static const struct stream_transport bound_transport = {.name = "tls",
                                                        .is_framed = true,
                                                        .send = transport_send,
                                                        .finish = transport_finish,
                                                        .set_reading = transport_set_reading,
                                                        .channel_binding = transport_binding,
                                                        .address = transport_address};

/* "tls" with a client's certificate: what is in it. */
static const char *certificate[4];
static bool has_certificate;

static bool transport_certificate(void *conn, struct arena *arena, struct wire_strs *out)
{
    struct span *items = arena_calloc(arena, 4, sizeof(*items));
    (void)conn;
    out->items = items;
    for (out->count = 0; out->count < 4 && certificate[out->count]; out->count++)
        items[out->count] = span_cstr(certificate[out->count]);
    return has_certificate;
}

static const struct stream_transport certified_transport = {.name = "tls",
                                                            .is_framed = true,
                                                            .send = transport_send,
                                                            .finish = transport_finish,
                                                            .set_reading = transport_set_reading,
                                                            .certificate = transport_certificate,
                                                            .address = transport_address};

/* ---- fixture ---- */

/* "localhost" of the options made last, for tests that change it. */
static struct stream_domain *changed_domain;

static struct stream_options default_options(void)
{
    static struct stream_domain domains[2];
    domains[0] =
        (struct stream_domain){.name = SPAN("localhost"), .scram_sha512 = true, .fast = true};
    domains[1] =
        (struct stream_domain){.name = SPAN("example.org"), .scram_sha512 = true, .fast = true};
    changed_domain = &domains[0];
    return (struct stream_options){
        .loop = loop,
        .bus = (struct bus *)&fake,
        .holder = "edge-1",
        .domains = domains,
        .domain_count = 2,
        .max_stanza_bytes = 10000,
        .max_depth = 20,
        .auth_deadline_ms = 30000,
        .max_auth_attempts = 3,
        .ping_after_ms = 60000,
        .ping_timeout_ms = 30000,
        .call_deadline_ms = 10000,
        .max_backlog_bytes = 2000,
    };
}

static inline void fixture_up(const struct stream_options *changed)
{
    if (!loop)
        loop = loop_new();
    struct stream_options options = changed ? *changed : default_options();
    options.loop = loop;
    host = stream_host_new(&options);
}

static inline void fixture_down(void)
{
    stream_host_free(host);
    loop_free(loop);
    for (size_t i = 0; i < MAX_SENT; i++) {
        buf_deinit(&fake.calls[i].bytes);
        buf_deinit(&fake.items[i].bytes);
    }
    arena_deinit(&fake.arena);
    memset(&fake, 0, sizeof(fake));
    host = NULL;
    loop = NULL;
}

static inline struct fake_conn *conn_new(const struct stream_transport *transport)
{
    struct fake_conn *conn = mem_calloc(1, sizeof(*conn));
    conn->stream = stream_new(host, transport, conn, false);
    return conn;
}

static inline void conn_free(struct fake_conn *conn)
{
    stream_closed(conn->stream);
    buf_deinit(&conn->out);
    mem_free(conn);
}

static inline void say(struct fake_conn *conn, const char *text)
{
    buf_reset(&conn->out);
    stream_receive(conn->stream, span_cstr(text));
}

static inline bool said(struct fake_conn *conn, const char *text)
{
    return strstr(buf_cstr(&conn->out), text) != NULL;
}

#define assert_said(conn, text)                                                                    \
    do {                                                                                           \
        if (!said(conn, text))                                                                     \
            fail_msg("expected %s in %s", text, buf_cstr(&(conn)->out));                           \
    } while (0)

#define OPEN       "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost' version='1.0'/>"
#define AUTH(rest) "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism=" rest
#define BIND_IQ                                                                                    \
    "<iq xmlns='jabber:client' type='set' id='b1'>"                                                \
    "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>orchard</resource></bind></iq>"

/* Up to the features that offer binding. */
static inline struct fake_conn *logged_in(void)
{
    struct fake_conn *conn = conn_new(&framed);
    say(conn, OPEN);
    say(conn, AUTH("'SCRAM-SHA-1'>bjtjbGllbnQ=</auth>"));
    answer_sasl(WIRE_ID_sasl_start, WIRE_SASL_SUCCESS, "");
    say(conn, OPEN);
    return conn;
}

static inline struct fake_conn *bound(const char *jid, uint64_t sid)
{
    struct fake_conn *conn = logged_in();
    say(conn, BIND_IQ);
    answer_bind(jid, sid);
    buf_reset(&conn->out);
    return conn;
}

/* Runs the loop until `condition` holds; a busy machine may take its time. */
#define RUN_UNTIL(condition)                                                                       \
    do {                                                                                           \
        uint64_t until_end = clock_mono_ms() + 20000;                                              \
        while (!(condition)) {                                                                     \
            if (clock_mono_ms() > until_end)                                                       \
                fail_msg("not within 20 s: %s", #condition);                                       \
            loop_run_once(loop, 0);                                                                \
            (void)usleep(500);                                                                     \
        }                                                                                          \
    } while (0)

/* For what must not happen; what must is waited for with RUN_UNTIL. */
static inline void run_for(unsigned ms)
{
    uint64_t end = clock_mono_ms() + ms;
    while (clock_mono_ms() < end) {
        loop_run_once(loop, 0);
        (void)usleep(500);
    }
}

#endif
