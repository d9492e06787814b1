/* <set/>, read and written. */
#include "xep0059_rsm.h"

#include "xml/ns.h"

#include <inttypes.h>

static struct span text_of(const struct xml_node *node, struct arena *arena)
{
    return node ? span_trim(xml_node_text(node, arena)) : (struct span){0};
}

static int read_number(const struct xml_node *node, struct arena *arena, bool *has_out,
                       uint64_t *number_out)
{
    *has_out = node != NULL;
    return node ? span_to_u64(text_of(node, arena), number_out) : 0;
}

int rsm_read(const struct xml_node *nodes, struct arena *arena, struct rsm_request *request_out)
{
    const struct xml_node *set = xml_find(nodes, NS_RSM, "set");
    const struct xml_node *first = set ? set->first_child : NULL;
    const struct xml_node *before = xml_find(first, NS_RSM, "before");

    *request_out = (struct rsm_request){
        .is_backwards = before != NULL,
        .before = text_of(before, arena),
        .after = text_of(xml_find(first, NS_RSM, "after"), arena),
    };
    if (read_number(xml_find(first, NS_RSM, "max"), arena, &request_out->has_max,
                    &request_out->max) != 0)
        return -1;
    return read_number(xml_find(first, NS_RSM, "index"), arena, &request_out->has_index,
                       &request_out->index);
}

void rsm_write(const struct rsm_answer *answer, struct buf *out)
{
    buf_append_cstr(out, "<set xmlns=\"" NS_RSM "\">");
    if (!span_is_empty(answer->first)) {
        buf_append_cstr(out, "<first");
        if (answer->has_index)
            buf_printf(out, " index=\"%" PRIu64 "\"", answer->index);
        buf_append_u8(out, '>');
        xml_escape(answer->first, out);
        buf_append_cstr(out, "</first><last>");
        xml_escape(answer->last, out);
        buf_append_cstr(out, "</last>");
    }
    if (answer->has_count)
        buf_printf(out, "<count>%" PRIu64 "</count>", answer->count);
    buf_append_cstr(out, "</set>");
}
