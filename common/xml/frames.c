/* The one long-lived expat parser: frames under a synthetic root (see parser.h).
 *
 * Resetting expat costs more than parsing a stanza, so elements follow each other below a root
 * `<r>` that never ends, each inside a wrapper `<w ...>` that carries the namespace declarations in
 * force (none for RFC 7395 frames). The wrapper stays open while the declarations stay the same.
 * Whatever an element does that it should not (close the wrapper, leave something open or
 * unfinished, follow another one) is found by one rule: the top-level element ends exactly at the
 * last byte. After any error the parser is reset, so that nothing of a bad frame can reach the
 * next.
 */
#include "frames_internal.h"

#include "base/assert.h"
#include "base/mem.h"
#include "base/rand.h"
#include "canon_internal.h"

#include <ctype.h>
#include <expat.h>
#include <limits.h>

/* expat keeps the name of every element, attribute and prefix it ever met: reset after so much. */
#define RESET_AFTER_ELEMENTS 2048
#define RESET_AFTER_BYTES    (1u << 19)
/* An element this large leaves the parser and buffers large: begin with new ones. */
#define RENEW_AFTER_BYTES (1u << 16)

/* Only newer versions of expat (and of Debian's expat 2.5.0) put off parsing half-seen tokens. */
extern XML_Bool XML_SetReparseDeferralEnabled(XML_Parser parser, XML_Bool enabled)
    __attribute__((weak));

struct xml_frames {
    XML_Parser expat;
    struct canon canon;
    struct buf wrapper; /* declarations of the open wrapper */
    bool is_wrapper_open;
    bool is_inside;           /* events belong to an element, not to root or wrapper */
    bool is_complete;         /* the top-level element has ended at `end` */
    enum xml_error error;     /* of the element at hand, as the handlers found it */
    XML_Index end;            /* byte index in expat's count where the element must end */
    uint32_t elements;        /* since the reset */
    size_t bytes;             /* since the reset */
    size_t largest;           /* element since the parser was made */
    unsigned long salt;       /* for expat's hash tables; given, or each reset asks the kernel */
    struct buf *declarations; /* where to note a header's namespace declarations, or NULL */
};

static void fail(struct xml_frames *frames, enum xml_error error)
{
    if (frames->error == XML_OK && error != XML_OK) {
        frames->error = error;
        XML_StopParser(frames->expat, XML_FALSE);
    }
}

static void XMLCALL on_start(void *arg, const XML_Char *name, const XML_Char **attrs)
{
    struct xml_frames *frames = arg;
    if (!frames->is_inside || frames->error != XML_OK) {
        return;
    }
    bool is_second = frames->is_complete;
    fail(frames, is_second ? XML_NOT_WELL_FORMED : canon_start(&frames->canon, name, attrs));
}

static void XMLCALL on_end(void *arg, const XML_Char *name)
{
    struct xml_frames *frames = arg;
    if (!frames->is_inside || frames->error != XML_OK) {
        return;
    }
    if (frames->canon.depth == 0) {
        fail(frames, XML_NOT_WELL_FORMED); /* the wrapper's end tag, written by a client */
        return;
    }
    canon_end(&frames->canon, name);
    if (frames->canon.depth > 0) {
        return;
    }
    XML_Index end = XML_GetCurrentByteIndex(frames->expat) + XML_GetCurrentByteCount(frames->expat);
    frames->is_complete = true;
    fail(frames, end == frames->end ? XML_OK : XML_NOT_WELL_FORMED);
}

static void XMLCALL on_text(void *arg, const XML_Char *text, int len)
{
    struct xml_frames *frames = arg;
    if (frames->is_inside && frames->error == XML_OK) {
        fail(frames, canon_text(&frames->canon, span_of(text, (size_t)len)));
    }
}

static void XMLCALL on_comment(void *arg, const XML_Char *text)
{
    (void)text;
    fail(arg, XML_RESTRICTED);
}

static void XMLCALL on_instruction(void *arg, const XML_Char *target, const XML_Char *data)
{
    (void)target;
    (void)data;
    fail(arg, XML_RESTRICTED);
}

static void XMLCALL on_namespace(void *arg, const XML_Char *prefix, const XML_Char *uri)
{
    struct xml_frames *frames = arg;
    if (!frames->declarations || frames->canon.depth != 0) {
        return;
    }
    struct buf name = {0};
    buf_append_cstr(&name, prefix ? "xmlns:" : "xmlns");
    buf_append_cstr(&name, prefix ? prefix : "");
    xml_write_attr(buf_cstr(&name), span_cstr(uri), frames->declarations);
    buf_deinit(&name);
}

static int feed(struct xml_frames *frames, struct span text)
{
    frames->bytes += text.len;
    return XML_Parse(frames->expat, text.data, (int)text.len, 0) == XML_STATUS_OK ? 0 : -1;
}

static void start_over(struct xml_frames *frames)
{
    if (frames->expat && frames->largest <= RENEW_AFTER_BYTES) {
        XML_ParserReset(frames->expat, "UTF-8");
    } else {
        if (frames->expat) {
            XML_ParserFree(frames->expat);
            canon_deinit(&frames->canon);
        }
        frames->expat = XML_ParserCreateNS("UTF-8", CANON_SEPARATOR);
        ASSERT(frames->expat);
        canon_init(&frames->canon);
        frames->largest = 0;
    }
    XML_SetHashSalt(frames->expat, frames->salt);
    if (XML_SetReparseDeferralEnabled) {
        XML_SetReparseDeferralEnabled(frames->expat, XML_FALSE);
    }
    XML_SetUserData(frames->expat, frames);
    XML_SetElementHandler(frames->expat, on_start, on_end);
    XML_SetCharacterDataHandler(frames->expat, on_text);
    XML_SetStartNamespaceDeclHandler(frames->expat, on_namespace);
    XML_SetCommentHandler(frames->expat, on_comment);
    XML_SetProcessingInstructionHandler(frames->expat, on_instruction);
    frames->is_wrapper_open = false;
    frames->is_inside = false;
    frames->elements = 0;
    frames->bytes = 0;
    ASSERT(feed(frames, SPAN("<r>")) == 0);
}

static void open_wrapper(struct xml_frames *frames, struct span declarations)
{
    if (frames->is_wrapper_open && span_eq(declarations, buf_span(&frames->wrapper))) {
        return;
    }
    struct buf tags = {0};
    buf_append_cstr(&tags, frames->is_wrapper_open ? "</w><w" : "<w");
    buf_append_span(&tags, declarations);
    buf_append_u8(&tags, '>');
    ASSERT(feed(frames, buf_span(&tags)) == 0); /* only our own declarations get here */
    buf_deinit(&tags);
    buf_reset(&frames->wrapper);
    buf_append_span(&frames->wrapper, declarations);
    frames->is_wrapper_open = true;
}

/* True when expat stumbled over a markup declaration: it stops at the letter behind "<!". */
static bool is_declaration(struct span element, size_t at)
{
    return at >= 2 && at < element.len && element.data[at - 2] == '<' &&
           element.data[at - 1] == '!' && isupper((unsigned char)element.data[at]);
}

/* Whether all of it is UTF-8 (RFC 3629): no byte astray, nothing overlong, no surrogates. */
static bool is_valid_utf8(struct span text)
{
    static const struct {
        unsigned char mask, lead;
        unsigned length;
        uint32_t least;
    } forms[] = {{0x80, 0x00, 1, 0},
                 {0xe0, 0xc0, 2, 0x80},
                 {0xf0, 0xe0, 3, 0x800},
                 {0xf8, 0xf0, 4, 0x10000}};
    for (size_t at = 0; at < text.len;) {
        const unsigned char *bytes = (const unsigned char *)text.data + at;
        size_t form = 0;
        while (form < 4 && (bytes[0] & forms[form].mask) != forms[form].lead)
            form++;
        if (form == 4 || forms[form].length > text.len - at)
            return false;
        uint32_t code = bytes[0] & (unsigned char)~forms[form].mask;
        for (unsigned i = 1; i < forms[form].length; i++) {
            if ((bytes[i] & 0xc0) != 0x80)
                return false;
            code = code << 6 | (bytes[i] & 0x3f);
        }
        if (code < forms[form].least || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
            return false;
        at += forms[form].length;
    }
    return true;
}

/* What expat's own error means. */
static enum xml_error classify(struct xml_frames *frames, struct span element)
{
    if (frames->error != XML_OK) {
        return frames->error;
    }
    enum XML_Error code = XML_GetErrorCode(frames->expat);
    XML_Index start = frames->end - (XML_Index)element.len;
    size_t at = (size_t)(XML_GetCurrentByteIndex(frames->expat) - start);
    bool is_restricted = code == XML_ERROR_UNDEFINED_ENTITY ||
                         (code == XML_ERROR_INVALID_TOKEN && is_declaration(element, at));
    return is_restricted ? XML_RESTRICTED : XML_NOT_WELL_FORMED;
}

enum xml_error frames_parse_inside(struct xml_frames *frames, struct span declarations,
                                   struct span element, const struct xml_limits *limits,
                                   struct xml_top *top_out)
{
    if (element.len > limits->max_bytes || element.len > INT_MAX) {
        return XML_TOO_BIG;
    }
    if (frames->elements >= RESET_AFTER_ELEMENTS || frames->bytes >= RESET_AFTER_BYTES) {
        start_over(frames);
    }
    open_wrapper(frames, declarations);
    canon_begin(&frames->canon, limits);
    frames->is_inside = true;
    frames->is_complete = false;
    frames->error = XML_OK;
    frames->elements++;
    frames->largest = element.len > frames->largest ? element.len : frames->largest;
    frames->end = (XML_Index)(frames->bytes + element.len);
    int parsed = feed(frames, element);
    frames->is_inside = false;
    if (parsed == 0 && frames->is_complete && frames->error == XML_OK) {
        canon_finish(&frames->canon, top_out);
        return XML_OK;
    }
    bool is_half = parsed == 0 && frames->error == XML_OK;
    enum xml_error error = is_half ? XML_NOT_WELL_FORMED : classify(frames, element);
    if (error == XML_NOT_WELL_FORMED && !is_valid_utf8(element)) {
        error = XML_BAD_ENCODING;
    }
    start_over(frames);
    return error;
}

enum xml_error frames_parse_header(struct xml_frames *frames, struct span element,
                                   const struct xml_limits *limits, struct buf *declarations,
                                   struct xml_top *top_out)
{
    frames->declarations = declarations;
    enum xml_error error = frames_parse_inside(frames, (struct span){0}, element, limits, top_out);
    frames->declarations = NULL;
    return error;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The value of the pseudo-attribute `encoding` in an XML declaration; empty when it has none. */
static struct span declared_encoding(struct span declaration)
{
    const char *found = memmem(declaration.data, declaration.len, "encoding", 8);
    if (!found) {
        return (struct span){0};
    }
    size_t from = (size_t)(found - declaration.data) + 8;
    struct span rest = span_trim(span_from(declaration, from));
    if (rest.len == 0 || rest.data[0] != '=') {
        return (struct span){0};
    }
    rest = span_trim(span_from(rest, 1));
    if (rest.len == 0 || (rest.data[0] != '"' && rest.data[0] != '\'')) {
        return (struct span){0};
    }
    struct span value = span_from(rest, 1);
    return span_head(value, span_find(value, rest.data[0]));
}

enum xml_error frames_skip_declaration(struct span *text)
{
    if (text->len < 6 || memcmp(text->data, "<?xml", 5) != 0 || !is_space(text->data[5])) {
        return XML_OK;
    }
    const char *end = memmem(text->data, text->len, "?>", 2);
    if (!end) {
        return XML_NOT_WELL_FORMED;
    }
    size_t len = (size_t)(end - text->data) + 2;
    struct span encoding = declared_encoding(span_head(*text, len));
    *text = span_from(*text, len);
    bool is_utf8 = encoding.len == 5 && strncasecmp(encoding.data, "UTF-8", 5) == 0;
    return span_is_empty(encoding) || is_utf8 ? XML_OK : XML_BAD_ENCODING;
}

enum xml_error xml_frames_parse(struct xml_frames *frames, struct span frame,
                                const struct xml_limits *limits, struct xml_top *top_out)
{
    struct span element = span_trim(frame);
    enum xml_error error = frames_skip_declaration(&element);
    if (error != XML_OK) {
        return error;
    }
    return frames_parse_inside(frames, (struct span){0}, span_trim(element), limits, top_out);
}

struct xml_frames *xml_frames_new(void)
{
    struct xml_frames *frames = mem_calloc(1, sizeof *frames);
    frames->salt = (unsigned long)rand_u64() | 1; /* 0 would mean: choose one */
    start_over(frames);
    return frames;
}

void xml_frames_free(struct xml_frames *frames)
{
    if (!frames) {
        return;
    }
    XML_ParserFree(frames->expat);
    canon_deinit(&frames->canon);
    buf_deinit(&frames->wrapper);
    mem_free(frames);
}
