/* Taking JIDs apart and putting them together, without looking at characters. */
#include "jid/jid.h"

static struct span before(struct span text, size_t at)
{
    return span_head(text, at);
}

int jid_split(struct span text, struct jid *jid_out)
{
    struct span bare = before(text, span_find(text, '/'));
    size_t at = span_find(bare, '@');
    bool has_node = at < bare.len;
    jid_out->resource = span_from(text, bare.len + 1);
    jid_out->node = has_node ? span_head(bare, at) : (struct span){0};
    jid_out->domain = has_node ? span_from(bare, at + 1) : bare;
    return span_is_empty(jid_out->domain) ? -1 : 0;
}

struct span jid_bare(struct span jid)
{
    return before(jid, span_find(jid, '/'));
}

struct span jid_resource(struct span jid)
{
    return span_from(jid, span_find(jid, '/') + 1);
}

struct span jid_domain(struct span jid)
{
    struct jid parts;
    return jid_split(jid, &parts) == 0 ? parts.domain : (struct span){0};
}

struct span jid_node(struct span jid)
{
    struct jid parts;
    return jid_split(jid, &parts) == 0 ? parts.node : (struct span){0};
}

bool jid_is_bare(struct span jid)
{
    return span_find(jid, '/') == jid.len;
}

struct span jid_join(struct span node, struct span domain, struct span resource,
                     struct arena *arena)
{
    const char *at = span_is_empty(node) ? "" : "@";
    const char *slash = span_is_empty(resource) ? "" : "/";
    return arena_printf(arena, "%.*s%s%.*s%s%.*s", SPAN_ARG(node), at, SPAN_ARG(domain), slash,
                        SPAN_ARG(resource));
}
