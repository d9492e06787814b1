/* How a stream says things, and how it ends (RFC 6120 section 4.9, RFC 7395 section 3.6). */
#include "base/log.h"
#include "base/rand.h"
#include "loop/loop.h"
#include "metric/metric.h"
#include "stream/stream_internal.h"
#include "stream/xep0198_internal.h"

/* Why a stream error is not sent like anything else: the queue may be what is full. */
#define MAX_LAST 2

/* Ends the stream: last words, session said goodbye to, no more input. */
static void end(struct stream *stream, const struct span *last, size_t count, bool for_good)
{
    stream->state = STREAM_ENDED;
    loop_timer_stop(&stream->timer);
    stream_hold_end(stream);
    stream->transport->finish(stream->conn, last, count);
    if (stream->session)
        stream_session_leave(stream->session, for_good);
}

bool stream_send(struct stream *stream, struct span text)
{
    if (stream->state == STREAM_ENDED)
        return false;
    if (stream->transport->send(stream->conn, text) == 0)
        return true;
    metric_inc(METRIC_stream_slow_readers);
    stream_drop(stream, "policy-violation", SPAN("you read too slowly"));
    return false;
}

bool stream_send_stanza(struct stream *stream, const struct stanza *stanza, struct span to)
{
    if (stream_is_managed(stream))
        return stream_sm_send_own(stream, stanza);
    return stream_write_stanza(stream, stanza, to);
}

bool stream_write_stanza(struct stream *stream, const struct stanza *stanza, struct span to)
{
    struct buf *out = &stream->host->out;
    buf_reset(out);
    stanza_write(stanza, to, stream->transport->is_framed ? SPAN(NS_CLIENT) : (struct span){0},
                 out);
    metric_inc(METRIC_stream_stanzas_out);
    return stream_send(stream, buf_span(out));
}

static struct span close_element(const struct stream *stream)
{
    return stream_is_old_framed(stream) ? SPAN("</stream:stream>")
                                        : SPAN("<close xmlns='" NS_FRAMING "'/>");
}

/* What goes into a stream error: a defined condition, its text content (see-other-host has one),
 * words for people, an application-specific condition as XML. */
struct error_words {
    const char *condition;
    struct span content;
    struct span text;
    struct span detail;
};

static void write_error(bool is_framed, const struct error_words *words, struct buf *out)
{
    buf_printf(out, "<stream:error%s><%s xmlns='" NS_STREAM_ERRORS "'%s",
               is_framed ? " xmlns:stream='" NS_STREAM "'" : "", words->condition,
               words->content.len > 0 ? ">" : "/>");
    if (words->content.len > 0) {
        xml_escape(words->content, out);
        buf_printf(out, "</%s>", words->condition);
    }
    buf_append_span(out, words->detail);
    if (words->text.len > 0) {
        buf_append_cstr(out, "<text xmlns='" NS_STREAM_ERRORS "' xml:lang='en'>");
        xml_escape(words->text, out);
        buf_append_cstr(out, "</text>");
    }
    buf_append_cstr(out, "</stream:error>");
}

static void end_with(struct stream *stream, const struct error_words *words, bool for_good)
{
    if (stream->state == STREAM_ENDED)
        return;
    if (!stream->has_header) /* an error needs a header before it (RFC 6120 section 4.9.1.2) */
        stream_write_header(stream, stream->host->options.domains[0].name);
    if (stream->state == STREAM_ENDED)
        return;
    LOG_DEBUG("stream-error", "condition=%s jid=%s", words->condition,
              stream->session ? stream->session->jid : "");
    metric_inc(METRIC_stream_errors);
    struct buf error = {0};
    write_error(stream->transport->is_framed, words, &error);
    const struct span last[MAX_LAST] = {buf_span(&error), close_element(stream)};
    end(stream, last, MAX_LAST, for_good);
    buf_deinit(&error);
}

void stream_fail(struct stream *stream, const char *condition, struct span text)
{
    end_with(stream, &(struct error_words){.condition = condition, .text = text}, true);
}

void stream_fail_detail(struct stream *stream, const char *condition, struct span text,
                        struct span detail)
{
    end_with(stream, &(struct error_words){.condition = condition, .text = text, .detail = detail},
             true);
}

void stream_drop(struct stream *stream, const char *condition, struct span text)
{
    end_with(stream, &(struct error_words){.condition = condition, .text = text}, false);
}

void stream_write_refusal(const struct stream_host *host, const char *condition, struct buf *out)
{
    buf_printf(out,
               "<?xml version='1.0'?><stream:stream xmlns='" NS_CLIENT "' xmlns:stream='" NS_STREAM
               "' id='%016llx' version='1.0' xml:lang='en'",
               (unsigned long long)rand_u64());
    xml_write_attr("from", host->options.domains[0].name, out);
    buf_append_u8(out, '>');
    write_error(false, &(struct error_words){.condition = condition}, out);
    buf_append_cstr(out, "</stream:stream>");
}

void stream_fail_xml(struct stream *stream, enum xml_error error)
{
    if (error == XML_TOO_BIG)
        metric_inc(METRIC_limit_size);
    stream_fail(stream, xml_error_condition(error), (struct span){0});
}

static void close_stream(struct stream *stream, bool for_good)
{
    if (!stream->has_header)
        stream_write_header(stream, stream->host->options.domains[0].name);
    if (stream->state == STREAM_ENDED)
        return;
    struct span last = close_element(stream);
    end(stream, &last, 1, for_good);
}

void stream_close_requested(struct stream *stream, const struct xml_top *top)
{
    (void)top;
    close_stream(stream, true);
}

/* An end that was not said is none (XEP-0198 section 7). */
void stream_input_ended(struct stream *stream)
{
    if (stream->state != STREAM_ENDED && stream->has_header)
        close_stream(stream, !stream_is_managed(stream));
    else if (stream->state != STREAM_ENDED)
        end(stream, NULL, 0, true);
}

/* RFC 7395 section 3.6.1 */
static void see_other_uri(struct stream *stream, const char *uri)
{
    struct buf out = {0};
    buf_append_cstr(&out, "<close xmlns='" NS_FRAMING "'");
    xml_write_attr("see-other-uri", span_cstr(uri), &out);
    buf_append_cstr(&out, "/>");
    struct span last = buf_span(&out);
    end(stream, &last, 1, false);
    buf_deinit(&out);
}

void stream_shut_down(struct stream *stream)
{
    const struct stream_options *options = &stream->host->options;
    const char *uri = options->see_other_uri;
    if (stream->state == STREAM_ENDED)
        return;
    if (!stream_is_old_framed(stream) && uri && uri[0])
        see_other_uri(stream, uri);
    else if (stream_is_old_framed(stream) && options->see_other_host.len > 0)
        end_with(stream,
                 &(struct error_words){.condition = "see-other-host",
                                       .content = options->see_other_host},
                 false);
    else
        stream_drop(stream, "system-shutdown", (struct span){0});
}
