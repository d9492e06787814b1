/* HTTP/1.1: a request is answered in one write, header and body together. */
#include "base/buf.h"
#include "metric/metric.h"
#include "ws/ws_internal.h"

#include <inttypes.h>
#include <strings.h>

#define HOST_MAX 256

static const struct {
    enum lws_token_indexes token;
    const char *name;
} methods[] = {
    {WSI_TOKEN_GET_URI, "GET"},       {WSI_TOKEN_HEAD_URI, "HEAD"},
    {WSI_TOKEN_POST_URI, "POST"},     {WSI_TOKEN_OPTIONS_URI, "OPTIONS"},
    {WSI_TOKEN_PUT_URI, "PUT"},       {WSI_TOKEN_PATCH_URI, "PATCH"},
    {WSI_TOKEN_DELETE_URI, "DELETE"},
};

static const struct {
    unsigned status;
    const char *reason;
} reasons[] = {
    {200, "OK"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {429, "Too Many Requests"},
    {503, "Service Unavailable"},
};

static const char *reason_of(unsigned status)
{
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Unknown";
}

/* A header as text in `out`; empty when it is absent or too long. */
static struct span header(struct lws *wsi, enum lws_token_indexes token, char *out, int size)
{
    int len = lws_hdr_copy(wsi, out, size, token);
    return len > 0 ? span_of(out, (size_t)len) : (struct span){0};
}

static const char *method_and_path(struct lws *wsi, char path[WS_PATH_MAX], struct span *path_out)
{
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (lws_hdr_total_length(wsi, methods[i].token) <= 0)
            continue;
        *path_out = header(wsi, methods[i].token, path, WS_PATH_MAX);
        return methods[i].name;
    }
    return NULL;
}

static bool is_bodiless(unsigned status)
{
    return status == 304;
}

static void write_head(const struct ws_response *response, struct buf *out)
{
    buf_printf(out, "HTTP/1.1 %u %s\r\n", response->status, reason_of(response->status));
    if (response->content_type && !is_bodiless(response->status))
        buf_printf(out, "Content-Type: %s\r\n", response->content_type);
    buf_printf(out, "Cache-Control: %s\r\n",
               response->cache_control ? response->cache_control : "no-cache");
    if (response->etag[0])
        buf_printf(out, "ETag: %s\r\n", response->etag);
    if (response->location[0])
        buf_printf(out, "Location: %s\r\n", response->location);
    if (response->allow_any_origin)
        buf_append_cstr(out, "Access-Control-Allow-Origin: *\r\n"
                             "Access-Control-Allow-Methods: GET, HEAD, OPTIONS\r\n"
                             "Access-Control-Allow-Headers: Content-Type\r\n");
    if (response->https_only_s > 0)
        buf_printf(out, "Strict-Transport-Security: max-age=%" PRIu64 "\r\n",
                   response->https_only_s);
    if (response->status == 405)
        buf_append_cstr(out, "Allow: GET, HEAD, OPTIONS\r\n");
    buf_append_cstr(out, "X-Content-Type-Options: nosniff\r\n");
    if (!is_bodiless(response->status))
        buf_printf(out, "Content-Length: %zu\r\n", response->body.len);
    buf_append_cstr(out, "\r\n");
}

/* Writes the answer and frees its body. 0, or -1 when the connection is dead. */
static int answer(struct lws *wsi, struct ws_response *response, bool is_head)
{
    struct buf out = {0};
    write_head(response, &out);
    if (!is_head && !is_bodiless(response->status))
        buf_append_span(&out, buf_span(&response->body));
    int written = lws_write(wsi, (unsigned char *)out.data, out.len, LWS_WRITE_HTTP_FINAL);
    buf_deinit(&out);
    buf_deinit(&response->body);
    return written < 0 ? -1 : 0;
}

static void plain_text(struct ws_response *response, unsigned status, const char *text)
{
    response->status = status;
    response->content_type = "text/plain; charset=utf-8";
    buf_append_cstr(&response->body, text);
}

/* Fills the refusal for the status of a limit; false when that is 0. */
static bool is_over_limit(struct ws_response *response, unsigned status)
{
    if (status == 0)
        return false;
    plain_text(response, status,
               status == 429 ? "Too many connections from your address.\n"
                             : "Too many connections. Try again later.\n");
    return true;
}

int ws_http_request(struct lws *wsi)
{
    struct ws_server *server = ws_server_of(wsi);
    char path[WS_PATH_MAX], host[HOST_MAX], none_match[128];
    struct ws_request request = {0};
    struct ws_response response = {.status = 200};

    metric_inc(METRIC_ws_http_requests);
    const char *method = method_and_path(wsi, path, &request.path);
    request.method = span_cstr(method);
    request.host = header(wsi, WSI_TOKEN_HOST, host, sizeof(host));
    request.if_none_match =
        header(wsi, WSI_TOKEN_HTTP_IF_NONE_MATCH, none_match, sizeof(none_match));
    request.is_secure = lws_is_ssl(wsi) != 0;
    bool is_full = is_over_limit(&response, ws_limit_request(server));
    bool ends = is_full || !method || span_is(request.method, "POST") ||
                span_is(request.method, "PUT") || span_is(request.method, "PATCH") ||
                span_is(request.method, "DELETE");
    if (is_full)
        metric_inc(METRIC_ws_refused);
    else if (!method || span_is_empty(request.path))
        plain_text(&response, 400, "This is no request Jackdaw understands.\n");
    else
        server->options.handlers.http(server->options.ctx, &request, &response);
    if (answer(wsi, &response, span_is(request.method, "HEAD")) < 0 || ends)
        return -1; /* a body that nobody reads would be taken for the next request */
    return lws_http_transaction_completed(wsi) ? -1 : 0;
}

/* ---- upgrades ---- */

static bool is_upgrade_path(const struct ws_server *server, struct span path)
{
    for (const char *const *p = server->options.paths; *p; p++)
        if (span_is(path, *p))
            return true;
    return false;
}

/* Whether the comma-separated `list` names `token`. */
static bool has_token(struct span list, const char *token)
{
    while (list.len > 0) {
        size_t comma = span_find(list, ',');
        if (span_is(span_trim(span_head(list, comma)), token))
            return true;
        list = span_from(list, comma + 1);
    }
    return false;
}

/* Fills the refusal; false when the upgrade may go on. */
static bool is_refused(struct ws_server *server, struct lws *wsi, struct ws_response *response)
{
    char path[WS_PATH_MAX], protocols[256], upgrade[32];
    struct span where = {0};
    const char *method = method_and_path(wsi, path, &where);

    (void)header(wsi, WSI_TOKEN_UPGRADE, upgrade, sizeof(upgrade));
    if (strncasecmp(upgrade, "websocket", sizeof(upgrade)) != 0)
        plain_text(response, 400, "The only upgrade offered here is websocket.\n");
    else if (!method || !span_is(span_cstr(method), "GET") || !is_upgrade_path(server, where))
        plain_text(response, 404, "There is no WebSocket here; try /ws.\n");
    else if (!has_token(header(wsi, WSI_TOKEN_PROTOCOL, protocols, sizeof(protocols)),
                        server->options.subprotocol))
        plain_text(response, 400,
                   "XMPP over WebSocket (RFC 7395) needs the subprotocol: send the header\n"
                   "Sec-WebSocket-Protocol: xmpp\n"
                   "In a browser: new WebSocket(url, \"xmpp\").\n");
    else
        return is_over_limit(response, ws_limit_upgrade(server, wsi));
    return true;
}

int ws_http_confirm_upgrade(struct lws *wsi)
{
    /* libwebsockets calls this even after it has refused an upgrade it does not know; the headers
     * are gone then. */
    if (lws_hdr_total_length(wsi, WSI_TOKEN_UPGRADE) <= 0)
        return -1;
    struct ws_response response = {.status = 200};
    if (!is_refused(ws_server_of(wsi), wsi, &response))
        return 0;
    metric_inc(METRIC_ws_refused);
    return answer(wsi, &response, false) < 0 ? -1 : 1;
}
