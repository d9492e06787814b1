/* The SASL profile of RFC 6120 section 6: <auth/>, <response/>, <success/>, then a new stream. */
#include "stream/sasl_internal.h"

static void say(struct stream *stream, const char *name, struct span data)
{
    struct buf *out = &stream->host->out;
    buf_reset(out);
    stream_sasl_write(NS_SASL, name, data, out);
    (void)stream_send(stream, buf_span(out));
}

static void challenge(struct stream *stream, struct span data)
{
    say(stream, "challenge", data);
}

static void succeed(struct stream *stream, const struct wire_sasl_reply *reply)
{
    stream->state = STREAM_REOPENING;
    if (stream->parser)
        xml_stream_restart(stream->parser);
    say(stream, "success", reply->data);
}

static void say_failure(struct stream *stream, const char *condition, struct span text)
{
    struct buf *out = &stream->host->out;
    buf_reset(out);
    buf_printf(out, "<failure xmlns='" NS_SASL "'><%s/>", condition);
    if (text.len > 0) {
        buf_append_cstr(out, "<text xml:lang='en'>");
        xml_escape(text, out);
        buf_append_cstr(out, "</text>");
    }
    buf_append_cstr(out, "</failure>");
    (void)stream_send(stream, buf_span(out));
}

static const struct stream_sasl_profile profile = {
    .state = STREAM_SASL,
    .challenge = challenge,
    .succeed = succeed,
    .fail = say_failure,
};

/* ---- the client's elements ---- */

/* "=" stands for no data, where nothing at all means something else (section 6.4.2). */
static struct span data_of(const struct xml_top *top)
{
    struct span text = span_trim(top->text);
    return span_is(text, "=") ? SPAN("") : text;
}

void stream_sasl_auth(struct stream *stream, const struct xml_top *top)
{
    struct stream_sasl_choice choice = {.mechanism = xml_attr_get(top, "mechanism")};
    if (top->text.len > 0)
        choice.initial = data_of(top);
    stream_sasl_start(stream, &profile, &choice);
}

void stream_sasl_response(struct stream *stream, const struct xml_top *top)
{
    stream_sasl_step(stream, data_of(top));
}

void stream_sasl_stray(struct stream *stream, const struct xml_top *top)
{
    (void)top;
    stream_sasl_refuse_attempt(stream, &profile, "malformed-request", (struct span){0});
}

void stream_sasl_abort(struct stream *stream, const struct xml_top *top)
{
    (void)top;
    stream_sasl_refuse(stream, &profile, "aborted", (struct span){0});
}
