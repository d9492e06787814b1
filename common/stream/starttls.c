/* STARTTLS (RFC 6120 section 5): the stream begins anew inside TLS, nothing of before is kept. */
#include "stream/domain_internal.h"
#include "stream/stream_internal.h"

bool stream_awaits_tls(const struct stream *stream)
{
    return stream->transport->start_tls && !stream->is_secure && stream_domain(stream)->require_tls;
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
    if (stream->transport->start_tls(stream->conn, SPAN("<proceed xmlns='" NS_STARTTLS "'/>")) <
        0) {
        stream_fail(stream, "internal-server-error", (struct span){0});
        return;
    }
    stream->is_secure = true;
    stream->has_header = false;
    stream->state = STREAM_OPENING;
    xml_stream_restart(stream->parser);
}
