/* From an element to its handler: one table, by state, namespace and name. */
#include "base/mem.h"
#include "metric/metric.h"
#include "stream/bind_internal.h"
#include "stream/sasl_internal.h"
#include "stream/xep0198_internal.h"

#define BEFORE_LOGIN (STREAM_LOGIN | STREAM_SASL)
#define AFTER_HEADER (BEFORE_LOGIN | STREAM_SASL2 | STREAM_BINDING | STREAM_BOUND)
#define AFTER_ALL    (AFTER_HEADER | STREAM_OPENING | STREAM_REOPENING)
#define WAITS_HEADER (STREAM_OPENING | STREAM_REOPENING)
#define BEFORE_BOUND (AFTER_ALL & ~STREAM_BOUND)

static const struct {
    unsigned states;
    const char *ns;
    const char *name; /* NULL: any */
    stream_rule_fn *fn;
} rules[] = {
    {STREAM_BOUND, NS_CLIENT, NULL, stream_stanza},
    {WAITS_HEADER, NS_FRAMING, "open", stream_opened},
    {WAITS_HEADER, NS_STREAM, "stream", stream_opened},
    {AFTER_ALL, NS_FRAMING, "close", stream_close_requested},
    {STREAM_LOGIN, NS_STARTTLS, "starttls", stream_starttls},
    {BEFORE_LOGIN, NS_SASL, "auth", stream_sasl_auth},
    {STREAM_SASL, NS_SASL, "response", stream_sasl_response},
    {STREAM_LOGIN, NS_SASL, "response", stream_sasl_stray},
    {BEFORE_LOGIN, NS_SASL, "abort", stream_sasl_abort},
    {STREAM_LOGIN, NS_SASL2, "authenticate", stream_sasl2_authenticate},
    {STREAM_SASL2, NS_SASL2, "response", stream_sasl2_response},
    {STREAM_LOGIN, NS_SASL2, "response", stream_sasl2_stray},
    {STREAM_LOGIN | STREAM_SASL2, NS_SASL2, "abort", stream_sasl2_abort},
    {STREAM_LOGIN, NS_CLIENT, "iq", stream_register_iq},
    {STREAM_BINDING, NS_CLIENT, "iq", stream_bind_iq},
    {STREAM_BOUND, NS_SM, "r", stream_sm_on_r},
    {STREAM_BOUND, NS_SM, "a", stream_sm_on_a},
    {STREAM_BOUND, NS_SM, "enable", stream_sm_on_enable},
    {STREAM_BINDING, NS_SM, "resume", stream_sm_on_resume},
    {AFTER_HEADER, NS_SM, "enable", stream_sm_on_stray},
    {AFTER_HEADER, NS_SM, "resume", stream_sm_on_stray},
};

/* What is said to an element no rule takes: the first line that fits. */
static const struct {
    unsigned states;
    const char *ns;   /* NULL: any */
    const char *name; /* NULL: any */
    const char *condition;
} refusals[] = {
    {WAITS_HEADER, NULL, "open", "invalid-namespace"},
    {WAITS_HEADER, NULL, "stream", "invalid-namespace"},
    {WAITS_HEADER, NULL, NULL, "not-authorized"},
    {AFTER_HEADER, NS_FRAMING, NULL, "bad-format"},
    {BEFORE_BOUND, NS_CLIENT, "iq", "not-authorized"},
    {BEFORE_BOUND, NS_CLIENT, "message", "not-authorized"},
    {BEFORE_BOUND, NS_CLIENT, "presence", "not-authorized"},
    {AFTER_HEADER, NULL, "iq", "invalid-namespace"},
    {AFTER_HEADER, NULL, "message", "invalid-namespace"},
    {AFTER_HEADER, NULL, "presence", "invalid-namespace"},
    {STREAM_BINDING | STREAM_BOUND, NS_SASL, NULL, "policy-violation"},
    {STREAM_SASL2 | STREAM_BINDING | STREAM_BOUND, NS_SASL2, NULL, "policy-violation"},
    {STREAM_SASL2, NS_SASL, NULL, "policy-violation"},
    {AFTER_ALL, NULL, NULL, "unsupported-stanza-type"},
};

static bool fits(struct span text, const char *wanted)
{
    return !wanted || span_is(text, wanted);
}

static void refuse(struct stream *stream, const struct xml_top *top)
{
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        if ((refusals[i].states & stream->state) && fits(top->ns, refusals[i].ns) &&
            fits(top->name, refusals[i].name)) {
            stream_fail(stream, refusals[i].condition, (struct span){0});
            return;
        }
    }
}

void stream_element(struct stream *stream, const struct xml_top *top)
{
    stream_count_stanza(stream);
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        if ((rules[i].states & stream->state) && fits(top->ns, rules[i].ns) &&
            fits(top->name, rules[i].name)) {
            rules[i].fn(stream, top);
            return;
        }
    }
    refuse(stream, top);
}

/* ---- <stream:stream> framing ---- */

static bool goes_on(const struct stream *stream)
{
    return stream->state != STREAM_ENDED && !stream_is_calling(stream) && !stream->hold;
}

static bool on_element(void *arg, const struct xml_top *top)
{
    struct stream *stream = arg;
    if (stream->state != STREAM_ENDED)
        stream_element(stream, top);
    return goes_on(stream);
}

static bool on_close(void *arg)
{
    struct stream *stream = arg;
    if (stream->state != STREAM_ENDED)
        stream_close_requested(stream, NULL);
    return false;
}

static const struct xml_stream_handler parser_handler = {
    .on_open = on_element,
    .on_element = on_element,
    .on_close = on_close,
};

/* The first thing a client sends on a framed transport shows which framing it speaks. */
static bool speaks_old_framing(const struct stream *stream, struct span text)
{
    if (!stream->transport->is_framed)
        return true;
    text = span_trim(text);
    return span_has_prefix(text, SPAN("<stream:stream")) || span_has_prefix(text, SPAN("<?xml"));
}

/* An RFC 7395 client may begin with an XML declaration too: look behind it. */
static struct span skip_declaration(struct span text)
{
    text = span_trim(text);
    if (!span_has_prefix(text, SPAN("<?xml")))
        return text;
    return span_trim(span_from(text, span_find(text, '>') + 1));
}

static void choose_framing(struct stream *stream, struct span text)
{
    struct span rest = skip_declaration(text);
    bool shows_frame = stream->transport->is_framed && span_has_prefix(rest, SPAN("<open"));
    if (!shows_frame && speaks_old_framing(stream, text))
        stream->parser =
            xml_stream_new(stream->host->frames, stream_limits(stream), &parser_handler, stream);
}

/* ---- input ---- */

static void handle_frame(struct stream *stream, struct span frame)
{
    struct xml_top top;
    enum xml_error error =
        xml_frames_parse(stream->host->frames, frame, stream_limits(stream), &top);
    if (error != XML_OK)
        stream_fail_xml(stream, error);
    else
        stream_element(stream, &top);
}

static bool defer(struct stream *stream, struct span frame)
{
    struct buf *deferred = &stream->login->deferred;
    if (deferred->len + frame.len > stream_limits(stream)->max_bytes) {
        metric_inc(METRIC_limit_size);
        stream_fail(stream, "policy-violation", SPAN("too much before login"));
        return false;
    }
    buf_append_u32(deferred, (uint32_t)frame.len);
    buf_append_span(deferred, frame);
    return true;
}

bool stream_feed(struct stream *stream, struct span text)
{
    if (stream->state == STREAM_OPENING && !stream->parser)
        choose_framing(stream, text);
    if (stream->parser) {
        enum xml_error error = xml_stream_feed(stream->parser, text);
        if (error != XML_OK && stream->state != STREAM_ENDED)
            stream_fail_xml(stream, error);
    } else if (stream_is_calling(stream) || (stream->login && stream->hold)) {
        return defer(stream, text);
    } else {
        handle_frame(stream, text);
    }
    return stream->state != STREAM_ENDED;
}

static uint32_t read_u32(const char *bytes)
{
    const unsigned char *b = (const unsigned char *)bytes;
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

/* Takes the deferred frames away first: binding frees the login they are kept in. */
static void run_deferred(struct stream *stream)
{
    struct buf frames = stream->login->deferred;
    size_t at = 0;
    stream->login->deferred = (struct buf){0};
    while (at < frames.len && stream->state != STREAM_ENDED) {
        size_t len = read_u32(frames.data + at);
        if (!stream_feed(stream, span_of(frames.data + at + 4, len)))
            break;
        at += 4 + len;
    }
    buf_deinit(&frames);
}

void stream_resume(struct stream *stream)
{
    if (stream->is_handling || !goes_on(stream))
        return;
    if (stream->parser) {
        enum xml_error error = xml_stream_resume(stream->parser);
        if (error != XML_OK && stream->state != STREAM_ENDED)
            stream_fail_xml(stream, error);
    } else if (stream->login && stream->login->deferred.len > 0) {
        run_deferred(stream);
    }
}
