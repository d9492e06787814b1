/* Host metadata: where the WebSocket is (XEP-0156 section 3, RFC 6415). */
#include "edge.h"

#include "xml/ns.h"
#include "xml/xml.h"

void hostmeta_write_xml(struct span url, struct buf *out)
{
    buf_append_cstr(out, "<?xml version='1.0' encoding='utf-8'?>\n<XRD xmlns='" NS_XRD
                         "'>\n  <Link rel='" NS_ALTCONN_WEBSOCKET "'");
    xml_write_attr("href", url, out);
    buf_append_cstr(out, "/>\n</XRD>\n");
}

/* The URL comes from the configuration or is checked by is_plain: only quotes, backslashes and
 * control characters would need care, and those are dropped. */
void hostmeta_write_json(struct span url, struct buf *out)
{
    buf_append_cstr(out, "{\"links\": [{\"rel\": \"" NS_ALTCONN_WEBSOCKET "\", \"href\": \"");
    for (size_t i = 0; i < url.len; i++) {
        unsigned char c = (unsigned char)url.data[i];
        if (c > 0x20 && c != '"' && c != '\\' && c != 0x7f)
            buf_append_u8(out, c);
    }
    buf_append_cstr(out, "\"}]}\n");
}

/* A Host header goes into a document: only what a host and port are made of. */
static bool is_plain(struct span host)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]";
    for (size_t i = 0; i < host.len; i++)
        if (!memchr(allowed, host.data[i], sizeof(allowed) - 1))
            return false;
    return host.len > 0;
}

void hostmeta_url(const struct ws_request *request, struct span fallback_host, struct buf *out)
{
    struct span host = is_plain(request->host) ? request->host : fallback_host;
    buf_append_cstr(out, request->is_secure ? "wss://" : "ws://");
    buf_append_span(out, host);
    buf_append_cstr(out, "/ws");
}
