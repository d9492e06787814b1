/* XEP-0386: Bind 2. A session is bound, and what it shall have is switched on, between a login and
 * its <success/>. */
#include "stream/bind_internal.h"
#include "stream/sasl2_internal.h"

/* What may be switched on with the session, one line each: `ns` is what <inline/> announces and
 * what the client's element is qualified by. `enable` finds the session live and nothing delivered
 * to it yet; it appends its answer, if it has one, to <bound/>. */
static const struct {
    const char *ns;
    void (*enable)(struct stream *stream, const struct xml_node *request, struct buf *bound);
} features[] = {
    {NULL, NULL},
};

void stream_bind2_offer(const struct stream *stream, const struct stream_offer *offer,
                        struct buf *out)
{
    (void)stream;
    (void)offer;
    if (!features[0].ns) {
        buf_append_cstr(out, "<bind xmlns='" NS_BIND2 "'/>");
        return;
    }
    buf_append_cstr(out, "<bind xmlns='" NS_BIND2 "'><inline>");
    for (size_t i = 0; features[i].ns; i++)
        buf_printf(out, "<feature var='%s'/>", features[i].ns);
    buf_append_cstr(out, "</inline></bind>");
}

const char *stream_bind2_take(struct stream *stream, const struct xml_node *element)
{
    xml_node_write(element, SPAN(NS_SASL2), &stream->login->sasl2->bind);
    return NULL;
}

/* The <bind/> that was kept. */
static const struct xml_node *request_of(struct stream *stream)
{
    struct xml_node *bind = NULL;
    (void)xml_tree_parse(buf_span(&stream->login->sasl2->bind), SPAN(NS_SASL2),
                         &stream->host->arena, &bind); /* it was parsed before */
    return bind;
}

/* ---- session's answer ---- */

static void confirm(struct stream *stream, const struct wire_bind_reply *bound)
{
    const struct xml_node *bind = request_of(stream);
    struct buf *results = &stream->login->sasl2->results;
    struct buf answers = {0};
    (void)bound;
    for (size_t i = 0; features[i].ns; i++) {
        const struct xml_node *request = xml_find(bind->first_child, features[i].ns, NULL);
        if (request)
            features[i].enable(stream, request, &answers);
    }
    buf_append_cstr(results, "<bound xmlns='" NS_BIND2 "'>");
    buf_append_span(results, buf_span(&answers));
    buf_append_cstr(results, "</bound>");
    buf_deinit(&answers);
    stream_sasl2_go_on(stream);
}

/* The login was fine: the client may bind by RFC 6120 section 7, and is told there why not. */
static void refuse(struct stream *stream, const char *condition, struct span text)
{
    (void)condition;
    (void)text;
    stream_sasl2_go_on(stream);
}

static const struct stream_binder binder = {confirm, refuse};

bool stream_bind2_step(struct stream *stream)
{
    struct arena *arena = &stream->host->arena;
    const struct stream_sasl2 *sasl2 = stream->login->sasl2;
    struct wire_bind ask = {.client = span_cstr(sasl2->client), .flags = WIRE_BIND_MADE};
    if (sasl2->bind.len == 0)
        return false;
    arena_reset(arena);
    const struct xml_node *bind = request_of(stream);
    const struct xml_node *tag = xml_find(bind->first_child, NS_BIND2, "tag");
    if (tag)
        ask.tag = span_trim(xml_node_text(tag, arena));
    stream_bind(stream, &binder, &ask);
    return true;
}
