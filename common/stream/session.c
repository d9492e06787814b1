/* A bound session: from bind to unbind. Leaving is: hand over what waits, say unavailable if anyone
 * was told of the session, wait until that is settled, unbind. Each step is tried until it is done:
 * only the death of this process leaves it to the lease.
 *
 * A managed session (XEP-0198) is not unbound but handed to `session`, which waits for its client or,
 * when it leaves for good, sees to what the client did not acknowledge. Until that is done
 * deliveries for it are taken into its queue. */
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "jid/jid.h"
#include "loop/loop.h"
#include "metric/metric.h"
#include "stream/stream_internal.h"
#include "stream/xep0198_internal.h"

#define RETRY_FIRST_MS 500u
#define RETRY_MAX_MS   30000u

struct stream_session *stream_session_new(struct stream_host *host, struct span jid, uint64_t sid,
                                          uint64_t epoch)
{
    struct stream_session *session = mem_calloc(1, sizeof(*session) + jid.len + 1);
    session->host = host;
    session->sid = sid;
    session->epoch = epoch;
    session->hash = hash_span(jid_bare(jid));
    memcpy(session->jid, jid.data, jid.len);
    list_init(&session->place);
    host->session_count++;
    (void)map64_put(&host->sessions, sid, session);
    metric_set(METRIC_stream_sessions, (int64_t)map64_count(&host->sessions));
    return session;
}

void stream_session_free(struct stream_session *session)
{
    struct stream_host *host = session->host;
    list_remove(&session->place);
    stream_sm_free(session->sm);
    if (session->backlog)
        buf_deinit(session->backlog);
    mem_free(session->backlog);
    mem_free(session);
    host->session_count--;
    if (host->session_count == 0 && host->drain_done)
        loop_task_schedule(&host->drained);
}

static void move_to(struct stream_session *session, struct list_node *list)
{
    list_remove(&session->place);
    list_add_tail(list, &session->place);
}

void stream_session_retry_in(struct stream_session *session, uint32_t delay_ms)
{
    struct stream_host *host = session->host;
    session->retry_at_ms = loop_now_ms(host->options.loop) + delay_ms;
    move_to(session, &host->stuck);
    stream_retry_start(host);
}

/* ---- leaving ---- */

static void retry_call(struct stream_session *session)
{
    uint32_t delay = RETRY_FIRST_MS << (session->retries < 6 ? session->retries : 6);
    session->retries++;
    stream_session_retry_in(session, delay < RETRY_MAX_MS ? delay : RETRY_MAX_MS);
}

static void on_left(void *arg, enum bus_outcome outcome, const struct wire_msg *reply)
{
    struct stream_session *session = arg;
    session->call = 0;
    session->is_waiting = false;
    bool is_done = outcome == BUS_SETTLED && reply->id == WIRE_ID_result &&
                   (reply->u.result.condition.len == 0 ||
                    span_is(reply->u.result.condition, "item-not-found"));
    if (is_done) {
        stream_session_forget(session);
        return;
    }
    LOG_DEBUG("leaving-retried", "jid=%s outcome=%d", session->jid, (int)outcome);
    retry_call(session);
}

static void leave_by(struct stream_session *session, const struct wire_msg *request)
{
    const struct stream_options *options = &session->host->options;
    session->is_waiting = true;
    move_to(session, &session->host->waiting);
    session->call = bus_call(options->bus, "session", session->hash, request,
                             options->call_deadline_ms, on_left, session);
}

static void detach(struct stream_session *session)
{
    struct wire_msg request = {
        .id = WIRE_ID_detach,
        .u.detach =
            {
                .jid = span_cstr(session->jid),
                .sid = session->sid,
                .epoch = session->epoch,
                .ends = session->ends,
            },
    };
    leave_by(session, &request);
}

static void unbind(struct stream_session *session)
{
    const struct stream_options *options = &session->host->options;
    struct wire_msg request = {
        .id = WIRE_ID_unbind,
        .u.unbind =
            {
                .jid = span_cstr(session->jid),
                .sid = session->sid,
                .holder = span_cstr(options->holder),
                .epoch = session->epoch,
            },
    };
    leave_by(session, &request);
}

static void leave_step(struct stream_session *session);

static void on_unavailable_settled(void *arg, enum bus_outcome outcome)
{
    struct stream_session *session = arg;
    (void)outcome; /* sent to a kind: ends settled */
    session->is_waiting = false;
    if (session->is_lost)
        stream_session_forget(session);
    else
        leave_step(session);
}

static bool say_unavailable(struct stream_session *session)
{
    struct stream_host *host = session->host;
    struct stanza stanza = {
        .kind = STANZA_PRESENCE,
        .type = STANZA_UNAVAILABLE,
        .from = span_cstr(session->jid),
    };
    buf_reset(&host->encoded);
    stanza_encode(&stanza, &host->encoded);
    struct wire_msg item = {
        .id = WIRE_ID_route,
        .u.route =
            {
                .origin_sid = session->sid,
                .origin_n = session->last_n + 1,
                .stanza = buf_span(&host->encoded),
            },
    };
    if (bus_send(host->options.bus, "router", session->hash, &item, on_unavailable_settled,
                 session) < 0)
        return false;
    session->last_n++;
    session->was_available = false;
    session->is_waiting = true;
    move_to(session, &host->waiting);
    return true;
}

static void leave_step(struct stream_session *session)
{
    if (session->is_waiting)
        return;
    if (session->was_available && session->ends) {
        if (!say_unavailable(session))
            stream_session_retry_in(session, RETRY_FIRST_MS);
        return;
    }
    if (session->is_detaching)
        detach(session);
    else
        unbind(session);
}

static void part(struct stream_session *session)
{
    if (session->stream)
        session->stream->session = NULL;
    session->stream = NULL;
}

static void unlist(struct stream_session *session)
{
    struct stream_host *host = session->host;
    if (map64_get(&host->sessions, session->sid) == session)
        (void)map64_remove(&host->sessions, session->sid);
    metric_set(METRIC_stream_sessions, (int64_t)map64_count(&host->sessions));
}

static void cancel_call(struct stream_session *session)
{
    if (session->call != 0)
        bus_call_cancel(session->host->options.bus, session->call);
    session->call = 0;
}

static void save(struct stream_sm *sm)
{
    custody_queue_handled(&sm->queue, sm->up.count, false);
    custody_queue_save(&sm->queue);
}

/* A session that did not get as far as <enabled/> is like any other: what was made for it goes when
 * it is unbound. */
void stream_session_leave(struct stream_session *session, bool for_good)
{
    if (session->is_leaving)
        return;
    session->is_leaving = true;
    part(session);
    cancel_call(session);
    session->is_detaching = stream_session_is_managed(session);
    session->ends = for_good || !session->is_detaching || session->sm->resume_s == 0;
    if (session->is_detaching) /* so that the client need not send again what is handled */
        save(session->sm);
    else
        unlist(session);
    if (!session->backlog)
        leave_step(session);
}

void stream_session_forget(struct stream_session *session)
{
    part(session);
    unlist(session);
    cancel_call(session);
    stream_session_free(session);
}

/* What it was given and nobody keeps goes back to the router, which knows where the session is. */
void stream_sm_lost(void *arg)
{
    struct stream_session *session = arg;
    struct stream *stream = session->stream;
    LOG_INFO("session-lost", "jid=%s epoch=%llu", session->jid, (unsigned long long)session->epoch);
    part(session);
    if (stream)
        stream_fail(stream, "conflict", SPAN("The session was resumed elsewhere."));
    custody_queue_close(&session->sm->queue);
    unlist(session);
    session->is_lost = true;
    session->is_leaving = true;
    bool is_with_bus = session->is_waiting && session->call == 0;
    if (!is_with_bus) /* else the item's settlement is waited for */
        stream_session_forget(session);
}

void stream_session_continue(struct stream_session *session)
{
    if (session->backlog && !stream_backlog_flush(session)) {
        stream_session_retry_in(session, STREAM_BACKLOG_RETRY_MS);
        return;
    }
    if (session->is_leaving && !session->is_lost)
        leave_step(session);
}
