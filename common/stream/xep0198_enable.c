/* XEP-0198 section 3: <enable/>. The queue is made here, then session notes that there is one; only
 * then is the client told, so that from there on nothing is lost whatever dies. */
#include "base/mem.h"
#include "jid/jid.h"
#include "loop/loop.h"
#include "metric/metric.h"
#include "stream/xep0198_internal.h"

#include <stdio.h>

bool stream_sm_is_offered(const struct stream *stream)
{
    return stream->host->options.redis != NULL;
}

static void write_failed(const char *condition, struct buf *out)
{
    buf_reset(out);
    buf_printf(out, "<failed xmlns='" NS_SM "'><%s xmlns='" NS_STANZA_ERRORS "'/></failed>",
               condition);
}

void stream_sm_on_stray(struct stream *stream, const struct xml_top *top)
{
    (void)top;
    write_failed("unexpected-request", &stream->host->out);
    (void)stream_send(stream, buf_span(&stream->host->out));
}

/* ---- a managed session's state ---- */

struct stream_sm *stream_sm_new(struct stream_session *session)
{
    struct stream_sm *sm = mem_calloc(1, sizeof(*sm));
    sm->session = session;
    sm->refs = 1;
    list_init(&sm->answer);
    list_init(&sm->ask);
    custody_queue_init(&sm->queue, &session->host->custody, &stream_sm_user, session);
    custody_queue_name(&sm->queue, session->jid, session->sid, session->epoch);
    session->sm = sm;
    return sm;
}

void stream_sm_unref(struct stream_sm *sm)
{
    if (--sm->refs > 0)
        return;
    custody_handled_free(&sm->up);
    mem_free(sm);
}

void stream_sm_free(struct stream_sm *sm)
{
    if (!sm)
        return;
    list_remove(&sm->answer);
    list_remove(&sm->ask);
    custody_queue_close(&sm->queue);
    sm->session = NULL;
    stream_sm_unref(sm);
}

/* ---- enabling ---- */

static void finish(struct stream_session *session, bool ok)
{
    struct stream *stream = session->stream;
    struct stream_sm *sm = session->sm;
    struct buf out = {0};
    if (!stream)
        return;
    if (!ok) {
        write_failed("internal-server-error", &out);
    } else {
        const char *location = session->host->options.resume_location;
        buf_append_cstr(&out, "<enabled xmlns='" NS_SM "'");
        if (sm->resume_s > 0)
            buf_printf(&out, " id='%016llx' resume='true' max='%u'",
                       (unsigned long long)session->sid, sm->resume_s);
        if (sm->resume_s > 0 && location && location[0])
            xml_write_attr("location", span_cstr(location), &out);
        buf_append_cstr(&out, "/>");
        metric_inc(METRIC_stream_managed);
    }
    sm->done(stream, ok, buf_span(&out));
    buf_deinit(&out);
    if (stream->session != session)
        return; /* it did not take that */
    sm->is_on = ok;
    sm->holds = false;
    if (ok)
        custody_queue_open(&sm->queue);
    else
        custody_queue_close(&sm->queue); /* what was held finds its way anew */
}

static void on_flagged(void *arg, enum bus_outcome outcome, const struct wire_msg *reply)
{
    struct stream_session *session = arg;
    session->call = 0;
    finish(session, outcome == BUS_SETTLED && reply->id == WIRE_ID_result &&
                        reply->u.result.condition.len == 0);
}

static void on_made(void *arg, bool ok)
{
    struct stream_session *session = arg;
    const struct stream_options *options = &session->host->options;
    struct wire_msg request = {
        .id = WIRE_ID_session_flags,
        .u.session_flags =
            {
                .jid = span_cstr(session->jid),
                .sid = session->sid,
                .set = WIRE_SESSION_RESUMABLE,
                .resume_s = session->sm->resume_s,
            },
    };
    if (!ok) {
        finish(session, false);
        return;
    }
    session->call = bus_call(options->bus, "session", session->hash, &request,
                             options->call_deadline_ms, on_flagged, session);
}

static bool is_true(struct span text)
{
    return span_is(text, "true") || span_is(text, "1");
}

void stream_sm_enable(struct stream *stream, const struct stream_sm_wish *wish,
                      stream_sm_done_fn *done)
{
    uint64_t max_s = 0;
    struct stream_session *session = stream->session;
    struct stream_sm *sm = stream_sm_new(session);
    sm->done = done;
    sm->is_counted = true;
    sm->holds = wish->holds;
    (void)span_to_u64(wish->max, &max_s);
    if (is_true(wish->resume))
        sm->resume_s = stream->host->options.resume_s;
    if (max_s > 0 && max_s < sm->resume_s)
        sm->resume_s = (uint32_t)max_s;
    custody_queue_make(&sm->queue, on_made, session);
}

static void send_done(struct stream *stream, bool ok, struct span element)
{
    (void)ok;
    (void)stream_send(stream, element);
}

void stream_sm_on_enable(struct stream *stream, const struct xml_top *top)
{
    if (stream->session->sm || !stream_sm_is_offered(stream)) {
        stream_sm_on_stray(stream, top);
        return;
    }
    struct stream_sm_wish wish = {xml_attr_get(top, "resume"), xml_attr_get(top, "max"), false};
    stream_sm_enable(stream, &wish, send_done);
}
