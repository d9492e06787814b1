/* Adding and dropping <delay/>. */
#include "xep0203_delay.h"

#include "base/buf.h"
#include "base/clock.h"
#include "jid/jid.h"
#include "xml/ns.h"

void delay_add(struct job *job, uint64_t since_ms, struct stanza *stanza)
{
    char stamp[CLOCK_XEP82_SIZE];
    struct buf delay = {0};
    if (since_ms == 0 || stanza_child(stanza, NS_DELAY, "delay")) {
        return;
    }
    clock_format_xep82(since_ms, stamp);
    buf_append_cstr(&delay, "<delay xmlns=\"" NS_DELAY "\"");
    xml_write_attr("from", jid_domain(job->account), &delay);
    xml_write_attr("stamp", span_cstr(stamp), &delay);
    buf_append_cstr(&delay, "/>");
    stanza_append(stanza, SPAN(NS_DELAY), SPAN("delay"), buf_span(&delay), job->arena);
    buf_deinit(&delay);
}

static bool is_forged(struct job *job, const struct stanza *stanza, const struct xml_child *child)
{
    struct xml_node *node = NULL;
    struct span from;
    if (!span_is(child->ns, NS_DELAY) ||
        xml_tree_parse(stanza_child_bytes(stanza, child), SPAN(NS_CLIENT), job->arena, &node) !=
            0 ||
        !node) {
        return false;
    }
    return jid_normalise(xml_node_attr(node, "from"), job->arena, &from) == 0 &&
           span_eq(from, jid_domain(job->account));
}

void delay_drop_forged(struct job *job, struct stanza *stanza)
{
    const struct stanza before = *stanza;
    if (!stanza_child(stanza, NS_DELAY, NULL)) {
        return;
    }
    stanza->child_count = 0;
    stanza->payload = (struct span){0};
    for (uint32_t i = 0; i < before.child_count; i++) {
        const struct xml_child *child = &before.children[i];
        if (!is_forged(job, &before, child)) {
            stanza_append(stanza, child->ns, child->name, stanza_child_bytes(&before, child),
                          job->arena);
        }
    }
}
