/* HTTP requests: a few paths that are made up here, everything else is a file. */
#include "edge.h"

static void websocket_url(const struct edge *edge, const struct ws_request *request,
                          struct buf *out)
{
    const struct conf *conf = edge->holder.daemon->conf;
    const char *configured = conf_str(conf, CONF_edge_public_url);
    const struct span *domains;
    (void)conf_list(conf, CONF_cluster_domains, &domains);
    if (configured[0])
        buf_append_cstr(out, configured);
    else
        hostmeta_url(request, domains[0], out);
}

static const struct {
    const char *path;
    const char *content_type;
    void (*write)(struct span url, struct buf *out);
} documents[] = {
    {"/.well-known/host-meta", "application/xrd+xml", hostmeta_write_xml},
    {"/.well-known/host-meta.json", "application/json", hostmeta_write_json},
};

/* XEP-0156 section 3: web clients of other origins must be able to read it. */
static bool answer_document(const struct edge *edge, const struct ws_request *request,
                            struct ws_response *response)
{
    for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {
        if (!span_is(request->path, documents[i].path))
            continue;
        struct buf url = {0};
        websocket_url(edge, request, &url);
        response->content_type = documents[i].content_type;
        response->allow_any_origin = true;
        if (!span_is(request->method, "OPTIONS"))
            documents[i].write(buf_span(&url), &response->body);
        buf_deinit(&url);
        return true;
    }
    return false;
}

void edge_http(void *ctx, const struct ws_request *request, struct ws_response *response)
{
    const struct edge *edge = ctx;
    bool reads = span_is(request->method, "GET") || span_is(request->method, "HEAD");
    if (!reads && !span_is(request->method, "OPTIONS")) {
        response->status = 405;
        return;
    }
    if (!answer_document(edge, request, response))
        files_answer(edge->web_root_fd, request, response);
}
