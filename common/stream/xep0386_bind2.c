/* XEP-0386: Bind 2. A session is bound, and what it shall have is switched on, between a login and
 * its <success/>. */
#include "stream/bind_internal.h"
#include "stream/sasl2_internal.h"
#include "stream/xep0198_internal.h"

/* What may be switched on with the session, one line each: `ns` is what <inline/> announces and,
 * with `name`, what the client asks for. It is a flag (WIRE_SESSION_*) that the session has from its
 * first moment on, or `enable` does it, which finds the session live and nothing delivered to it yet;
 * true: it answers later, by stream_bind2_go_on. */
static const struct {
    const char *ns;
    const char *name;
    uint32_t flag;
    bool (*is_offered)(const struct stream *stream); /* NULL: always */
    bool (*enable)(struct stream *stream, const struct xml_node *request);
} features[] = {
    {NS_CARBONS, "enable", WIRE_SESSION_CARBONS, NULL, NULL},
    {NS_SM, "enable", 0, stream_sm_is_offered, stream_sm_bind2_enable},
};

#define FEATURE_COUNT (sizeof(features) / sizeof(features[0]))

static bool is_offered(const struct stream *stream, size_t feature)
{
    return !features[feature].is_offered || features[feature].is_offered(stream);
}

void stream_bind2_offer(const struct stream *stream, const struct stream_offer *offer,
                        struct buf *out)
{
    (void)offer;
    buf_append_cstr(out, "<bind xmlns='" NS_BIND2 "'><inline>");
    for (size_t i = 0; i < FEATURE_COUNT; i++)
        if (is_offered(stream, i))
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

/* Switches features on, one after the other; then <bound/> is complete. */
static void next_feature(struct stream *stream)
{
    struct stream_sasl2 *sasl2 = stream->login->sasl2;
    while (sasl2->feature < FEATURE_COUNT) {
        size_t i = sasl2->feature++;
        if (!features[i].enable || !is_offered(stream, i))
            continue;
        arena_reset(&stream->host->arena);
        const struct xml_node *request =
            xml_find(request_of(stream)->first_child, features[i].ns, features[i].name);
        if (request && features[i].enable(stream, request))
            return;
    }
    buf_append_cstr(&sasl2->results, "<bound xmlns='" NS_BIND2 "'>");
    buf_append_span(&sasl2->results, buf_span(&sasl2->bound));
    buf_append_cstr(&sasl2->results, "</bound>");
    stream_sasl2_go_on(stream);
}

void stream_bind2_go_on(struct stream *stream, struct span answer)
{
    buf_append_span(&stream->login->sasl2->bound, answer);
    next_feature(stream);
}

static void confirm(struct stream *stream, const struct wire_bind_reply *bound)
{
    (void)bound;
    next_feature(stream);
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
    for (size_t i = 0; i < FEATURE_COUNT; i++)
        if (xml_find(bind->first_child, features[i].ns, features[i].name))
            ask.session_flags |= features[i].flag;
    stream_bind(stream, &binder, &ask);
    return true;
}
