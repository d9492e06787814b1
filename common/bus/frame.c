/* The frame codec. Layouts, all after u32 magic, u8 version, u8 type:
 *
 *   HELLO    u8 lane; u64 boot, link, your_link, received; str kind, instance; u32 count, str ...
 *   DATA     u64 link, received, first; u32 count (top bit: gap); entries
 *   BYE      u64 link
 *   NOTICES  sections
 *
 *   entry    u8 kind, u64 handle, str body
 *   run      u64 first, u32 count
 *   section  str publisher, u64 boot, first; u32 count; str messages
 *   message  str
 *
 * A str is a u32 length and its bytes.
 */
#include "bus/frame.h"

#include "base/assert.h"

#define FRAME_MAGIC   0x4b4441a7u /* a7 'A' 'D' 'K': no text, no TLS record */
#define FRAME_VERSION 1u
#define COUNT_OFFSET  30u /* of the count within a DATA frame */
#define GAP_BIT       0x80000000u

/* ---- writing ---- */

static void put_head(enum frame_type type, struct buf *out)
{
    buf_append_u32(out, FRAME_MAGIC);
    buf_append_u8(out, FRAME_VERSION);
    buf_append_u8(out, (uint8_t)type);
}

static void put_str(struct span s, struct buf *out)
{
    ASSERT(s.len <= UINT32_MAX);
    buf_append_u32(out, (uint32_t)s.len);
    buf_append_span(out, s);
}

void frame_write_hello(const struct frame_hello *hello, struct buf *out)
{
    put_head(FRAME_HELLO, out);
    buf_append_u8(out, (uint8_t)hello->lane);
    buf_append_u64(out, hello->boot);
    buf_append_u64(out, hello->link);
    buf_append_u64(out, hello->your_link);
    buf_append_u64(out, hello->received);
    put_str(hello->kind, out);
    put_str(hello->instance, out);
    buf_append_u32(out, hello->announce_count);
    for (uint32_t i = 0; i < hello->announce_count; i++)
        put_str(hello->announce[i], out);
}

void frame_begin_data(const struct frame_data *data, struct buf *out)
{
    ASSERT(out->len == 0);
    put_head(FRAME_DATA, out);
    buf_append_u64(out, data->link);
    buf_append_u64(out, data->received);
    buf_append_u64(out, data->first);
    buf_append_u32(out, data->gap ? GAP_BIT : 0);
}

void frame_write_entry(const struct frame_entry *entry, struct buf *out)
{
    buf_append_u8(out, (uint8_t)entry->kind);
    buf_append_u64(out, entry->handle);
    put_str(entry->body, out);
}

void frame_end_data(uint32_t count, struct buf *out)
{
    ASSERT(count < GAP_BIT);
    for (unsigned i = 0; i < 4; i++)
        out->data[COUNT_OFFSET + i] |= (char)(count >> (8 * i) & 0xff);
}

void frame_write_bye(uint64_t link, struct buf *out)
{
    put_head(FRAME_BYE, out);
    buf_append_u64(out, link);
}

void frame_begin_notices(struct buf *out)
{
    put_head(FRAME_NOTICES, out);
}

void frame_write_section(const struct frame_section *section, struct buf *out)
{
    put_str(section->publisher, out);
    buf_append_u64(out, section->boot);
    buf_append_u64(out, section->first);
    buf_append_u32(out, section->count);
    put_str(section->messages, out);
}

void frame_write_message(struct span message, struct buf *out)
{
    put_str(message, out);
}

void frame_write_run(const struct frame_run *run, struct buf *out)
{
    buf_append_u64(out, run->first);
    buf_append_u32(out, run->count);
}

/* ---- reading: each takes its bytes off the front of `in`, or fails and leaves it as it is ---- */

static bool take_integer(struct span *in, unsigned bytes, uint64_t *value_out)
{
    uint64_t value = 0;

    if (in->len < bytes)
        return false;
    for (unsigned i = bytes; i-- > 0;)
        value = value << 8 | (unsigned char)in->data[i];
    *in = span_from(*in, bytes);
    *value_out = value;
    return true;
}

static bool take_u32(struct span *in, uint32_t *value_out)
{
    uint64_t value;

    if (!take_integer(in, 4, &value))
        return false;
    *value_out = (uint32_t)value;
    return true;
}

static bool take_u64(struct span *in, uint64_t *value_out)
{
    return take_integer(in, 8, value_out);
}

static bool take_str(struct span *in, struct span *s_out)
{
    struct span rest = *in;
    uint32_t len;

    if (!take_u32(&rest, &len) || rest.len < len)
        return false;
    *s_out = span_head(rest, len);
    *in = span_from(rest, len);
    return true;
}

static bool take_name(struct span *in, struct span *name_out)
{
    return take_str(in, name_out) && name_out->len > 0 && name_out->len <= FRAME_NAME_MAX;
}

bool frame_next_entry(struct span *rest, struct frame_entry *entry_out)
{
    struct span in = *rest;
    uint64_t kind;

    if (!take_integer(&in, 1, &kind) || kind < FRAME_ITEM || kind > FRAME_SETTLE ||
        !take_u64(&in, &entry_out->handle) || !take_str(&in, &entry_out->body))
        return false;
    entry_out->kind = (enum frame_entry_kind)kind;
    *rest = in;
    return true;
}

bool frame_next_run(struct span *rest, struct frame_run *run_out)
{
    struct span in = *rest;

    if (!take_u64(&in, &run_out->first) || !take_u32(&in, &run_out->count))
        return false;
    if (run_out->count == 0 || run_out->first > UINT64_MAX - run_out->count)
        return false;
    *rest = in;
    return true;
}

bool frame_next_section(struct span *rest, struct frame_section *section_out)
{
    struct span in = *rest;

    if (!take_name(&in, &section_out->publisher) || !take_u64(&in, &section_out->boot) ||
        !take_u64(&in, &section_out->first) || !take_u32(&in, &section_out->count) ||
        !take_str(&in, &section_out->messages))
        return false;
    if (section_out->first > UINT64_MAX - section_out->count)
        return false;
    section_out->whole = span_head(*rest, rest->len - in.len);
    *rest = in;
    return true;
}

bool frame_next_message(struct span *rest, struct span *message_out)
{
    return take_str(rest, message_out);
}

/* ---- checking whole frames ---- */

static bool are_runs(struct span runs)
{
    struct frame_run run;

    while (frame_next_run(&runs, &run))
        ;
    return runs.len == 0;
}

static int decode_hello(struct span in, struct arena *arena, struct frame *frame_out)
{
    struct frame_hello *hello = &frame_out->u.hello;
    struct span *lines;
    uint64_t lane;

    if (!take_integer(&in, 1, &lane) || lane > FRAME_LISTENS || !take_u64(&in, &hello->boot) ||
        !take_u64(&in, &hello->link) || !take_u64(&in, &hello->your_link) ||
        !take_u64(&in, &hello->received) || !take_name(&in, &hello->kind) ||
        !take_name(&in, &hello->instance) || !take_u32(&in, &hello->announce_count))
        return -1;
    if (hello->link == 0 || hello->announce_count > FRAME_ANNOUNCE_MAX)
        return -1;
    hello->lane = (enum frame_lane)lane;
    lines = arena_alloc(arena, hello->announce_count * sizeof *lines);
    for (uint32_t i = 0; i < hello->announce_count; i++) {
        if (!take_str(&in, &lines[i]))
            return -1;
    }
    hello->announce = lines;
    return in.len == 0 ? 0 : -1;
}

static int decode_data(struct span in, struct arena *arena, struct frame *frame_out)
{
    struct frame_data *data = &frame_out->u.data;
    struct frame_entry entry;
    uint32_t count = 0;

    (void)arena;
    if (!take_u64(&in, &data->link) || !take_u64(&in, &data->received) ||
        !take_u64(&in, &data->first) || !take_u32(&in, &data->count))
        return -1;
    data->gap = (data->count & GAP_BIT) != 0;
    data->count &= ~GAP_BIT;
    data->entries = in;
    while (frame_next_entry(&in, &entry)) {
        if (entry.kind == FRAME_SETTLE && !are_runs(entry.body))
            return -1;
        count++;
    }
    if (in.len != 0 || count != data->count || data->first > UINT64_MAX - count)
        return -1;
    return 0;
}

static int decode_bye(struct span in, struct arena *arena, struct frame *frame_out)
{
    (void)arena;
    return take_u64(&in, &frame_out->u.bye_link) && in.len == 0 ? 0 : -1;
}

static int decode_notices(struct span in, struct arena *arena, struct frame *frame_out)
{
    struct frame_section section;

    (void)arena;
    frame_out->u.sections = in;
    while (frame_next_section(&in, &section)) {
        struct span messages = section.messages;
        struct span message;
        uint32_t count = 0;

        while (frame_next_message(&messages, &message))
            count++;
        if (messages.len != 0 || count != section.count)
            return -1;
    }
    return in.len == 0 ? 0 : -1;
}

typedef int decode_fn(struct span in, struct arena *arena, struct frame *frame_out);

static decode_fn *const decoders[] = {
    [FRAME_HELLO] = decode_hello,
    [FRAME_DATA] = decode_data,
    [FRAME_BYE] = decode_bye,
    [FRAME_NOTICES] = decode_notices,
};

int frame_decode(struct span in, struct arena *arena, struct frame *frame_out)
{
    uint64_t magic;
    uint64_t version;
    uint64_t type;

    if (!take_integer(&in, 4, &magic) || magic != FRAME_MAGIC || !take_integer(&in, 1, &version) ||
        version != FRAME_VERSION || !take_integer(&in, 1, &type))
        return -1;
    if (type >= sizeof decoders / sizeof decoders[0] || !decoders[type])
        return -1;
    *frame_out = (struct frame){.type = (enum frame_type)type};
    return decoders[type](in, arena, frame_out);
}
