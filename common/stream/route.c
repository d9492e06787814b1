/* Stanzas from the client: checked, stamped, numbered, sent to the router that owns the sender. */
#include "base/mem.h"
#include "jid/jid.h"
#include "loop/loop.h"
#include "metric/metric.h"
#include "stream/stream_internal.h"
#include "stream/xep0198_internal.h"
#include "trace/trace.h"

/* ---- up ---- */

/* A stanza of a managed session, on its way. */
struct up {
    struct stream_sm *sm; /* held */
    uint64_t number;
};

static void on_up_settled(void *arg, enum bus_outcome outcome)
{
    struct up *up = arg;
    (void)outcome; /* sent to a kind: ends settled */
    stream_sm_settle(up->sm, up->number);
    stream_sm_unref(up->sm);
    mem_free(up);
}

static struct up *up_new(struct stream_sm *sm, uint64_t number)
{
    struct up *up = mem_alloc(sizeof(*up));
    *up = (struct up){sm, number};
    sm->refs++;
    return up;
}

static int send_item(struct stream_session *session, uint64_t n, struct span encoded)
{
    struct up *up =
        n > STREAM_SM_BASE && session->sm ? up_new(session->sm, n - STREAM_SM_BASE) : NULL;
    struct wire_msg item = {
        .id = WIRE_ID_route,
        .u.route = {.origin_sid = session->sid, .origin_n = n, .stanza = encoded},
    };
    int result = bus_send(session->host->options.bus, "router", session->hash, &item,
                          up ? on_up_settled : NULL, up);
    if (result < 0 && up) {
        stream_sm_unref(up->sm);
        mem_free(up);
    }
    return result;
}

static int keep(struct stream_session *session, uint64_t n, struct span encoded)
{
    struct stream *stream = session->stream;
    if (!session->backlog) {
        session->backlog = mem_calloc(1, sizeof(*session->backlog));
        if (stream)
            stream_set_pause(stream, STREAM_PAUSE_BACKLOG, true);
    }
    if (session->backlog->len + encoded.len > session->host->options.max_backlog_bytes)
        return -1;
    metric_inc(METRIC_stream_backlogged);
    buf_append_u64(session->backlog, n);
    buf_append_u32(session->backlog, (uint32_t)encoded.len);
    buf_append_span(session->backlog, encoded);
    stream_session_retry_in(session, STREAM_BACKLOG_RETRY_MS);
    return 0;
}

int stream_session_send(struct stream_session *session, const struct stanza *stanza)
{
    struct buf *encoded = &session->host->encoded;
    bool is_counted = session->sm && session->sm->is_counted; /* stream_sm_came has */
    uint64_t n = is_counted ? session->last_n : session->last_n + 1;
    buf_reset(encoded);
    stanza_encode(stanza, encoded);
    bool is_sent = !session->backlog && send_item(session, n, buf_span(encoded)) == 0;
    if (!is_sent && keep(session, n, buf_span(encoded)) < 0)
        return -1;
    session->last_n = n;
    struct trace *trace = session->host->options.trace;
    if (trace_wants(trace, stanza->from, stanza->to))
        trace_begin(trace, (struct trace_id){session->sid, n}, stanza);
    if (is_counted)
        session->sm->is_sent = true;
    metric_inc(METRIC_stream_stanzas_in);
    return 0;
}

static uint64_t read_le(const char *bytes, size_t count)
{
    uint64_t value = 0;
    for (size_t i = 0; i < count; i++)
        value |= (uint64_t)(unsigned char)bytes[i] << (8 * i);
    return value;
}

bool stream_backlog_flush(struct stream_session *session)
{
    struct buf *backlog = session->backlog;
    size_t at = 0;
    while (at < backlog->len) {
        size_t len = (size_t)read_le(backlog->data + at + 8, 4);
        struct span encoded = span_of(backlog->data + at + 12, len);
        if (send_item(session, read_le(backlog->data + at, 8), encoded) < 0)
            break;
        at += 12 + len;
    }
    buf_consume(backlog, at);
    if (backlog->len > 0)
        return false;
    buf_deinit(backlog);
    mem_free(backlog);
    session->backlog = NULL;
    if (session->stream)
        stream_set_pause(session->stream, STREAM_PAUSE_BACKLOG, false);
    return true;
}

void stream_retry_start(struct stream_host *host)
{
    if (!loop_timer_is_active(&host->retry))
        loop_timer_start(&host->retry, STREAM_BACKLOG_RETRY_MS, 0);
}

void stream_retry(void *arg)
{
    struct stream_host *host = arg;
    uint64_t now = loop_now_ms(host->options.loop);
    struct list_node due;
    list_init(&due);
    LIST_FOREACH_SAFE(node, &host->stuck)
    {
        if (CONTAINER_OF(node, struct stream_session, place)->retry_at_ms > now)
            continue;
        list_remove(node);
        list_add_tail(&due, node);
    }
    for (struct list_node *node; (node = list_pop(&due));)
        stream_session_continue(CONTAINER_OF(node, struct stream_session, place));
    if (!list_is_empty(&host->stuck))
        stream_retry_start(host);
}

/* ---- in ---- */

/* RFC 6120 section 8.1.2.1: a client may say who it is, but nothing else. */
static bool is_own_address(const struct stream *stream, struct span from)
{
    struct span jid = stream_jid(stream);
    return from.len == 0 || span_eq(from, jid) || span_eq(from, jid_bare(jid));
}

/* What is wrong with a stanza, and whether that ends the stream or is answered. */
static const struct {
    const char *condition;
    bool ends_stream;
} problems[] = {
    [STANZA_NOT_A_STANZA] = {"unsupported-stanza-type", true},
    [STANZA_BAD_FROM] = {"invalid-from", true},
    [STANZA_BAD_TO] = {"jid-malformed", false},
    [STANZA_BAD_TYPE] = {"bad-request", false},
    [STANZA_BAD_IQ] = {"bad-request", false},
};

static void bounce(struct stream *stream, const struct stanza *stanza, const char *condition)
{
    struct stanza reply;
    if (!stanza_may_bounce(stanza))
        return;
    stanza_make_error(stanza, condition, NULL, &stream->host->arena, &reply);
    (void)stream_send_stanza(stream, &reply, stream_jid(stream));
}

/* Requests about the stream itself. */
static const struct {
    const char *ns;
    const char *name;
    const char *refusal; /* NULL: granted */
} own_requests[] = {
    {NS_SESSION, "session", NULL},    /* RFC 3921 section 3: clients of the book's day ask for it */
    {NS_BIND, "bind", "not-allowed"}, /* RFC 6120 section 7: one resource a stream */
};

static bool is_for_server(const struct stream *stream, const struct stanza *stanza)
{
    return stanza->kind == STANZA_IQ && stanza->type == STANZA_SET &&
           (stanza->to.len == 0 || span_eq(stanza->to, jid_domain(stream_jid(stream))));
}

/* Answers what the stream answers itself; false for everything else. */
static bool answer_own(struct stream *stream, const struct stanza *stanza)
{
    struct arena *arena = &stream->host->arena;
    struct stanza reply;
    if (!is_for_server(stream, stanza))
        return false;
    for (size_t i = 0; i < sizeof(own_requests) / sizeof(own_requests[0]); i++) {
        if (!stanza_child(stanza, own_requests[i].ns, own_requests[i].name))
            continue;
        if (own_requests[i].refusal)
            stanza_make_error(stanza, own_requests[i].refusal, NULL, arena, &reply);
        else
            stanza_make_result(stanza, (struct span){0}, arena, &reply);
        (void)stream_send_stanza(stream, &reply, stream_jid(stream));
        return true;
    }
    return false;
}

/* Unavailable presence of the client's own does not take this back: it may still be on its way when
 * the stream ends. Saying it once more, behind it, is what the unbinding then waits for. */
static void note_presence(struct stream_session *session, const struct stanza *stanza)
{
    if (stanza->kind == STANZA_PRESENCE && stanza->type == STANZA_AVAILABLE)
        session->was_available = true;
}

static void accept(struct stream *stream, struct stanza *stanza)
{
    if (stream_is_ping_answer(stanza) || answer_own(stream, stanza))
        return;
    stanza->from = stream_jid(stream);
    if (stanza->lang.len == 0 && stream->lang) /* RFC 6120 section 8.1.5 */
        stanza->lang = span_cstr(stream->lang);
    note_presence(stream->session, stanza);
    if (stream_session_send(stream->session, stanza) < 0)
        stream_drop(stream, "resource-constraint", SPAN("the server is too busy"));
}

static void handle(struct stream *stream, const struct xml_top *top);

/* A managed session counts what it handles; what did not go to the router is handled by now. */
void stream_stanza(struct stream *stream, const struct xml_top *top)
{
    struct stream_session *session = stream->session;
    struct stream_sm *sm = session->sm;
    if (!sm || !sm->is_counted) {
        handle(stream, top);
        return;
    }
    sm->refs++;
    stream_sm_came(session);
    uint64_t number = sm->up.last;
    handle(stream, top);
    if (!sm->is_sent && stream->state != STREAM_ENDED)
        stream_sm_settle(sm, number);
    stream_sm_unref(sm);
}

static void handle(struct stream *stream, const struct xml_top *top)
{
    struct stanza stanza;
    arena_reset(&stream->host->arena);
    enum stanza_problem problem = stanza_from_xml(top, &stream->host->arena, &stanza);
    if (problem == STANZA_FINE && !is_own_address(stream, stanza.from))
        problem = STANZA_BAD_FROM;
    if (problem == STANZA_FINE)
        accept(stream, &stanza);
    else if (problems[problem].ends_stream)
        stream_fail(stream, problems[problem].condition, (struct span){0});
    else
        bounce(stream, &stanza, problems[problem].condition);
}
