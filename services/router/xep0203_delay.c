/* Looked at only where there is one: the index of the children tells. */
#include "xep0203_delay.h"

#include "jid/jid.h"
#include "router.h"
#include "xml/ns.h"

struct search {
    const struct router *router;
    struct arena *arena;
};

static bool is_forged(void *arg, const struct stanza *stanza, const struct xml_child *child)
{
    const struct search *search = arg;
    struct xml_node *node = NULL;
    struct span from;

    if (!span_is(child->ns, NS_DELAY))
        return false;
    if (xml_tree_parse(stanza_child_bytes(stanza, child), SPAN(NS_CLIENT), search->arena, &node) !=
            0 ||
        !node)
        return false;
    return jid_normalise(xml_node_attr(node, "from"), search->arena, &from) == 0 &&
           span_is_empty(jid_node(from)) && router_is_own_domain(search->router, jid_domain(from));
}

bool delay_drop_forged(const struct router *router, struct stanza *stanza, struct arena *arena)
{
    struct search search = {router, arena};

    return stanza->kind != STANZA_IQ && stanza_child(stanza, NS_DELAY, NULL) &&
           stanza_drop(stanza, is_forged, &search, arena);
}
