/* XEP-0484: Fast Authentication Streamlining Tokens, the stream's part: which mechanisms take
 * tokens, what the client says of its token, and the token it gets. Session makes and checks them. */
#include "base/clock.h"
#include "stream/sasl2_internal.h"

void stream_fast_offer(const struct stream *stream, const struct stream_offer *offer,
                       struct buf *out)
{
    (void)stream;
    if (offer->token_mechanism_count == 0)
        return;
    buf_append_cstr(out, "<fast xmlns='" NS_FAST "'>");
    for (uint32_t i = 0; i < offer->token_mechanism_count; i++)
        buf_printf(out, "<mechanism>%.*s</mechanism>", SPAN_ARG(offer->token_mechanisms[i]));
    buf_append_cstr(out, "</fast>");
}

/* An xs:boolean; absent is false. 0, or -1. */
static int read_bool(struct span text, bool *value_out)
{
    *value_out = span_is(text, "1") || span_is(text, "true");
    bool is_fine = !text.data || *value_out || span_is(text, "0") || span_is(text, "false");
    return is_fine ? 0 : -1;
}

const char *stream_fast_take(struct stream *stream, const struct xml_node *element)
{
    struct stream_sasl2 *sasl2 = stream->login->sasl2;
    struct span count = xml_node_attr(element, "count");
    bool invalidates;
    if (read_bool(xml_node_attr(element, "invalidate"), &invalidates) < 0)
        return "malformed-request";
    if (count.data && (span_to_u64(count, &sasl2->fast_count) < 0 || sasl2->fast_count == 0 ||
                       sasl2->fast_count > INT64_MAX))
        return "malformed-request";
    sasl2->fast_flags = WIRE_SASL_FAST | (invalidates ? WIRE_SASL_INVALIDATE : 0);
    return sasl2->client ? NULL : "malformed-request"; /* tokens are per client */
}

/* Asking for what cannot be had is no reason to fail a login: it goes on without a token. */
const char *stream_fast_take_request(struct stream *stream, const struct xml_node *element)
{
    struct stream_sasl2 *sasl2 = stream->login->sasl2;
    struct stream_offer offer;
    stream_offer_load(stream, &offer);
    struct span wanted = xml_node_attr(element, "mechanism");
    for (uint32_t i = 0; i < offer.token_mechanism_count; i++)
        if (span_eq(offer.token_mechanisms[i], wanted))
            sasl2->token_mechanism = offer.token_mechanisms[i].data;
    stream_offer_deinit(&offer);
    if (!sasl2->client)
        sasl2->token_mechanism = NULL;
    return NULL;
}

void stream_fast_write_token(const struct wire_sasl_reply *reply, struct buf *out)
{
    char expiry[CLOCK_XEP82_SIZE];
    if (reply->token.len == 0)
        return;
    clock_format_xep82(reply->token_expires_ms, expiry);
    buf_printf(out, "<token xmlns='" NS_FAST "' expiry='%s'", expiry);
    xml_write_attr("token", reply->token, out);
    buf_append_cstr(out, "/>");
}
