/* XEP-0198 section 9: <enable/> inside <bind/> (XEP-0386), <resume/> inside <authenticate/> (XEP-0388). */
#include "base/mem.h"
#include "stream/sasl2_internal.h"
#include "stream/xep0198_internal.h"

/* ---- <resume/> ---- */

void stream_sm_offer_resume(const struct stream *stream, const struct stream_offer *offer,
                            struct buf *out)
{
    (void)offer;
    if (stream_sm_is_offered(stream))
        buf_append_cstr(out, "<sm xmlns='" NS_SM "'/>");
}

const char *stream_sm_take_resume(struct stream *stream, const struct xml_node *element)
{
    struct stream_sasl2 *sasl2 = stream->login->sasl2;
    if (!stream_sm_is_offered(stream))
        return NULL;
    if (stream_sm_read_h(xml_node_attr(element, "h"), &sasl2->resume_h) != 0)
        return "malformed-request";
    sasl2->previd = mem_strdup_span(xml_node_attr(element, "previd"));
    return NULL;
}

static void on_resume(struct stream *stream, bool ok, struct span element)
{
    struct stream_sasl2 *sasl2 = stream->login->sasl2;
    buf_append_span(&sasl2->results, element);
    sasl2->is_resumed = ok;
    stream_sasl2_go_on(stream);
}

bool stream_sm_resume_step(struct stream *stream)
{
    const struct stream_sasl2 *sasl2 = stream->login->sasl2;
    if (!sasl2->previd)
        return false;
    stream_sm_resume(stream, span_cstr(sasl2->previd), sasl2->resume_h, on_resume);
    return true;
}

/* ---- <enable/> ---- */

static void on_enable(struct stream *stream, bool ok, struct span element)
{
    (void)ok;
    stream_bind2_go_on(stream, element);
    stream_login_go_on(stream);
}

/* What is delivered meanwhile must not come before <success/>. */
bool stream_sm_bind2_enable(struct stream *stream, const struct xml_node *request)
{
    if (!xml_find(request, NS_SM, "enable"))
        return false;
    stream->login->is_waiting = true;
    stream_sm_enable(stream,
                     &(struct stream_sm_wish){xml_node_attr(request, "resume"),
                                              xml_node_attr(request, "max"), true},
                     on_enable);
    return true;
}
