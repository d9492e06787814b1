/* A stream of arbitrary bytes, whole and in pieces: no crash, and the pieces make no difference. */
#include "base/assert.h"
#include "xml/parser.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct xml_limits limits = {.max_bytes = 4096, .max_depth = 16};

struct sink {
    struct buf seen;
    bool is_held;
};

static void note(struct sink *sink, const char *what, const struct xml_top *top)
{
    buf_printf(&sink->seen, "%s {%.*s}%.*s [%.*s] [%.*s]\n", what, SPAN_ARG(top->ns),
               SPAN_ARG(top->name), SPAN_ARG(top->content), SPAN_ARG(top->text));
}

static bool on_open(void *arg, const struct xml_top *header)
{
    note(arg, "open", header);
    return true;
}

static bool on_element(void *arg, const struct xml_top *element)
{
    struct sink *sink = arg;
    note(sink, "element", element);
    sink->is_held = span_is(element->name, "hold");
    return !sink->is_held;
}

static bool on_close(void *arg)
{
    struct sink *sink = arg;
    buf_append_cstr(&sink->seen, "close\n");
    return true;
}

static const struct xml_stream_handler handler = {on_open, on_element, on_close};

/* Feeds `text` in pieces of `size` bytes. */
static enum xml_error feed(struct xml_frames *frames, struct span text, size_t size,
                           struct sink *sink)
{
    struct xml_stream *stream = xml_stream_new(frames, &limits, &handler, sink);
    enum xml_error error = XML_OK;
    buf_reset(&sink->seen);
    for (size_t at = 0; at < text.len && error == XML_OK; at += size) {
        error = xml_stream_feed(stream, span_head(span_from(text, at), size));
        while (error == XML_OK && sink->is_held) {
            sink->is_held = false;
            error = xml_stream_resume(stream);
        }
    }
    xml_stream_free(stream);
    return error;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct xml_frames *frames;
    static struct sink whole;
    static struct sink pieces;
    if (!frames) {
        frames = xml_frames_new();
    }
    if (size < 2) {
        return 0;
    }
    struct span text = span_of((const char *)data + 1, size - 1);
    enum xml_error error = feed(frames, text, text.len, &whole);
    ASSERT(feed(frames, text, 1 + data[0] % 16, &pieces) == error);
    ASSERT(span_eq(buf_span(&whole.seen), buf_span(&pieces.seen)));
    return 0;
}
