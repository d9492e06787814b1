/* Encoder and decoder of every message between daemons, made from wire.def.
 *
 * Each line of wire.def becomes one encode and one decode function, whose bodies are its fields in
 * order: the field macros name a put_ or a take_ function. A table indexed by message id holds
 * them.
 */
#include "bus/wire.h"

#include "base/assert.h"

#define HEADER_BYTES 8u

/* No table needs to use every type of field. */
#define FIELD static __attribute__((unused)) void

/* ---- encoding one field ---- */

FIELD put_u8(struct buf *out, uint8_t value)
{
    buf_append_u8(out, value);
}

FIELD put_u32(struct buf *out, uint32_t value)
{
    buf_append_u32(out, value);
}

FIELD put_u64(struct buf *out, uint64_t value)
{
    buf_append_u64(out, value);
}

FIELD put_span(struct buf *out, struct span value)
{
    ASSERT(value.len <= UINT32_MAX);
    buf_append_u32(out, (uint32_t)value.len);
    buf_append_span(out, value);
}

FIELD put_u64s(struct buf *out, struct wire_u64s list)
{
    buf_append_u32(out, list.count);
    for (uint32_t i = 0; i < list.count; i++)
        buf_append_u64(out, list.items[i]);
}

FIELD put_strs(struct buf *out, struct wire_strs list)
{
    buf_append_u32(out, list.count);
    for (uint32_t i = 0; i < list.count; i++)
        put_span(out, list.items[i]);
}

/* ---- decoding one field: the first failure sticks, later fields read as zero ---- */

struct reader {
    const unsigned char *at;
    size_t left;
    struct arena *arena;
    uint32_t version; /* the sender's */
    bool failed;
};

/* The next `len` bytes, or NULL. */
static const unsigned char *take(struct reader *in, size_t len)
{
    const unsigned char *at = in->at;

    if (in->failed || in->left < len) {
        in->failed = true;
        return NULL;
    }
    in->at += len;
    in->left -= len;
    return at;
}

static uint64_t little_endian(const unsigned char *bytes, unsigned count)
{
    uint64_t value = 0;

    while (count-- > 0)
        value = value << 8 | bytes[count];
    return value;
}

static uint64_t take_integer(struct reader *in, unsigned bytes)
{
    const unsigned char *at = take(in, bytes);

    return at ? little_endian(at, bytes) : 0;
}

FIELD take_u8(struct reader *in, uint8_t *value_out)
{
    *value_out = (uint8_t)take_integer(in, 1);
}

FIELD take_u32(struct reader *in, uint32_t *value_out)
{
    *value_out = (uint32_t)take_integer(in, 4);
}

FIELD take_u64(struct reader *in, uint64_t *value_out)
{
    *value_out = take_integer(in, 8);
}

FIELD take_span(struct reader *in, struct span *value_out)
{
    uint32_t len;
    const unsigned char *at;

    take_u32(in, &len);
    at = take(in, len);
    *value_out = at ? span_of((const char *)at, len) : (struct span){0};
}

/* A count of elements of at least `element` bytes each: what cannot fit is refused before anything
 * is allocated for it. */
static uint32_t take_count(struct reader *in, size_t element)
{
    uint32_t count;

    take_u32(in, &count);
    if (count > in->left / element)
        in->failed = true;
    return in->failed ? 0 : count;
}

FIELD take_u64s(struct reader *in, struct wire_u64s *list_out)
{
    uint32_t count = take_count(in, sizeof(uint64_t));
    uint64_t *items = count ? arena_alloc(in->arena, count * sizeof *items) : NULL;

    for (uint32_t i = 0; i < count; i++)
        take_u64(in, &items[i]);
    *list_out = (struct wire_u64s){items, count};
}

FIELD take_strs(struct reader *in, struct wire_strs *list_out)
{
    uint32_t count = take_count(in, sizeof(uint32_t));
    struct span *items = count ? arena_alloc(in->arena, count * sizeof *items) : NULL;

    for (uint32_t i = 0; i < count; i++)
        take_span(in, &items[i]);
    *list_out = (struct wire_strs){items, count};
}

/* ---- one encoder and one decoder per message ---- */

#define U8(f)          put_u8(out, m->f);
#define U32(f)         put_u32(out, m->f);
#define U64(f)         put_u64(out, m->f);
#define STR(f)         put_span(out, m->f);
#define BYTES(f)       put_span(out, m->f);
#define U64S(f)        put_u64s(out, m->f);
#define STRS(f)        put_strs(out, m->f);
#define SINCE(v, decl) decl
#define WIRE(name, id, version, kind, flags, fields)                                               \
    static void encode_##name(const void *from, struct buf *out)                                   \
    {                                                                                              \
        const struct wire_##name *m = from;                                                        \
                                                                                                   \
        fields                                                                                     \
    }
#include WIRE_TABLE
#undef WIRE
#undef U8
#undef U32
#undef U64
#undef STR
#undef BYTES
#undef U64S
#undef STRS
#undef SINCE

#define U8(f)    take_u8(in, &m->f);
#define U32(f)   take_u32(in, &m->f);
#define U64(f)   take_u64(in, &m->f);
#define STR(f)   take_span(in, &m->f);
#define BYTES(f) take_span(in, &m->f);
#define U64S(f)  take_u64s(in, &m->f);
#define STRS(f)  take_strs(in, &m->f);
#define SINCE(v, decl)                                                                             \
    if (in->version >= (v)) {                                                                      \
        decl                                                                                       \
    }
#define WIRE(name, id, version, kind, flags, fields)                                               \
    static void decode_##name(struct reader *in, void *into)                                       \
    {                                                                                              \
        struct wire_##name *m = into;                                                              \
                                                                                                   \
        fields                                                                                     \
    }
#include WIRE_TABLE
#undef WIRE

struct wire_line {
    const char *name;
    uint32_t version;
    enum wire_kind kind;
    uint32_t flags;
    void (*encode)(const void *from, struct buf *out);
    void (*decode)(struct reader *in, void *into);
};

#define ITEM       WIRE_ITEM
#define CALL       WIRE_CALL
#define REPLY      WIRE_REPLY
#define NOTICE     WIRE_NOTICE
#define RECORD     WIRE_RECORD
#define IDEMPOTENT WIRE_IDEMPOTENT
#define WIRE(name, id, version, kind, flags, fields)                                               \
    [id] = {#name, version, kind, flags, encode_##name, decode_##name},

/* Indexed by id; ids that are not given have a NULL name. */
static const struct wire_line lines[] = {
#include WIRE_TABLE
};

static const struct wire_line *wire_line(uint32_t id)
{
    if (id >= sizeof lines / sizeof lines[0] || !lines[id].name)
        return NULL;
    return &lines[id];
}

void wire_encode(const struct wire_msg *msg, struct buf *out)
{
    const struct wire_line *line = wire_line(msg->id);
    size_t start = out->len;
    size_t body;

    ASSERT(line);
    buf_append_u32(out, (uint32_t)msg->id | line->version << 16);
    buf_append_u32(out, 0);
    line->encode(&msg->u, out);
    body = out->len - start - HEADER_BYTES;
    ASSERT(body <= UINT32_MAX);
    for (unsigned i = 0; i < 4; i++)
        out->data[start + 4 + i] = (char)(body >> (8 * i) & 0xff);
}

int wire_decode(struct span in, struct arena *arena, struct wire_msg *msg_out, size_t *used_out)
{
    struct reader header = {(const unsigned char *)in.data, in.len, arena, 0, false};
    uint32_t id = (uint32_t)take_integer(&header, 2);
    uint32_t version = (uint32_t)take_integer(&header, 2);
    uint32_t len = (uint32_t)take_integer(&header, 4);
    const struct wire_line *line = wire_line(id);
    struct reader body;

    if (header.failed || len > header.left || !line || version == 0)
        return -1;
    if (!used_out && header.left != len)
        return -1;
    body = (struct reader){header.at, len, arena, version, false};
    *msg_out = (struct wire_msg){.id = (enum wire_id)id};
    line->decode(&body, &msg_out->u);
    if (body.failed || (body.left > 0 && version <= line->version))
        return -1;
    if (used_out)
        *used_out = HEADER_BYTES + len;
    return 0;
}

const char *wire_name(enum wire_id id)
{
    const struct wire_line *line = wire_line((uint32_t)id);

    return line ? line->name : "unknown";
}

enum wire_kind wire_kind_of(enum wire_id id)
{
    const struct wire_line *line = wire_line((uint32_t)id);

    ASSERT(line);
    return line->kind;
}

bool wire_is_idempotent(enum wire_id id)
{
    const struct wire_line *line = wire_line((uint32_t)id);

    return line && (line->flags & WIRE_IDEMPOTENT) != 0;
}
