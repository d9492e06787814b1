/* HTTP requests: a few paths that are made up here, everything else is a file. */
#include "edge.h"

#include "base/arena.h"
#include "jid/jid.h"

/* The Host without its port, normalised; empty when it is no name. */
static struct span host_domain(const struct ws_request *request, struct arena *arena)
{
    struct span host = request->host;
    struct span domain = {0};
    if (host.len > 0 && host.data[0] != '[')
        host = span_head(host, span_find(host, ':'));
    (void)jid_normalise_domain(host, arena, &domain);
    return domain;
}

/* RFC 6797 section 7.2: never over plain http. */
static uint64_t https_only_s(const struct edge *edge, const struct ws_request *request)
{
    struct arena arena = {0};
    struct span domain = host_domain(request, &arena);
    uint64_t ms = conf_u64_of(edge->holder.daemon->conf, CONF_edge_https_only, domain);
    arena_deinit(&arena);
    return request->is_secure ? ms / 1000 : 0;
}

static void websocket_url(const struct edge *edge, const struct ws_request *request,
                          struct buf *out)
{
    const struct conf *conf = edge->holder.daemon->conf;
    struct arena arena = {0};
    const char *configured = conf_str_of(conf, CONF_edge_public_url, host_domain(request, &arena));
    const struct span *domains;
    (void)conf_list(conf, CONF_cluster_domains, &domains);
    if (configured[0])
        buf_append_cstr(out, configured);
    else
        hostmeta_url(request, domains[0], out);
    arena_deinit(&arena);
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
    response->https_only_s = https_only_s(edge, request);
    bool reads = span_is(request->method, "GET") || span_is(request->method, "HEAD");
    if (!reads && !span_is(request->method, "OPTIONS")) {
        response->status = 405;
        return;
    }
    if (!answer_document(edge, request, response))
        files_answer(edge->web_root_fd, request, response);
}
