/* The hash of the advertised lists, as in "Server Sends Downgrade Protection Hash" of XEP-0474. */
#include "xep0474_downgrade.h"

#include "base/codec.h"

#include <stdlib.h>
#include <string.h>

#define BETWEEN_ITEMS "\x1e"
#define BETWEEN_LISTS "\x1f"

/* By bytes ("i;octet"), a prefix first. */
static int compare(const void *left, const void *right)
{
    const struct span *a = left;
    const struct span *b = right;
    int order = memcmp(a->data, b->data, a->len < b->len ? a->len : b->len);
    return order != 0 ? order : (a->len > b->len) - (a->len < b->len);
}

static void append_sorted(const struct wire_strs *list, struct arena *arena, struct buf *out)
{
    struct span *items = arena_calloc(arena, list->count + 1, sizeof(*items));
    for (uint32_t i = 0; i < list->count; i++) {
        items[i] = list->items[i];
    }
    qsort(items, list->count, sizeof(*items), compare);
    for (uint32_t i = 0; i < list->count; i++) {
        buf_append_cstr(out, i > 0 ? BETWEEN_ITEMS : "");
        buf_append_span(out, items[i]);
    }
}

struct span xep0474_attribute(enum crypt_hash hash, const struct wire_sasl_state *state,
                              struct arena *arena)
{
    uint8_t digest[CRYPT_DIGEST_MAX];
    struct buf text = {0};
    if (state->mechanisms.count == 0) {
        return (struct span){0};
    }
    append_sorted(&state->mechanisms, arena, &text);
    if (state->binding_types.count > state->unadvertised) {
        struct wire_strs types = state->binding_types;
        types.count -= state->unadvertised;
        buf_append_cstr(&text, BETWEEN_LISTS);
        append_sorted(&types, arena, &text);
    }
    crypt_digest(hash, buf_span(&text), digest);
    buf_reset(&text);
    buf_append_cstr(&text, "h=");
    base64_encode(span_of((const char *)digest, crypt_hash_size(hash)), &text);
    struct span attribute = arena_copy(arena, buf_span(&text));
    buf_deinit(&text);
    return attribute;
}
