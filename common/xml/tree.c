/* A tree from a canonical payload, and back.
 *
 * Canonical XML is so narrow (xml.h) that reading it takes no general parser: this one knows tags,
 * attributes, declarations and the predefined references, checks what it relies on, and works in
 * one copy of the text, unescaping in place.
 */
#include "write_internal.h"
#include "xml/ns.h"

/* A declaration per attribute and one for the element itself. */
#define RAW_ATTRS_MAX (2 * XML_MAX_ATTRS + 1)

struct raw_attr {
    struct span name; /* as written: "a", "xmlns", "p:a" */
    struct span value;
};

struct open_node {
    struct xml_node *node;
    struct xml_node **tail; /* where its next child goes */
    struct span ns;         /* its namespace, which its children inherit */
};

struct reader {
    char *at;
    char *end;
    struct arena *arena;
    uint32_t depth;
    struct open_node open[XML_MAX_DEPTH + 1]; /* [0]: above the chain */
    struct raw_attr raw[RAW_ATTRS_MAX];
    uint32_t raw_count;
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void skip_space(struct reader *reader)
{
    while (reader->at < reader->end && is_space(*reader->at)) {
        reader->at++;
    }
}

static bool take_char(struct reader *reader, char c)
{
    bool is_there = reader->at < reader->end && *reader->at == c;
    reader->at += is_there;
    return is_there;
}

/* ---- references ---- */
static bool is_xml_char(uint32_t c)
{
    return c == '\t' || c == '\n' || c == '\r' || (c >= 0x20 && c < 0xd800) ||
           (c >= 0xe000 && c < 0xfffe) || (c >= 0x10000 && c < 0x110000);
}

/* UTF-8 is never longer than the reference it came from ("&#9;" is the shortest). */
static char *put_utf8(char *out, uint32_t c)
{
    if (c < 0x80) {
        *out++ = (char)c;
    } else if (c < 0x800) {
        *out++ = (char)(0xc0 | c >> 6);
        *out++ = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        *out++ = (char)(0xe0 | c >> 12);
        *out++ = (char)(0x80 | (c >> 6 & 0x3f));
        *out++ = (char)(0x80 | (c & 0x3f));
    } else {
        *out++ = (char)(0xf0 | c >> 18);
        *out++ = (char)(0x80 | (c >> 12 & 0x3f));
        *out++ = (char)(0x80 | (c >> 6 & 0x3f));
        *out++ = (char)(0x80 | (c & 0x3f));
    }
    return out;
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : 16;
}

/* "#10" or "#xa", without & and ;. 0 when it is none that XML allows. */
static uint32_t numeric_reference(struct span name)
{
    bool is_hex = name.len > 2 && name.data[1] == 'x';
    int base = is_hex ? 16 : 10;
    uint32_t value = 0;
    size_t from = is_hex ? 2 : 1;
    if (from >= name.len || name.len > 9) {
        return 0;
    }
    for (size_t i = from; i < name.len; i++) {
        int digit = digit_value(name.data[i]);
        if (digit >= base) {
            return 0;
        }
        value = value * (uint32_t)base + (uint32_t)digit;
    }
    return is_xml_char(value) ? value : 0;
}

static uint32_t reference(struct span name)
{
    static const struct {
        const char *name;
        char c;
    } named[] = {{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}};
    if (name.len > 0 && name.data[0] == '#') {
        return numeric_reference(name);
    }
    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++) {
        if (span_is(name, named[i].name)) {
            return (uint32_t)named[i].c;
        }
    }
    return 0;
}

/* Unescapes the text from `start` to `end` in place: 0 and what it is, or -1. */
static int unescape(char *start, char *end, struct span *text_out)
{
    char *in = memchr(start, '&', (size_t)(end - start));
    char *out = in ? in : end;
    while (in && in < end) {
        if (*in != '&') {
            *out++ = *in++;
            continue;
        }
        char *semicolon = memchr(in, ';', (size_t)(end - in));
        uint32_t c = semicolon ? reference(span_of(in + 1, (size_t)(semicolon - in - 1))) : 0;
        if (c == 0) {
            return -1;
        }
        out = put_utf8(out, c);
        in = semicolon + 1;
    }
    *text_out = span_of(start, (size_t)(out - start));
    return 0;
}

/* ---- tags ---- */
static bool ends_name(char c)
{
    return is_space(c) || strchr("=/><&\"'", c) != NULL; /* NUL too */
}

static int take_name(struct reader *reader, struct span *name_out)
{
    char *start = reader->at;
    while (reader->at < reader->end && !ends_name(*reader->at)) {
        reader->at++;
    }
    *name_out = span_of(start, (size_t)(reader->at - start));
    return span_is_empty(*name_out) ? -1 : 0;
}

static int take_value(struct reader *reader, struct span *value_out)
{
    if (!take_char(reader, '=') || reader->at == reader->end ||
        (*reader->at != '"' && *reader->at != '\'')) {
        return -1;
    }
    char quote = *reader->at++;
    char *start = reader->at;
    char *end = memchr(start, quote, (size_t)(reader->end - start));
    if (!end || memchr(start, '<', (size_t)(end - start))) {
        return -1;
    }
    reader->at = end + 1;
    return unescape(start, end, value_out);
}

/* Reads attributes up to the tag's end: 1 when it is "/>", 0 when it is ">", -1. */
static int take_attrs(struct reader *reader)
{
    reader->raw_count = 0;
    for (;;) {
        char *before = reader->at;
        skip_space(reader);
        if (take_char(reader, '>')) {
            return 0;
        }
        if (take_char(reader, '/')) {
            return take_char(reader, '>') ? 1 : -1;
        }
        struct raw_attr *attr = &reader->raw[reader->raw_count];
        if (before == reader->at || reader->raw_count == RAW_ATTRS_MAX ||
            take_name(reader, &attr->name) != 0 || take_value(reader, &attr->value) != 0) {
            return -1;
        }
        reader->raw_count++;
    }
}

static const struct raw_attr *find_raw(const struct reader *reader, struct span name)
{
    for (uint32_t i = 0; i < reader->raw_count; i++) {
        if (span_eq(reader->raw[i].name, name)) {
            return &reader->raw[i];
        }
    }
    return NULL;
}

static bool is_declaration(struct span name)
{
    return span_eq(name, SPAN("xmlns")) || span_has_prefix(name, SPAN("xmlns:"));
}

/* The namespace that a prefix means: declared on this very element, as canonical form has it. */
static int find_prefix(const struct reader *reader, struct span prefix, struct span *ns_out)
{
    if (span_eq(prefix, SPAN("xml"))) {
        *ns_out = SPAN(NS_XML);
        return 0;
    }
    for (uint32_t i = 0; i < reader->raw_count; i++) {
        struct span name = reader->raw[i].name;
        if (span_has_prefix(name, SPAN("xmlns:")) && span_eq(span_from(name, 6), prefix)) {
            *ns_out = reader->raw[i].value;
            return span_is_empty(*ns_out) ? -1 : 0;
        }
    }
    return -1;
}

static int resolve_attr(const struct reader *reader, const struct raw_attr *raw,
                        struct xml_attr *attr_out)
{
    size_t colon = span_find(raw->name, ':');
    *attr_out = (struct xml_attr){.name = raw->name, .value = raw->value};
    if (colon == raw->name.len) {
        return 0;
    }
    attr_out->name = span_from(raw->name, colon + 1);
    bool is_name = attr_out->name.len > 0 && span_find(attr_out->name, ':') == attr_out->name.len;
    return is_name ? find_prefix(reader, span_head(raw->name, colon), &attr_out->ns) : -1;
}

static bool is_duplicate(const struct xml_attr *attrs, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (span_eq(attrs[i].name, attrs[count].name) && span_eq(attrs[i].ns, attrs[count].ns)) {
            return true;
        }
    }
    return false;
}

static int resolve_attrs(struct reader *reader, struct xml_node *node)
{
    if (reader->raw_count == 0) {
        return 0;
    }
    struct xml_attr *attrs = arena_alloc(reader->arena, reader->raw_count * sizeof *attrs);
    for (uint32_t i = 0; i < reader->raw_count; i++) {
        const struct raw_attr *raw = &reader->raw[i];
        if (find_raw(reader, raw->name) != raw) {
            return -1; /* twice */
        }
        if (is_declaration(raw->name)) {
            continue;
        }
        if (node->attr_count == XML_MAX_ATTRS ||
            resolve_attr(reader, raw, &attrs[node->attr_count]) != 0 ||
            is_duplicate(attrs, node->attr_count)) {
            return -1;
        }
        node->attr_count++;
    }
    node->attrs = attrs;
    return 0;
}

static struct xml_node *add_node(struct reader *reader)
{
    struct open_node *parent = &reader->open[reader->depth];
    struct xml_node *node = arena_calloc(reader->arena, 1, sizeof *node);
    *parent->tail = node;
    parent->tail = &node->next;
    return node;
}

/* Behind "<". */
static int take_start(struct reader *reader)
{
    struct xml_node *node = add_node(reader);
    if (take_name(reader, &node->name) != 0 || span_find(node->name, ':') != node->name.len ||
        strchr("!?", node->name.data[0])) {
        return -1;
    }
    int is_empty = take_attrs(reader);
    if (is_empty < 0) {
        return -1;
    }
    const struct raw_attr *xmlns = find_raw(reader, SPAN("xmlns"));
    node->ns = xmlns ? xmlns->value : reader->open[reader->depth].ns;
    if (resolve_attrs(reader, node) != 0) {
        return -1;
    }
    if (is_empty) {
        return 0;
    }
    if (reader->depth == XML_MAX_DEPTH) {
        return -1;
    }
    reader->open[++reader->depth] =
        (struct open_node){.node = node, .tail = &node->first_child, .ns = node->ns};
    return 0;
}

/* Behind "</". */
static int take_end(struct reader *reader)
{
    struct span name;
    if (reader->depth == 0 || take_name(reader, &name) != 0) {
        return -1;
    }
    skip_space(reader);
    bool matches = take_char(reader, '>') && span_eq(name, reader->open[reader->depth].node->name);
    reader->depth--;
    return matches ? 0 : -1;
}

static int take_text(struct reader *reader)
{
    char *start = reader->at;
    char *end = memchr(start, '<', (size_t)(reader->end - start));
    reader->at = end ? end : reader->end;
    return unescape(start, reader->at, &add_node(reader)->text);
}

int xml_tree_parse(struct span content, struct span content_ns, struct arena *arena,
                   struct xml_node **first_out)
{
    struct reader reader;
    reader.arena = arena;
    reader.depth = 0;
    reader.raw_count = 0;
    struct span copy = arena_copy(arena, content);
    reader.at = (char *)(uintptr_t)copy.data; /* our own copy: it may be written to */
    reader.end = reader.at + copy.len;
    *first_out = NULL;
    reader.open[0] = (struct open_node){.tail = first_out, .ns = arena_copy(arena, content_ns)};
    while (reader.at < reader.end) {
        int taken = 0;
        if (!take_char(&reader, '<')) {
            taken = take_text(&reader);
        } else if (take_char(&reader, '/')) {
            taken = take_end(&reader);
        } else {
            taken = take_start(&reader);
        }
        if (taken != 0) {
            return -1;
        }
    }
    return reader.depth == 0 ? 0 : -1;
}
