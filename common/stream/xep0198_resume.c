/* XEP-0198 section 5: <resume/>. session takes the session over for us; then its queue is read, the
 * client told, what it has not got written again, and what came meanwhile after that. */
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "jid/jid.h"
#include "metric/metric.h"
#include "stream/xep0198_internal.h"

/* What comes for a session before the answer to our call does. */
struct resuming {
    struct list_node held; /* struct held */
    uint64_t sid;
    uint32_t count; /* clients that try */
};

struct held {
    struct list_node node;
    struct delivery *delivery;
};

/* ---- holding ---- */

static void hold_begin(struct stream_host *host, uint64_t sid)
{
    struct resuming *resuming = map64_get(&host->resuming, sid);
    if (!resuming) {
        resuming = mem_calloc(1, sizeof(*resuming));
        resuming->sid = sid;
        list_init(&resuming->held);
        (void)map64_put(&host->resuming, sid, resuming);
    }
    resuming->count++;
}

bool stream_sm_hold(struct stream_host *host, uint64_t sid, struct delivery *delivery)
{
    struct resuming *resuming = map64_get(&host->resuming, sid);
    if (!resuming)
        return false;
    struct held *held = mem_calloc(1, sizeof(*held));
    held->delivery = delivery;
    delivery_ref(delivery);
    list_add_tail(&resuming->held, &held->node);
    return true;
}

/* To the session's queue, or back to where it came from. */
static void pass_held(struct resuming *resuming, struct stream_session *session)
{
    for (struct list_node *node; (node = list_pop(&resuming->held));) {
        struct held *held = CONTAINER_OF(node, struct held, node);
        if (session)
            (void)custody_queue_add(&session->sm->queue, held->delivery);
        else
            delivery_missed(held->delivery, resuming->sid);
        delivery_release(held->delivery);
        mem_free(held);
    }
}

static void hold_end(struct stream_host *host, uint64_t sid, struct stream_session *session)
{
    struct resuming *resuming = map64_get(&host->resuming, sid);
    if (session)
        pass_held(resuming, session);
    if (--resuming->count > 0)
        return;
    pass_held(resuming, NULL);
    (void)map64_remove(&host->resuming, sid);
    mem_free(resuming);
}

void stream_sm_free_resuming(struct stream_host *host)
{
    struct map_cursor at = {0};
    void *value;
    while (map64_next(&host->resuming, &at, NULL, &value)) {
        pass_held(value, NULL);
        mem_free(value);
    }
    map64_deinit(&host->resuming);
}

/* ---- answering ---- */

struct refusal {
    const char *condition;
    bool is_known; /* how much was handled */
    uint64_t handled;
};

static void refuse(struct stream *stream, stream_sm_done_fn *done, const struct refusal *refusal)
{
    struct buf out = {0};
    buf_append_cstr(&out, "<failed xmlns='" NS_SM "'");
    if (refusal->is_known)
        buf_printf(&out, " h='%u'", (uint32_t)refusal->handled);
    buf_printf(&out, "><%s xmlns='" NS_STANZA_ERRORS "'/></failed>", refusal->condition);
    done(stream, false, buf_span(&out));
    buf_deinit(&out);
}

/* Back to where a resource may be bound. */
static void unresume(struct stream *stream, const struct refusal *refusal)
{
    struct stream_session *session = stream->session;
    stream_sm_done_fn *done = session->sm->done;
    stream->session = NULL;
    stream->state = STREAM_BINDING;
    session->stream = NULL;
    refuse(stream, done, refusal);
}

static void replay(void *arg, const struct custody_stanza *queued)
{
    struct stream *stream = arg;
    struct stanza stanza;
    arena_reset(&stream->host->arena);
    if (stream->state == STREAM_ENDED)
        return;
    if (stanza_decode(queued->stanza, &stream->host->arena, &stanza) == 0)
        (void)stream_write_stanza(stream, &stanza, stream_jid(stream));
    else
        LOG_ERROR("bad-queued-stanza", "jid=%s bytes=%zu", stream->session->jid,
                  queued->stanza.len);
    metric_inc(METRIC_stream_replayed);
}

static void resumed(struct stream *stream, const struct custody_load *load)
{
    struct stream_session *session = stream->session;
    struct stream_sm *sm = session->sm;
    struct buf out = {0};
    uint64_t number;
    metric_inc(METRIC_stream_resumed);
    LOG_DEBUG("resumed", "jid=%s epoch=%llu", session->jid, (unsigned long long)session->epoch);
    custody_handled_start(&sm->up, sm->queue.handled);
    session->last_n = STREAM_SM_BASE + sm->queue.handled;
    sm->told = (uint32_t)sm->queue.handled;
    sm->asked = sm->queue.last;
    buf_printf(&out, "<resumed xmlns='" NS_SM "' previd='%016llx' h='%u'/>",
               (unsigned long long)session->sid, sm->told);
    sm->done(stream, true, buf_span(&out));
    buf_deinit(&out);
    if (stream->state == STREAM_ENDED || stream_sm_acked(stream, sm->client_h) != 0)
        return;
    (void)custody_queue_number(&sm->queue, sm->client_h, &number);
    sm->is_on = true;
    custody_load_each(load, number, replay, stream);
    if (stream->session == session)
        custody_queue_open(&sm->queue);
    if (stream->session == session && custody_queue_unacked(&sm->queue) > 0)
        stream_sm_ask(stream);
}

/* Whether everything is there that the client has not got. */
static bool is_whole(const struct stream_sm *sm)
{
    uint64_t number;
    if (custody_queue_number(&sm->queue, sm->client_h, &number) != 0)
        return true; /* more than was sent: an error of its own */
    return number >= sm->queue.last || (sm->queue.first != 0 && sm->queue.first <= number + 1);
}

static void on_loaded(void *arg, enum custody_loaded outcome, const struct custody_load *load)
{
    static const char *const conditions[] = {
        [CUSTODY_LOADED] = "item-not-found", /* not all of it */
        [CUSTODY_GONE] = "item-not-found",
        [CUSTODY_DOWN] = "internal-server-error",
    };
    struct stream_session *session = arg;
    struct stream *stream = session->stream;
    struct stream_sm *sm = session->sm;
    bool is_whole_queue = outcome == CUSTODY_LOADED && is_whole(sm);
    if (stream && is_whole_queue) {
        resumed(stream, load);
    } else if (stream) {
        struct refusal refusal = {conditions[outcome], outcome == CUSTODY_LOADED,
                                  sm->queue.handled};
        unresume(stream, &refusal);
    }
    if (stream)
        stream_login_go_on(stream);
    if (!session->stream && !session->is_detaching)
        stream_session_leave(session, outcome == CUSTODY_LOADED && !is_whole_queue);
}

/* ---- asking ---- */

struct resume_call {
    struct stream_call call;
    struct span account; /* owned */
    uint64_t sid;
    uint32_t h;
    stream_sm_done_fn *done;
};

/* The session is ours: with its client, or without when that has gone meanwhile. */
static void take(struct resume_call *asked, const struct wire_resume_reply *reply)
{
    struct stream_host *host = asked->call.host;
    struct stream *stream = asked->call.stream;
    struct stream_session *old = map64_get(&host->sessions, asked->sid);
    if (old)
        stream_sm_lost(old);
    struct stream_session *session = stream_session_new(host, reply->jid, asked->sid, reply->epoch);
    struct stream_sm *sm = stream_sm_new(session);
    sm->is_counted = true;
    sm->resume_s = reply->resume_s;
    sm->client_h = asked->h;
    sm->done = asked->done;
    session->was_available = true; /* as far as we know */
    hold_end(host, asked->sid, session);
    if (stream && stream->state != STREAM_ENDED) {
        stream->login->is_waiting = true;
        stream_go_live(stream, session);
    }
    custody_queue_load(&sm->queue, on_loaded, session);
}

static void on_reply(struct stream_call *call, enum bus_outcome outcome,
                     const struct wire_msg *reply)
{
    struct resume_call *asked = CONTAINER_OF(call, struct resume_call, call);
    struct stream *stream = call->stream;
    bool is_answer = outcome == BUS_SETTLED && reply->id == WIRE_ID_resume_reply;
    if (is_answer && reply->u.resume_reply.condition.len == 0) {
        take(asked, &reply->u.resume_reply);
        return;
    }
    hold_end(call->host, asked->sid, NULL);
    if (!stream || stream->state == STREAM_ENDED)
        return;
    struct refusal refusal = {.condition = "internal-server-error"};
    char *condition = NULL;
    if (is_answer) {
        condition = mem_strdup_span(reply->u.resume_reply.condition);
        refusal = (struct refusal){condition, reply->u.resume_reply.is_known != 0,
                                   reply->u.resume_reply.handled};
    }
    refuse(stream, asked->done, &refusal);
    mem_free(condition);
}

/* Sixteen digits: the session's id. 0 is none. */
static uint64_t parse_previd(struct span previd)
{
    uint64_t sid = 0;
    for (size_t i = 0; i < previd.len; i++) {
        char c = previd.data[i];
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit < 0)
            return 0;
        sid = sid << 4 | (uint64_t)digit;
    }
    return previd.len == 16 ? sid : 0;
}

void stream_sm_resume(struct stream *stream, struct span previd, uint32_t h,
                      stream_sm_done_fn *done)
{
    struct stream_host *host = stream->host;
    struct resume_call *asked = mem_calloc(1, sizeof(*asked));
    struct span account = span_cstr(stream->login->account);
    char address[64];
    asked->sid = parse_previd(previd);
    asked->h = h;
    asked->done = done;
    stream->transport->address(stream->conn, address, sizeof(address));
    struct wire_msg request = {
        .id = WIRE_ID_resume,
        .u.resume =
            {
                .account = account,
                .sid = asked->sid,
                .holder = span_cstr(host->options.holder),
                .address = span_cstr(address),
                .transport = span_cstr(stream->transport->name),
            },
    };
    hold_begin(host, asked->sid);
    stream_login_ask(stream, hash_span(account), &request, &asked->call, on_reply);
}

static void send_done(struct stream *stream, bool ok, struct span element)
{
    (void)ok;
    (void)stream_send(stream, element);
}

void stream_sm_on_resume(struct stream *stream, const struct xml_top *top)
{
    static const struct refusal malformed = {.condition = "bad-request"};
    uint32_t h;
    if (!stream_sm_is_offered(stream))
        refuse(stream, send_done, &(struct refusal){.condition = "feature-not-implemented"});
    else if (stream_sm_read_h(xml_attr_get(top, "h"), &h) != 0)
        refuse(stream, send_done, &malformed);
    else
        stream_sm_resume(stream, xml_attr_get(top, "previd"), h, send_done);
}
