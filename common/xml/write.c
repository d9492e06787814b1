/* Writing XML: escaping, attributes and the pieces of canonical form. */
#include "xml/xml.h"

#include "write_internal.h"
#include "xml/ns.h"

/* What a byte needs, by where it stands. */
enum {
    IN_TEXT = 1,  /* & < > CR */
    IN_ATTR = 2,  /* those, the double quote, and what a parser would turn into a space */
    IN_ANY = 4,   /* text and attributes at once: both kinds of quote */
    FORBIDDEN = 8 /* control characters, and the lead byte of U+FFFE and U+FFFF */
};

#define E (IN_TEXT | IN_ATTR | IN_ANY)
#define F FORBIDDEN
#define W IN_ATTR

/* clang-format off */
static const uint8_t byte_class[256] = {
    F, F, F, F, F, F, F, F, F, W, W, F, F, E, F, F,
    F, F, F, F, F, F, F, F, F, F, F, F, F, F, F, F,
    ['"'] = IN_ATTR | IN_ANY, ['&'] = E, ['\''] = IN_ANY, ['<'] = E, ['>'] = E, [0xef] = F,
};
/* clang-format on */

static const struct {
    char from;
    struct span to;
} references[] = {
    {'&', {"&amp;", 5}},  {'<', {"&lt;", 4}},   {'>', {"&gt;", 4}},   {'"', {"&quot;", 6}},
    {'\'', {"&#39;", 5}}, {'\r', {"&#13;", 5}}, {'\n', {"&#10;", 5}}, {'\t', {"&#9;", 4}},
};

static void write_reference(char c, struct buf *out)
{
    for (size_t i = 0; i < sizeof references / sizeof references[0]; i++) {
        if (references[i].from == c) {
            buf_append_span(out, references[i].to);
            return;
        }
    }
}

/* Length of the forbidden character at `at` (0: the lead byte begins an allowed one). */
static size_t forbidden_len(const char *at, size_t left)
{
    if ((unsigned char)*at != 0xef) {
        return 1;
    }
    bool noncharacter = left >= 3 && (unsigned char)at[1] == 0xbf && (unsigned char)at[2] >= 0xbe;
    return noncharacter ? 3 : 0;
}

static void escape(struct span text, uint8_t where, struct buf *out)
{
    uint8_t stops = where | FORBIDDEN;
    size_t done = 0;
    size_t i = 0;
    while (i < text.len) {
        uint8_t class = byte_class[(unsigned char)text.data[i]];
        if ((class & stops) == 0) {
            i++;
            continue;
        }
        size_t skip = class == FORBIDDEN ? forbidden_len(text.data + i, text.len - i) : 1;
        if (skip == 0) {
            i++;
            continue;
        }
        buf_append(out, text.data + done, i - done);
        if (class != FORBIDDEN) {
            write_reference(text.data[i], out);
        }
        i += skip;
        done = i;
    }
    if (done < i) {
        buf_append(out, text.data + done, i - done);
    }
}

void xml_escape(struct span text, struct buf *out)
{
    escape(text, IN_ANY, out);
}

void xml_write_text(struct span text, struct buf *out)
{
    escape(text, IN_TEXT, out);
}

static void write_value(struct span value, struct buf *out)
{
    buf_append(out, "=\"", 2);
    escape(value, IN_ATTR, out);
    buf_append_u8(out, '"');
}

void xml_write_attr(const char *name, struct span value, struct buf *out)
{
    buf_append_u8(out, ' ');
    buf_append_cstr(out, name);
    write_value(value, out);
}

void xml_write_xmlns(struct span ns, struct buf *out)
{
    xml_write_attr("xmlns", ns, out);
}

void xml_write_canonical_attr(const struct xml_attr *attr, uint32_t index, struct buf *out)
{
    if (span_is_empty(attr->ns)) {
        buf_append_u8(out, ' ');
    } else if (span_eq(attr->ns, SPAN(NS_XML))) {
        buf_append(out, " xml:", 5);
    } else {
        buf_printf(out, " xmlns:a%u", index);
        write_value(attr->ns, out);
        buf_printf(out, " a%u:", index);
    }
    buf_append_span(out, attr->name);
    write_value(attr->value, out);
}
