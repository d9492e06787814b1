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

struct author {
    struct span account;
    struct arena *arena;
};

static bool is_by(void *arg, const struct stanza *stanza, const struct xml_child *child)
{
    const struct author *author = arg;
    struct xml_node *node = NULL;
    struct span by;

    if (!span_is(child->ns, NS_SID) || !span_is(child->name, "stanza-id"))
        return false;
    if (xml_tree_parse(stanza_child_bytes(stanza, child), SPAN(NS_CLIENT), author->arena, &node) !=
            0 ||
        !node)
        return false;
    return jid_normalise(xml_node_attr(node, "by"), author->arena, &by) == 0 &&
           span_eq(by, author->account);
}

bool stanza_id_strip(struct stanza *stanza, struct span account, struct arena *arena)
{
    struct author author = {account, arena};

    return stanza_child(stanza, NS_SID, "stanza-id") && stanza_drop(stanza, is_by, &author, arena);
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
