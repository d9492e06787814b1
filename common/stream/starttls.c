/* STARTTLS (RFC 6120 section 5): the stream begins anew inside TLS, nothing of before is kept. */
#include "jid/jid.h"
#include "stream/domain_internal.h"
#include "stream/stream_internal.h"

bool stream_awaits_tls(const struct stream *stream)
{
    return stream->transport->start_tls && !stream->is_secure && stream_domain(stream)->require_tls;
}

/* The header's `to`: who names no domain in TLS means this one. */
static struct span asked_domain(const struct stream *stream)
{
    struct span domain = {0};
    (void)jid_domain_to_ascii(span_cstr(stream->login->domain), &stream->host->arena, &domain);
    return domain;
}

void stream_starttls(struct stream *stream, const struct xml_top *top)
{
    (void)top;
    if (!stream->transport->start_tls || stream->is_secure) {
        stream_fail(stream, "unsupported-stanza-type", (struct span){0});
        return;
    }
    /* What came behind <starttls/> in clear text is an attack or an error (section 5.4.3.3). */
    xml_stream_discard(stream->parser);
    if (stream->transport->start_tls(stream->conn, SPAN("<proceed xmlns='" NS_STARTTLS "'/>"),
                                     asked_domain(stream)) < 0) {
        stream_fail(stream, "internal-server-error", (struct span){0});
        return;
    }
    stream->is_secure = true;
    stream->has_header = false;
    stream->state = STREAM_OPENING;
    xml_stream_restart(stream->parser);
}
