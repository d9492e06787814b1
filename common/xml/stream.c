/* A stream of bytes, cut into elements.
 *
 * The scanner here finds where markup ends (it knows quotes, nothing more), counts depth and
 * compares the names of tags; each complete element then goes through the shared parser of
 * frames.c, inside the namespace declarations of the stream header. So a connection has no parser
 * of its own, no byte is looked at by expat twice however small the pieces are that it comes in,
 * and should scanner and expat ever disagree about an element, expat refuses it.
 */
#include "base/assert.h"
#include "base/mem.h"
#include "frames_internal.h"

#define CDATA_START SPAN("<![CDATA[")
#define CDATA_END   SPAN("]]>")

struct open_tag {
    uint32_t offset; /* of the name, from the start of the element */
    uint32_t len;
};

struct xml_stream {
    struct xml_frames *frames;
    const struct xml_limits *limits;
    const struct xml_stream_handler *handler;
    void *arg;
    struct buf pending; /* came, but not handled: from the start of what is incomplete */
    struct buf root;    /* name of the root's start tag, then its namespace declarations */
    size_t root_name_len;
    struct buf tags; /* struct open_tag of the open elements below the root */
    size_t scanned;  /* bytes of what is incomplete that need no second look */
    size_t token;    /* where the markup begins that is not complete */
    char quote;      /* the quote we are in, or 0 */
    bool is_in_token;
    bool is_open;
    bool is_closed;
    bool is_held;
    bool is_reporting;  /* a callback runs */
    bool is_discarding; /* which asked to forget what follows */
    enum xml_error error;
};

/* What a step of the scanner found. */
enum step { STEP_MORE, STEP_DONE, STEP_FAILED };

static size_t depth_of(const struct xml_stream *stream)
{
    return stream->tags.len / sizeof(struct open_tag);
}

static enum step fail(struct xml_stream *stream, enum xml_error error)
{
    stream->error = error;
    return STEP_FAILED;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Length of the tag name at `at`. */
static size_t name_len(struct span text, size_t at)
{
    size_t end = at;
    while (end < text.len && !is_space(text.data[end]) && text.data[end] != '/' &&
           text.data[end] != '>') {
        end++;
    }
    return end - at;
}

/* Looks for the '>' that ends a tag. */
static enum step scan_tag(struct xml_stream *stream, struct span window)
{
    for (size_t i = stream->scanned; i < window.len; i++) {
        char c = window.data[i];
        if (stream->quote) {
            stream->quote = c == stream->quote ? 0 : stream->quote;
        } else if (c == '"' || c == '\'') {
            stream->quote = c;
        } else if (c == '>') {
            stream->scanned = i + 1;
            return STEP_DONE;
        }
    }
    stream->scanned = window.len;
    return STEP_MORE;
}

/* Looks for `end`, which may have begun in bytes that were scanned before. */
static enum step scan_until(struct xml_stream *stream, struct span window, size_t start,
                            struct span end)
{
    size_t back = end.len - 1;
    size_t from = stream->scanned > start + back ? stream->scanned - back : start;
    struct span rest = span_from(window, from);
    const char *found = rest.len ? memmem(rest.data, rest.len, end.data, end.len) : NULL;
    stream->scanned = found ? (size_t)(found - window.data) + end.len : window.len;
    return found ? STEP_DONE : STEP_MORE;
}

/* "<!": only a CDATA section, and only inside an element; or at least what may become one. */
static enum step scan_bang(struct xml_stream *stream, struct span window)
{
    struct span token = span_from(window, stream->token);
    struct span start = span_head(CDATA_START, token.len);
    if (token.len > 2 && token.data[2] == '[' && depth_of(stream) == 0) {
        return fail(stream, XML_NOT_WELL_FORMED);
    }
    if (!span_has_prefix(token, start)) {
        return fail(stream, XML_RESTRICTED);
    }
    if (start.len < CDATA_START.len) {
        return STEP_MORE;
    }
    return scan_until(stream, window, stream->token + CDATA_START.len, CDATA_END);
}

/* "<?": only an XML declaration, and only before the root. */
static enum step scan_question(struct xml_stream *stream, struct span window)
{
    struct span token = span_from(window, stream->token);
    struct span start = span_head(SPAN("<?xml"), token.len);
    if (stream->is_open || !span_has_prefix(token, start)) {
        return fail(stream, XML_RESTRICTED);
    }
    if (token.len < 6) {
        return STEP_MORE;
    }
    return is_space(token.data[5]) ? scan_until(stream, window, stream->token, SPAN("?>"))
                                   : fail(stream, XML_RESTRICTED);
}

/* Looks for the end of the markup that begins at stream->token. */
static enum step scan_token(struct xml_stream *stream, struct span window)
{
    if (window.len < stream->token + 2) {
        return STEP_MORE;
    }
    if (stream->scanned < stream->token + 1) {
        stream->scanned = stream->token + 1;
    }
    ASSERT(window.data);
    char kind = window.data[stream->token + 1];
    if (kind == '!') {
        return scan_bang(stream, window);
    }
    return kind == '?' ? scan_question(stream, window) : scan_tag(stream, window);
}

/* Looks for the next '<'. Between elements there is only white space. */
static enum step scan_text(struct xml_stream *stream, struct span window)
{
    struct span rest = span_from(window, stream->scanned);
    size_t len = span_find(rest, '<');
    if (depth_of(stream) == 0 && !span_is_empty(span_trim(span_head(rest, len)))) {
        return fail(stream, XML_NOT_WELL_FORMED);
    }
    stream->scanned += len;
    stream->token = stream->scanned;
    stream->is_in_token = stream->scanned < window.len;
    return stream->is_in_token ? STEP_DONE : STEP_MORE;
}

static enum step report(struct xml_stream *stream,
                        bool (*callback)(void *arg, const struct xml_top *top),
                        const struct xml_top *top)
{
    stream->is_reporting = true;
    bool go_on = callback(stream->arg, top);
    stream->is_reporting = false;
    stream->is_held = stream->is_held || !go_on;
    return STEP_DONE;
}

static enum step report_close(struct xml_stream *stream)
{
    stream->is_closed = true;
    stream->is_reporting = true;
    bool go_on = stream->handler->on_close(stream->arg);
    stream->is_reporting = false;
    stream->is_held = stream->is_held || !go_on;
    return STEP_DONE;
}

/* The root's start tag is `tag`. Its name is kept, and what it declares. */
static enum step take_header(struct xml_stream *stream, struct span tag)
{
    bool is_empty = tag.data[tag.len - 2] == '/';
    struct buf element = {0};
    buf_append_span(&element, tag);
    buf_reset(&stream->root);
    buf_append(&stream->root, tag.data + 1, name_len(tag, 1));
    stream->root_name_len = stream->root.len;
    if (!is_empty) {
        buf_append_cstr(&element, "</");
        buf_append_span(&element, buf_span(&stream->root));
        buf_append_u8(&element, '>');
    }
    struct xml_top header;
    stream->error = frames_parse_header(stream->frames, buf_span(&element), stream->limits,
                                        &stream->root, &header);
    buf_deinit(&element);
    if (stream->error != XML_OK) {
        return STEP_FAILED;
    }
    buf_shrink(&stream->root);
    stream->is_open = true;
    report(stream, stream->handler->on_open, &header);
    return is_empty && stream->is_open ? report_close(stream) : STEP_DONE;
}

static enum step take_element(struct xml_stream *stream, struct span element)
{
    struct span declarations = span_from(buf_span(&stream->root), stream->root_name_len);
    struct xml_top top;
    stream->error =
        frames_parse_inside(stream->frames, declarations, element, stream->limits, &top);
    if (stream->error != XML_OK) {
        return STEP_FAILED;
    }
    return report(stream, stream->handler->on_element, &top);
}

static enum step take_end(struct xml_stream *stream, struct span name)
{
    if (!span_eq(name, span_head(buf_span(&stream->root), stream->root_name_len))) {
        return fail(stream, XML_NOT_WELL_FORMED);
    }
    return report_close(stream);
}

/* The markup from stream->token to stream->scanned is complete. STEP_DONE with *is_whole_out: a
 * unit of the stream (root tag, element, declaration) ends here. */
static enum step take_tag(struct xml_stream *stream, struct span window, bool *is_whole_out)
{
    struct span tag = span_from(span_head(window, stream->scanned), stream->token);
    bool is_end = tag.data[1] == '/';
    bool is_empty = tag.data[tag.len - 2] == '/';
    uint32_t offset = (uint32_t)stream->token + (is_end ? 2 : 1);
    struct open_tag open = {offset, (uint32_t)name_len(window, offset)};
    struct span name = span_of(window.data + open.offset, open.len);
    if (span_is_empty(name)) {
        return fail(stream, XML_NOT_WELL_FORMED);
    }
    *is_whole_out = depth_of(stream) == 0 && (is_end || !stream->is_open);
    if (*is_whole_out) {
        return is_end && stream->is_open ? take_end(stream, name) : take_header(stream, tag);
    }
    if (is_end) {
        struct open_tag last;
        stream->tags.len -= sizeof last;
        memcpy(&last, stream->tags.data + stream->tags.len, sizeof last);
        if (!span_eq(name, span_of(window.data + last.offset, last.len))) {
            return fail(stream, XML_NOT_WELL_FORMED);
        }
    } else if (depth_of(stream) >= stream->limits->max_depth) {
        return fail(stream, XML_TOO_BIG);
    } else if (!is_empty) {
        buf_append(&stream->tags, &open, sizeof open);
    }
    *is_whole_out = depth_of(stream) == 0;
    return *is_whole_out ? take_element(stream, span_head(window, stream->scanned)) : STEP_DONE;
}

static enum step take_token(struct xml_stream *stream, struct span window, bool *is_whole_out)
{
    ASSERT(window.data);
    char kind = window.data[stream->token + 1];
    stream->is_in_token = false;
    *is_whole_out = kind == '?';
    if (kind == '?') {
        struct span declaration = span_from(span_head(window, stream->scanned), stream->token);
        stream->error = frames_skip_declaration(&declaration);
        return stream->error == XML_OK ? STEP_DONE : STEP_FAILED;
    }
    return kind == '!' ? STEP_DONE : take_tag(stream, window, is_whole_out);
}

static enum step check_size(struct xml_stream *stream, size_t size)
{
    size_t max = stream->is_open ? stream->limits->max_bytes : XML_STREAM_HEADER_MAX;
    return size > max ? fail(stream, XML_TOO_BIG) : STEP_DONE;
}

/* Handles one unit at the start of `window`. STEP_DONE: its length is in *used_out. */
static enum step take_unit(struct xml_stream *stream, struct span window, size_t *used_out)
{
    enum step step = STEP_DONE;
    bool is_whole = false;
    while (step == STEP_DONE && !is_whole) {
        step = stream->is_in_token ? STEP_DONE : scan_text(stream, window);
        if (step == STEP_DONE) {
            step = scan_token(stream, window);
        }
        /* before it is handed to anybody; white space between elements was dropped already */
        if (step != STEP_FAILED && check_size(stream, stream->scanned) == STEP_FAILED) {
            return STEP_FAILED;
        }
        if (step == STEP_DONE) {
            *used_out = stream->scanned;
            step = take_token(stream, window, &is_whole);
        }
    }
    return step;
}

static void forget_unit(struct xml_stream *stream)
{
    stream->scanned = 0;
    stream->token = 0;
    stream->quote = 0;
    stream->is_in_token = false;
    buf_reset(&stream->tags);
}

static size_t skip_space(struct span text)
{
    size_t len = 0;
    while (len < text.len && is_space(text.data[len])) {
        len++;
    }
    return len;
}

/* Handles what it can at the front of `window`; returns how many bytes. */
static size_t take_units(struct xml_stream *stream, struct span window)
{
    size_t used = 0;
    while (!stream->is_held && !stream->is_closed && !stream->is_discarding &&
           stream->error == XML_OK) {
        if (stream->scanned == 0) {
            used += skip_space(span_from(window, used));
        }
        size_t len = 0;
        if (take_unit(stream, span_from(window, used), &len) != STEP_DONE) {
            break;
        }
        used += len;
        forget_unit(stream);
    }
    if (stream->is_discarding) {
        stream->is_discarding = false;
        return window.len;
    }
    return used;
}

/* Nothing is waiting for its end: give the memory back, a quiet connection needs none. */
static void release(struct xml_stream *stream)
{
    if (stream->error != XML_OK || stream->is_closed) {
        buf_reset(&stream->pending);
    }
    if (stream->pending.len == 0) {
        buf_deinit(&stream->pending);
        buf_deinit(&stream->tags);
    }
}

static enum xml_error handle_pending(struct xml_stream *stream)
{
    size_t used = take_units(stream, buf_span(&stream->pending));
    buf_consume(&stream->pending, used);
    release(stream);
    return stream->error;
}

enum xml_error xml_stream_feed(struct xml_stream *stream, struct span bytes)
{
    if (stream->error != XML_OK || stream->is_closed) {
        return stream->error;
    }
    if (stream->is_held || stream->pending.len > 0) {
        buf_append_span(&stream->pending, bytes);
        if (!stream->is_held) {
            return handle_pending(stream);
        }
        check_size(stream, stream->pending.len);
        release(stream);
        return stream->error;
    }
    size_t used = take_units(stream, bytes);
    buf_append_span(&stream->pending, span_from(bytes, used));
    release(stream);
    return stream->error;
}

enum xml_error xml_stream_resume(struct xml_stream *stream)
{
    stream->is_held = false;
    return stream->error == XML_OK ? handle_pending(stream) : stream->error;
}

void xml_stream_restart(struct xml_stream *stream)
{
    forget_unit(stream);
    stream->is_open = false;
    stream->is_closed = false;
    stream->error = XML_OK;
}

void xml_stream_discard(struct xml_stream *stream)
{
    stream->is_discarding = stream->is_reporting;
    if (!stream->is_reporting) {
        forget_unit(stream);
        buf_deinit(&stream->pending);
    }
}

bool xml_stream_is_open(const struct xml_stream *stream)
{
    return stream->is_open && !stream->is_closed;
}

struct xml_stream *xml_stream_new(struct xml_frames *frames, const struct xml_limits *limits,
                                  const struct xml_stream_handler *handler, void *arg)
{
    struct xml_stream *stream = mem_calloc(1, sizeof *stream);
    stream->frames = frames;
    stream->limits = limits;
    stream->handler = handler;
    stream->arg = arg;
    return stream;
}

void xml_stream_set_limits(struct xml_stream *stream, const struct xml_limits *limits)
{
    stream->limits = limits;
}

void xml_stream_free(struct xml_stream *stream)
{
    if (!stream) {
        return;
    }
    buf_deinit(&stream->pending);
    buf_deinit(&stream->root);
    buf_deinit(&stream->tags);
    mem_free(stream);
}
