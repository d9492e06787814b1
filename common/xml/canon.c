/* The canonicaliser: see canon_internal.h, and xml.h for what canonical form is. */
#include "canon_internal.h"

#include "base/mem.h"
#include "write_internal.h"
#include "xml/ns.h"

#define CANON_ARENA_SIZE 4096

/* Prefixes let a few bytes stand for a long namespace, and escapes are longer than what they stand
 * for: the canonical content may be larger than what came in, but not by any factor. */
#define CANON_GROWTH 2

static enum xml_error check_size(const struct canon *canon)
{
    size_t size = canon->content.len + canon->text.len;
    return size / CANON_GROWTH > canon->limits->max_bytes ? XML_TOO_BIG : XML_OK;
}

static void split_name(const char *name, struct span *ns_out, struct span *local_out)
{
    const char *separator = strchr(name, (unsigned char)CANON_SEPARATOR);
    *ns_out = separator ? span_of(name, (size_t)(separator - name)) : (struct span){0};
    *local_out = span_cstr(separator ? separator + 1 : name);
}

static uint32_t count_attrs(const char **attrs)
{
    uint32_t count = 0;
    while (attrs[2 * (size_t)count]) {
        count++;
    }
    return count;
}

static void close_tag(struct canon *canon)
{
    if (canon->is_tag_open) {
        buf_append_u8(&canon->content, '>');
        canon->is_tag_open = false;
    }
}

static enum xml_error start_top(struct canon *canon, struct span name, const char **attrs)
{
    canon->top.ns = canon->ns[1];
    canon->top.name = arena_copy(&canon->arena, name);
    for (uint32_t i = 0; attrs[2 * (size_t)i]; i++) {
        struct xml_attr *attr = &canon->attrs[i];
        split_name(attrs[2 * (size_t)i], &attr->ns, &attr->name);
        attr->ns = arena_copy(&canon->arena, attr->ns);
        attr->name = arena_copy(&canon->arena, attr->name);
        attr->value = arena_copy(&canon->arena, span_cstr(attrs[2 * (size_t)i + 1]));
        canon->top.attr_count++;
    }
    return XML_OK;
}

static enum xml_error add_child(struct canon *canon, struct span name)
{
    if (canon->top.child_count == XML_MAX_CHILDREN) {
        return XML_TOO_BIG;
    }
    struct xml_child *child = &canon->children[canon->top.child_count++];
    /* The name is the first thing in the child's content: canon_finish points there. */
    *child = (struct xml_child){.ns = canon->ns[2], .name.len = name.len};
    child->offset = (uint32_t)canon->content.len;
    return XML_OK;
}

static enum xml_error start_inner(struct canon *canon, struct span name, const char **attrs)
{
    close_tag(canon);
    if (canon->depth == 2 && add_child(canon, name) != XML_OK) {
        return XML_TOO_BIG;
    }
    buf_append_u8(&canon->content, '<');
    buf_append_span(&canon->content, name);
    if (!span_eq(canon->ns[canon->depth], canon->ns[canon->depth - 1])) {
        xml_write_xmlns(canon->ns[canon->depth], &canon->content);
    }
    for (uint32_t i = 0; attrs[2 * (size_t)i]; i++) {
        struct xml_attr attr;
        split_name(attrs[2 * (size_t)i], &attr.ns, &attr.name);
        attr.value = span_cstr(attrs[2 * (size_t)i + 1]);
        xml_write_canonical_attr(&attr, i, &canon->content);
    }
    canon->is_tag_open = true;
    return check_size(canon);
}

enum xml_error canon_start(struct canon *canon, const char *name, const char **attrs)
{
    if (canon->depth >= canon->limits->max_depth || canon->depth >= XML_MAX_DEPTH ||
        count_attrs(attrs) > XML_MAX_ATTRS) {
        return XML_TOO_BIG;
    }
    struct span ns;
    struct span local;
    split_name(name, &ns, &local);
    if (span_eq(ns, SPAN(NS_XML))) {
        return XML_RESTRICTED; /* cannot be a default namespace, and nobody means it */
    }
    canon->depth++;
    bool is_inherited = canon->depth > 1 && span_eq(ns, canon->ns[canon->depth - 1]);
    canon->ns[canon->depth] =
        is_inherited ? canon->ns[canon->depth - 1] : arena_copy(&canon->arena, ns);
    return canon->depth == 1 ? start_top(canon, local, attrs) : start_inner(canon, local, attrs);
}

void canon_end(struct canon *canon, const char *name)
{
    if (canon->depth > 1) {
        struct span ns;
        struct span local;
        split_name(name, &ns, &local);
        if (canon->is_tag_open) {
            buf_append(&canon->content, "/>", 2);
            canon->is_tag_open = false;
        } else {
            buf_append(&canon->content, "</", 2);
            buf_append_span(&canon->content, local);
            buf_append_u8(&canon->content, '>');
        }
    }
    if (canon->depth == 2) {
        struct xml_child *child = &canon->children[canon->top.child_count - 1];
        child->length = (uint32_t)canon->content.len - child->offset;
    }
    canon->depth--;
}

enum xml_error canon_text(struct canon *canon, struct span text)
{
    if (canon->depth == 0) {
        return span_is_empty(span_trim(text)) ? XML_OK : XML_NOT_WELL_FORMED;
    }
    if (canon->depth == 1) {
        buf_append_span(&canon->text, text);
    } else {
        close_tag(canon);
        xml_write_text(text, &canon->content);
    }
    return check_size(canon);
}

void canon_finish(struct canon *canon, struct xml_top *top_out)
{
    canon->top.attrs = canon->attrs;
    canon->top.children = canon->children;
    canon->top.content = buf_span(&canon->content);
    canon->top.text = buf_span(&canon->text);
    for (uint32_t i = 0; i < canon->top.child_count; i++) {
        canon->children[i].name.data = canon->content.data + canon->children[i].offset + 1;
    }
    *top_out = canon->top;
}

void canon_begin(struct canon *canon, const struct xml_limits *limits)
{
    canon->limits = limits;
    arena_reset(&canon->arena);
    buf_reset(&canon->content);
    buf_reset(&canon->text);
    canon->depth = 0;
    canon->is_tag_open = false;
    canon->top = (struct xml_top){0};
}

void canon_init(struct canon *canon)
{
    *canon = (struct canon){0};
    arena_init(&canon->arena, CANON_ARENA_SIZE);
}

void canon_deinit(struct canon *canon)
{
    arena_deinit(&canon->arena);
    buf_deinit(&canon->content);
    buf_deinit(&canon->text);
}
