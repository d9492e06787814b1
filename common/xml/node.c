/* Looking at tree nodes, and writing them. */
#include "write_internal.h"

static bool matches(struct span value, const char *wanted)
{
    return !wanted || !*wanted || span_is(value, wanted);
}

const struct xml_node *xml_find(const struct xml_node *first, const char *ns, const char *name)
{
    for (const struct xml_node *node = first; node; node = node->next) {
        if (!span_is_empty(node->name) && matches(node->ns, ns) && matches(node->name, name)) {
            return node;
        }
    }
    return NULL;
}

struct span xml_node_attr(const struct xml_node *node, const char *name)
{
    for (uint32_t i = 0; i < node->attr_count; i++) {
        if (span_is_empty(node->attrs[i].ns) && span_is(node->attrs[i].name, name)) {
            return node->attrs[i].value;
        }
    }
    return (struct span){0};
}

struct span xml_node_text(const struct xml_node *node, struct arena *arena)
{
    struct span only = {0};
    size_t len = 0;
    for (const struct xml_node *child = node->first_child; child; child = child->next) {
        only = span_is_empty(child->text) ? only : child->text;
        len += child->text.len;
    }
    if (len == only.len) {
        return only;
    }
    char *joined = arena_alloc(arena, len);
    size_t at = 0;
    for (const struct xml_node *child = node->first_child; child; child = child->next) {
        if (!span_is_empty(child->text)) {
            memcpy(joined + at, child->text.data, child->text.len);
            at += child->text.len;
        }
    }
    return span_of(joined, len);
}

void xml_node_write(const struct xml_node *node, struct span outer_ns, struct buf *out)
{
    if (span_is_empty(node->name)) {
        xml_write_text(node->text, out);
        return;
    }
    buf_append_u8(out, '<');
    buf_append_span(out, node->name);
    if (!span_eq(node->ns, outer_ns)) {
        xml_write_xmlns(node->ns, out);
    }
    for (uint32_t i = 0; i < node->attr_count; i++) {
        xml_write_canonical_attr(&node->attrs[i], i, out);
    }
    if (!node->first_child) {
        buf_append_cstr(out, "/>");
        return;
    }
    buf_append_u8(out, '>');
    for (const struct xml_node *child = node->first_child; child; child = child->next) {
        xml_node_write(child, node->ns, out);
    }
    buf_append_cstr(out, "</");
    buf_append_span(out, node->name);
    buf_append_u8(out, '>');
}
