/* Whole JIDs, and parts for callers. What comes out is always in the caller's arena. */
#include "jid/jid.h"

#include "part_internal.h"

typedef int part_fn(struct span text, struct arena *arena, struct span *part_out);

static int normalise_part(struct span text, part_fn *part, struct arena *arena,
                          struct span *part_out)
{
    struct span found;
    if (part(text, arena, &found) != 0) {
        return -1;
    }
    *part_out = found.data == text.data ? arena_copy(arena, found) : found;
    return 0;
}

int jid_normalise_node(struct span text, struct arena *arena, struct span *node_out)
{
    return normalise_part(text, jid_part_node, arena, node_out);
}

int jid_normalise_domain(struct span text, struct arena *arena, struct span *domain_out)
{
    return normalise_part(text, jid_part_domain, arena, domain_out);
}

int jid_normalise_resource(struct span text, struct arena *arena, struct span *resource_out)
{
    return normalise_part(text, jid_part_resource, arena, resource_out);
}

int jid_normalise(struct span text, struct arena *arena, struct span *jid_out)
{
    struct jid written;
    struct jid jid = {0};
    if (jid_split(text, &written) != 0 || jid_part_domain(written.domain, arena, &jid.domain)) {
        return -1;
    }
    /* A separator with nothing on its outer side is no JID. */
    struct span bare = jid_bare(text);
    bool has_node = span_find(bare, '@') < bare.len;
    bool has_resource = bare.len < text.len;
    if (has_node && jid_part_node(written.node, arena, &jid.node) != 0) {
        return -1;
    }
    if (has_resource && jid_part_resource(written.resource, arena, &jid.resource) != 0) {
        return -1;
    }
    bool is_same = jid.domain.data == written.domain.data && jid.domain.len == written.domain.len &&
                   jid.node.data == written.node.data && jid.resource.data == written.resource.data;
    *jid_out =
        is_same ? arena_copy(arena, text) : jid_join(jid.node, jid.domain, jid.resource, arena);
    return 0;
}
