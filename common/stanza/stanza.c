/* From XML to a stanza and back. */
#include "stanza/stanza.h"

#include "jid/jid.h"
#include "type_internal.h"
#include "xml/ns.h"

static bool is_content_ns(struct span ns)
{
    return span_eq(ns, SPAN(NS_CLIENT)) || span_eq(ns, SPAN(NS_SERVER)) ||
           span_eq(ns, SPAN(NS_COMPONENT_ACCEPT));
}

struct span stanza_xml_lang(const struct xml_top *top)
{
    for (uint32_t i = 0; i < top->attr_count; i++) {
        if (span_eq(top->attrs[i].ns, SPAN(NS_XML)) && span_is(top->attrs[i].name, "lang")) {
            return top->attrs[i].value;
        }
    }
    return (struct span){0};
}

/* An absent attribute is fine and gives an empty span, an empty attribute is no JID. */
static int read_jid(const struct xml_top *top, const char *name, struct arena *arena,
                    struct span *jid_out)
{
    struct span text = xml_attr_get(top, name);
    *jid_out = (struct span){0};
    return text.data ? jid_normalise(text, arena, jid_out) : 0;
}

static enum stanza_problem read_type(const struct xml_top *top, struct stanza *stanza)
{
    struct span name = xml_attr_get(top, "type");
    if (type_find(stanza->kind, name, &stanza->type) == 0) {
        bool is_empty_attr = name.data && span_is_empty(name) && stanza->kind != STANZA_MESSAGE;
        return is_empty_attr ? STANZA_BAD_TYPE : STANZA_FINE;
    }
    /* RFC 6121 section 5.2.2: what is not understood is normal */
    stanza->type = STANZA_NORMAL;
    return stanza->kind == STANZA_MESSAGE ? STANZA_FINE : STANZA_BAD_TYPE;
}

/* RFC 6120 section 8.2.3. */
static enum stanza_problem check_iq(const struct stanza *stanza)
{
    bool is_request = stanza->type == STANZA_GET || stanza->type == STANZA_SET;
    if (span_is_empty(stanza->id) || (is_request && stanza->child_count != 1) ||
        (stanza->type == STANZA_RESULT && stanza->child_count > 1)) {
        return STANZA_BAD_IQ;
    }
    return STANZA_FINE;
}

enum stanza_problem stanza_from_xml(const struct xml_top *top, struct arena *arena,
                                    struct stanza *stanza_out)
{
    struct stanza stanza = {.id = xml_attr_get(top, "id"),
                            .lang = stanza_xml_lang(top),
                            .children = top->children,
                            .child_count = top->child_count,
                            .payload = top->content};
    if (!is_content_ns(top->ns) || type_find_kind(top->name, &stanza.kind) != 0) {
        return STANZA_NOT_A_STANZA;
    }
    bool is_from_bad = read_jid(top, "from", arena, &stanza.from) != 0;
    bool is_to_bad = read_jid(top, "to", arena, &stanza.to) != 0;
    enum stanza_problem problem = read_type(top, &stanza);
    if (problem == STANZA_FINE && stanza.kind == STANZA_IQ) {
        problem = check_iq(&stanza);
    }
    problem = is_to_bad ? STANZA_BAD_TO : problem;
    problem = is_from_bad ? STANZA_BAD_FROM : problem;
    *stanza_out = stanza;
    return problem;
}

static void write_if(const char *name, struct span value, struct buf *out)
{
    if (!span_is_empty(value)) {
        xml_write_attr(name, value, out);
    }
}

void stanza_write(const struct stanza *stanza, struct span to, struct span content_ns,
                  struct buf *out)
{
    const char *kind = stanza_kind_name(stanza->kind);
    buf_append_u8(out, '<');
    buf_append_cstr(out, kind);
    write_if("xmlns", content_ns, out);
    write_if("from", stanza->from, out);
    write_if("to", span_is_empty(stanza->to) ? to : stanza->to, out);
    write_if("type", span_cstr(stanza_type_name(stanza->type)), out);
    if (stanza->id.data) {
        xml_write_attr("id", stanza->id, out);
    }
    write_if("xml:lang", stanza->lang, out);
    if (span_is_empty(stanza->payload)) {
        buf_append(out, "/>", 2);
        return;
    }
    buf_append_u8(out, '>');
    buf_append_span(out, stanza->payload);
    buf_append(out, "</", 2);
    buf_append_cstr(out, kind);
    buf_append_u8(out, '>');
}

const struct xml_child *stanza_child(const struct stanza *stanza, const char *ns, const char *name)
{
    for (uint32_t i = 0; i < stanza->child_count; i++) {
        const struct xml_child *child = &stanza->children[i];
        if ((!ns || span_is(child->ns, ns)) && (!name || span_is(child->name, name))) {
            return child;
        }
    }
    return NULL;
}

void stanza_append(struct stanza *stanza, struct span ns, struct span name, struct span bytes,
                   struct arena *arena)
{
    uint32_t count = stanza->child_count;
    size_t len = stanza->payload.len;
    struct xml_child *children = arena_calloc(arena, count + 1, sizeof(*children));
    char *payload = arena_alloc(arena, len + bytes.len + 1);
    if (count > 0) {
        memcpy(children, stanza->children, count * sizeof(*children));
        memcpy(payload, stanza->payload.data, len);
    }
    memcpy(payload + len, bytes.data, bytes.len);
    children[count] = (struct xml_child){
        .ns = ns, .name = name, .offset = (uint32_t)len, .length = (uint32_t)bytes.len};
    stanza->children = children;
    stanza->child_count = count + 1;
    stanza->payload = span_of(payload, len + bytes.len);
}

bool stanza_drop(struct stanza *stanza, stanza_child_fn *is_out, void *arg, struct arena *arena)
{
    const struct stanza from = *stanza;
    struct xml_child *children = arena_calloc(arena, from.child_count + 1, sizeof(*children));
    struct buf payload = {0};
    uint32_t count = 0;
    for (uint32_t i = 0; i < from.child_count; i++) {
        if (is_out(arg, &from, &from.children[i]))
            continue;
        children[count] = from.children[i];
        children[count++].offset = (uint32_t)payload.len;
        buf_append_span(&payload, stanza_child_bytes(&from, &from.children[i]));
    }
    if (count < from.child_count) {
        stanza->children = children;
        stanza->child_count = count;
        stanza->payload = arena_copy(arena, buf_span(&payload));
    }
    buf_deinit(&payload);
    return count < from.child_count;
}

struct span stanza_child_bytes(const struct stanza *stanza, const struct xml_child *child)
{
    return span_of(stanza->payload.data + child->offset, child->length);
}
