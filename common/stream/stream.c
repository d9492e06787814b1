/* A stream's life: made with its connection, fed, freed when the connection is gone. */
#include "stream/stream.h"

#include "base/mem.h"
#include "loop/loop.h"
#include "metric/metric.h"
#include "stream/stream_internal.h"

struct stream *stream_new(struct stream_host *host, const struct stream_transport *transport,
                          void *conn, bool is_secure)
{
    struct stream *stream = mem_calloc(1, sizeof(*stream));
    stream->host = host;
    stream->transport = transport;
    stream->conn = conn;
    stream->is_secure = is_secure;
    stream->state = STREAM_OPENING;
    stream->login = stream_login_new();
    list_add_tail(&host->streams, &stream->node);
    metric_set(METRIC_stream_open, (int64_t)++host->stream_count);
    stream_deadline_start(stream);
    return stream;
}

void stream_receive(struct stream *stream, struct span text)
{
    stream->last_in_ms = (uint32_t)loop_now_ms(stream->host->options.loop);
    stream->is_pinged = false;
    if (stream->state == STREAM_ENDED)
        return;
    stream_count_bytes(stream, text.len);
    stream->is_handling = true;
    (void)stream_feed(stream, text);
    stream->is_handling = false;
}

void stream_too_big(struct stream *stream)
{
    metric_inc(METRIC_limit_size);
    stream_fail(stream, "policy-violation", SPAN("stanza too big"));
}

void stream_closed(struct stream *stream)
{
    struct stream_host *host = stream->host;
    loop_timer_stop(&stream->timer);
    stream_hold_end(stream);
    list_remove(&stream->node);
    stream->state = STREAM_ENDED;
    if (stream->session)
        stream_session_leave(stream->session, false);
    stream_login_free(stream->login);
    mem_free(stream->lang);
    xml_stream_free(stream->parser);
    mem_free(stream);
    metric_set(METRIC_stream_open, (int64_t)--host->stream_count);
}
