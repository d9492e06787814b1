#include "fields.h"

#include "base/codec.h"
#include "stanza/stanza.h"
#include "xml/ns.h"
#include "xml/parser.h"

#include <stdio.h>

/* ---- showing ---- */

void fields_quote(struct span text, struct buf *out)
{
    buf_append_u8(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];

        if (c == '"' || c == '\\' || c < 0x20 || c == 0x7f)
            buf_printf(out, "\\u%04x", c);
        else
            buf_append_u8(out, c);
    }
    buf_append_u8(out, '"');
}

static void show_name(const char *name, struct buf *out)
{
    buf_printf(out, ",\"%s\":", name);
}

static void show_integer(const char *name, uint64_t value, struct buf *out)
{
    show_name(name, out);
    buf_printf(out, "%llu", (unsigned long long)value);
}

static void show_str(const char *name, struct span value, struct buf *out)
{
    show_name(name, out);
    fields_quote(value, out);
}

static void show_stanza(struct span value, struct buf *out)
{
    struct arena arena = {0};
    struct buf xml = {0};
    struct stanza stanza;

    if (stanza_decode(value, &arena, &stanza) == 0)
        stanza_write(&stanza, (struct span){0}, span_cstr(NS_CLIENT), &xml);
    else
        buf_append_cstr(&xml, "MALFORMED");
    fields_quote(buf_span(&xml), out);
    buf_deinit(&xml);
    arena_deinit(&arena);
}

static void show_bytes(const char *name, struct span value, struct buf *out)
{
    struct buf hex = {0};

    show_name(name, out);
    if (strcmp(name, "stanza") == 0) {
        show_stanza(value, out);
        return;
    }
    hex_encode(value, &hex);
    fields_quote(buf_span(&hex), out);
    buf_deinit(&hex);
}

static void show_u64s(const char *name, struct wire_u64s list, struct buf *out)
{
    show_name(name, out);
    buf_append_u8(out, '[');
    for (uint32_t i = 0; i < list.count; i++)
        buf_printf(out, "%s%llu", i ? "," : "", (unsigned long long)list.items[i]);
    buf_append_u8(out, ']');
}

static void show_strs(const char *name, struct wire_strs list, struct buf *out)
{
    show_name(name, out);
    buf_append_u8(out, '[');
    for (uint32_t i = 0; i < list.count; i++) {
        if (i)
            buf_append_u8(out, ',');
        fields_quote(list.items[i], out);
    }
    buf_append_u8(out, ']');
}

/* ---- reading ---- */

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c ? strchr(digits, c | 0x20) : NULL;

    return at ? (int)(at - digits) : -1;
}

struct span fields_unquote(struct span text, struct arena *arena)
{
    char *out = arena_alloc(arena, text.len + 1);
    size_t len = 0;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];

        if (c == '%' && i + 2 < text.len) {
            c = (char)(hex_digit(text.data[i + 1]) << 4 | hex_digit(text.data[i + 2]));
            i += 2;
        }
        out[len++] = c;
    }
    return span_of(out, len);
}

struct reading {
    const struct field_words *words;
    struct arena *arena;
    struct buf *error;
};

/* The value of the `nth` word of that field; false when there are fewer. */
static bool find(const struct reading *in, const char *name, size_t nth, struct span *value_out)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < in->words->count; i++) {
        struct span word = in->words->items[i];

        if (!span_has_prefix(word, span_cstr(name)) || word.len <= len || word.data[len] != '=')
            continue;
        if (nth-- == 0) {
            *value_out = fields_unquote(span_from(word, len + 1), in->arena);
            return true;
        }
    }
    return false;
}

static size_t count(const struct reading *in, const char *name)
{
    struct span value;
    size_t n = 0;

    while (find(in, name, n, &value))
        n++;
    return n;
}

static uint64_t read_integer(const struct reading *in, const char *name, size_t nth)
{
    struct span value;
    uint64_t number = 0;

    if (find(in, name, nth, &value) && span_to_u64(value, &number) != 0)
        buf_printf(in->error, "%s is no number", name);
    return number;
}

static struct span read_str(const struct reading *in, const char *name)
{
    struct span value = {0};

    (void)find(in, name, 0, &value);
    return value;
}

static struct span read_stanza(const struct reading *in, struct span xml)
{
    static struct xml_frames *frames;
    const struct xml_limits limits = {1 << 20, 64};
    struct xml_top top;
    struct stanza stanza;
    struct buf out = {0};
    struct span copy;

    if (!frames)
        frames = xml_frames_new();
    if (xml_frames_parse(frames, xml, &limits, &top) != XML_OK ||
        stanza_from_xml(&top, in->arena, &stanza) != STANZA_FINE) {
        buf_append_cstr(in->error, "stanza is not one");
        return (struct span){0};
    }
    stanza_encode(&stanza, &out);
    copy = arena_copy(in->arena, buf_span(&out));
    buf_deinit(&out);
    return copy;
}

static struct span read_bytes(const struct reading *in, const char *name)
{
    struct buf bytes = {0};
    struct span value;
    struct span copy;

    if (!find(in, name, 0, &value))
        return (struct span){0};
    if (strcmp(name, "stanza") == 0)
        return read_stanza(in, value);
    if (hex_decode(value, &bytes) != 0)
        buf_printf(in->error, "%s is not hexadecimal", name);
    copy = arena_copy(in->arena, buf_span(&bytes));
    buf_deinit(&bytes);
    return copy;
}

static struct wire_u64s read_u64s(const struct reading *in, const char *name)
{
    size_t n = count(in, name);
    uint64_t *items = arena_calloc(in->arena, n + 1, sizeof *items);

    for (size_t i = 0; i < n; i++)
        items[i] = read_integer(in, name, i);
    return (struct wire_u64s){items, (uint32_t)n};
}

static struct wire_strs read_strs(const struct reading *in, const char *name)
{
    size_t n = count(in, name);
    struct span *items = arena_calloc(in->arena, n + 1, sizeof *items);

    for (size_t i = 0; i < n; i++)
        (void)find(in, name, i, &items[i]);
    return (struct wire_strs){items, (uint32_t)n};
}

/* ---- every message ---- */

#define U8(f)          show_integer(#f, m->f, out);
#define U32(f)         show_integer(#f, m->f, out);
#define U64(f)         show_integer(#f, m->f, out);
#define STR(f)         show_str(#f, m->f, out);
#define BYTES(f)       show_bytes(#f, m->f, out);
#define U64S(f)        show_u64s(#f, m->f, out);
#define STRS(f)        show_strs(#f, m->f, out);
#define SINCE(v, decl) decl
#define WIRE(name, id, version, kind, flags, fields)                                               \
    static void show_##name(const void *from, struct buf *out)                                     \
    {                                                                                              \
        const struct wire_##name *m = from;                                                        \
                                                                                                   \
        fields                                                                                     \
    }
#include "bus/wire.def"
#undef WIRE
#undef U8
#undef U32
#undef U64
#undef STR
#undef BYTES
#undef U64S
#undef STRS

#define U8(f)    m->f = (uint8_t)read_integer(in, #f, 0);
#define U32(f)   m->f = (uint32_t)read_integer(in, #f, 0);
#define U64(f)   m->f = read_integer(in, #f, 0);
#define STR(f)   m->f = read_str(in, #f);
#define BYTES(f) m->f = read_bytes(in, #f);
#define U64S(f)  m->f = read_u64s(in, #f);
#define STRS(f)  m->f = read_strs(in, #f);
#define WIRE(name, id, version, kind, flags, fields)                                               \
    static void read_##name(const struct reading *in, void *into)                                  \
    {                                                                                              \
        struct wire_##name *m = into;                                                              \
                                                                                                   \
        fields                                                                                     \
    }
#include "bus/wire.def"
#undef WIRE

static const struct {
    const char *name;
    enum wire_id id;
    void (*show)(const void *from, struct buf *out);
    void (*read)(const struct reading *in, void *into);
} messages[] = {
#define WIRE(name, id, version, kind, flags, fields)                                               \
    {#name, WIRE_ID_##name, show_##name, read_##name},
#include "bus/wire.def"
#undef WIRE
};

#define MESSAGE_COUNT (sizeof messages / sizeof messages[0])

void fields_show(const struct wire_msg *msg, struct buf *out)
{
    for (size_t i = 0; i < MESSAGE_COUNT; i++) {
        if (messages[i].id != msg->id)
            continue;
        show_str("message", span_cstr(messages[i].name), out);
        messages[i].show(&msg->u, out);
    }
}

int fields_read(struct span name, const struct field_words *words, struct arena *arena,
                struct wire_msg *msg_out, struct buf *error)
{
    const struct reading in = {words, arena, error};
    size_t before = error->len;

    for (size_t i = 0; i < MESSAGE_COUNT; i++) {
        if (!span_is(name, messages[i].name))
            continue;
        *msg_out = (struct wire_msg){.id = messages[i].id};
        messages[i].read(&in, &msg_out->u);
        return error->len == before ? 0 : -1;
    }
    buf_printf(error, "no message is called %.*s", SPAN_ARG(name));
    return -1;
}
