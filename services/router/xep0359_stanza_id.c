/* Making ids, and changing the payload of a stanza that is decoded already. */
#include "xep0359_stanza_id.h"

#include "base/buf.h"
#include "base/codec.h"
#include "base/hash.h"
#include "jid/jid.h"
#include "xml/ns.h"

#include <endian.h>

/* The session's id is random and known to nobody but the account's own clients: it is the key. */
void stanza_id_make(uint64_t sid, uint64_t n, struct span account, struct stanza_id *id_out)
{
    uint64_t number = htole64(n);
    struct span number_bytes = {(const char *)&number, sizeof(number)};

    id_out->by = account;
    for (uint64_t i = 0; i < 2; i++) {
        uint64_t key = hash_bytes(hash_u64(i, sid), number_bytes);
        uint64_t half = htole64(hash_bytes(key, account));

        memcpy(id_out->bytes + i * sizeof(half), &half, sizeof(half));
    }
}

static bool is_by(const struct stanza *stanza, const struct xml_child *child, struct span account,
                  struct arena *arena)
{
    struct xml_node *node = NULL;
    struct span by;

    if (!span_is(child->ns, NS_SID) || !span_is(child->name, "stanza-id"))
        return false;
    if (xml_tree_parse(stanza_child_bytes(stanza, child), SPAN(NS_CLIENT), arena, &node) != 0 ||
        !node)
        return false;
    return jid_normalise(xml_node_attr(node, "by"), arena, &by) == 0 && span_eq(by, account);
}

static void rebuild(struct stanza *stanza, const bool *is_out, struct arena *arena)
{
    const struct stanza from = *stanza;

    stanza->child_count = 0;
    stanza->payload = (struct span){0};
    for (uint32_t i = 0; i < from.child_count; i++) {
        const struct xml_child *child = &from.children[i];

        if (!is_out[i])
            stanza_append(stanza, child->ns, child->name, stanza_child_bytes(&from, child), arena);
    }
}

bool stanza_id_strip(struct stanza *stanza, struct span account, struct arena *arena)
{
    bool *is_out;
    bool is_found = false;

    if (!stanza_child(stanza, NS_SID, "stanza-id"))
        return false;
    is_out = arena_calloc(arena, stanza->child_count, sizeof(*is_out));
    for (uint32_t i = 0; i < stanza->child_count; i++) {
        is_out[i] = is_by(stanza, &stanza->children[i], account, arena);
        is_found |= is_out[i];
    }
    if (is_found)
        rebuild(stanza, is_out, arena);
    return is_found;
}

void stanza_id_add(struct stanza *stanza, const struct stanza_id *id, struct arena *arena)
{
    struct buf element = {0};

    buf_append_cstr(&element, "<stanza-id xmlns=\"" NS_SID "\"");
    xml_write_attr("by", id->by, &element);
    buf_append_cstr(&element, " id=\"");
    hex_encode(span_of((const char *)id->bytes, sizeof(id->bytes)), &element);
    buf_append_cstr(&element, "\"/>");
    stanza_append(stanza, SPAN(NS_SID), SPAN("stanza-id"), buf_span(&element), arena);
    buf_deinit(&element);
}
