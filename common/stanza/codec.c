/* The encoded stanza: a fixed head (version, kind, type, then the lengths), the header strings, the
 * payload, and the index of children with their names. Integers are little endian.
 *
 *   u8 version, u8 kind, u8 type, u8 0
 *   u32 length of: from, to, id, lang, payload; u32 count of children
 *   bytes of from, to, id, lang, payload
 *   per child: u32 offset, u32 length, u32 length of ns, u32 length of name, bytes of ns, of name
 *
 * An absent id differs from an empty one by the top bit of its length. */
#include "stanza/stanza.h"
#include "type_internal.h"

#include <endian.h>

#define CODEC_VERSION 1
#define ID_PRESENT    (1u << 31)
#define LENGTH_COUNT  6
#define HEAD_LEN      (4 + 4 * LENGTH_COUNT)
#define CHILD_LEN     ((size_t)4 * 4)

static char *put_u32(char *at, size_t value)
{
    uint32_t little = htole32((uint32_t)value);
    memcpy(at, &little, 4);
    return at + 4;
}

static uint32_t get_u32(const char *at)
{
    uint32_t little;
    memcpy(&little, at, 4);
    return le32toh(little);
}

static char *put_span(char *at, struct span s)
{
    if (s.len > 0 && s.data) {
        memcpy(at, s.data, s.len);
    }
    return at + s.len;
}

static size_t encoded_len(const struct stanza *stanza)
{
    size_t len = HEAD_LEN + stanza->from.len + stanza->to.len + stanza->id.len + stanza->lang.len +
                 stanza->payload.len;
    for (uint32_t i = 0; i < stanza->child_count; i++) {
        len += CHILD_LEN + stanza->children[i].ns.len + stanza->children[i].name.len;
    }
    return len;
}

void stanza_encode(const struct stanza *stanza, struct buf *out)
{
    size_t len = encoded_len(stanza);
    char *at = buf_reserve(out, len);
    *at++ = CODEC_VERSION;
    *at++ = (char)stanza->kind;
    *at++ = (char)stanza->type;
    *at++ = 0;
    at = put_u32(at, stanza->from.len);
    at = put_u32(at, stanza->to.len);
    at = put_u32(at, stanza->id.len | (stanza->id.data ? ID_PRESENT : 0));
    at = put_u32(at, stanza->lang.len);
    at = put_u32(at, stanza->payload.len);
    at = put_u32(at, stanza->child_count);
    at = put_span(at, stanza->from);
    at = put_span(at, stanza->to);
    at = put_span(at, stanza->id);
    at = put_span(at, stanza->lang);
    at = put_span(at, stanza->payload);
    for (uint32_t i = 0; i < stanza->child_count; i++) {
        const struct xml_child *child = &stanza->children[i];
        at = put_u32(at, child->offset);
        at = put_u32(at, child->length);
        at = put_u32(at, child->ns.len);
        at = put_u32(at, child->name.len);
        at = put_span(at, child->ns);
        at = put_span(at, child->name);
    }
    out->len += len;
}

/* Takes `len` bytes off the front of *rest: 0, or -1 when there are not so many. */
static int take(struct span *rest, size_t len, struct span *taken_out)
{
    if (len > rest->len) {
        return -1;
    }
    *taken_out = len ? span_of(rest->data, len) : (struct span){0};
    *rest = span_from(*rest, len);
    return 0;
}

/* Children follow each other in the payload, none empty, none beyond its end. */
static int decode_child(struct span *rest, size_t payload_len, size_t *end, struct xml_child *child)
{
    struct span head;
    if (take(rest, CHILD_LEN, &head) != 0) {
        return -1;
    }
    child->offset = get_u32(head.data);
    child->length = get_u32(head.data + 4);
    if (child->offset < *end || child->length == 0 || child->offset > payload_len ||
        child->length > payload_len - child->offset) {
        return -1;
    }
    *end = (size_t)child->offset + child->length;
    return take(rest, get_u32(head.data + 8), &child->ns) == 0 &&
                   take(rest, get_u32(head.data + 12), &child->name) == 0 &&
                   !span_is_empty(child->name)
               ? 0
               : -1;
}

static int decode_children(struct span rest, uint32_t count, struct arena *arena,
                           struct stanza *stanza)
{
    if (count > rest.len / CHILD_LEN) {
        return -1;
    }
    struct xml_child *children = arena_calloc(arena, count, sizeof *children);
    size_t end = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (decode_child(&rest, stanza->payload.len, &end, &children[i]) != 0) {
            return -1;
        }
    }
    stanza->children = children;
    stanza->child_count = count;
    return rest.len == 0 ? 0 : -1;
}

static int decode_kind(const char *head, struct stanza *stanza)
{
    unsigned kind = (unsigned char)head[1];
    unsigned type = (unsigned char)head[2];
    if (head[0] != CODEC_VERSION || head[3] != 0 || kind > STANZA_IQ || type >= STANZA_TYPE_COUNT) {
        return -1;
    }
    stanza->kind = (enum stanza_kind)kind;
    stanza->type = (enum stanza_type)type;
    return type_fits(stanza->kind, stanza->type) ? 0 : -1;
}

int stanza_decode(struct span in, struct arena *arena, struct stanza *stanza_out)
{
    struct span head;
    struct stanza stanza = {0};
    if (take(&in, HEAD_LEN, &head) != 0 || decode_kind(head.data, &stanza) != 0) {
        return -1;
    }
    uint32_t len[LENGTH_COUNT];
    for (size_t i = 0; i < LENGTH_COUNT; i++) {
        len[i] = get_u32(head.data + 4 + 4 * i);
    }
    bool has_id = (len[2] & ID_PRESENT) != 0;
    len[2] &= ~ID_PRESENT;
    if ((!has_id && len[2] > 0) || take(&in, len[0], &stanza.from) != 0 ||
        take(&in, len[1], &stanza.to) != 0 || take(&in, len[2], &stanza.id) != 0 ||
        take(&in, len[3], &stanza.lang) != 0 || take(&in, len[4], &stanza.payload) != 0 ||
        decode_children(in, len[5], arena, &stanza) != 0) {
        return -1;
    }
    if (has_id && span_is_empty(stanza.id)) {
        stanza.id.data = "";
    }
    *stanza_out = stanza;
    return 0;
}
