/* The daemon's life: opened, ready, reloaded, drained, closed. */
#include "edge.h"

#include "base/log.h"
#include "base/mem.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Clients with the older framing know no URIs: they are told the host in it. */
static void see_other(const struct conf *conf, struct stream_options *options)
{
    const char *uri = conf_str(conf, CONF_edge_see_other_uri);
    const char *authority = strstr(uri, "://");
    options->see_other_uri = uri;
    options->see_other_host = (struct span){0};
    if (authority)
        options->see_other_host = span_of(authority + 3, strcspn(authority + 3, "/?#"));
}

static int open_web_root(const struct daemon *d)
{
    const char *path = conf_str(d->conf, CONF_edge_web_root);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        LOG_WARN("no-web-root", "path=%s", path);
    return fd;
}

int edge_open(struct daemon *d, void **ctx_out)
{
    struct edge *edge = mem_calloc(1, sizeof(*edge));
    edge->web_root_fd = open_web_root(d);
    if (holder_open(&edge->holder, d, see_other) < 0 || edge_listen(edge) < 0) {
        edge_close(edge);
        return -1;
    }
    *ctx_out = edge;
    return 0;
}

bool edge_is_ready(void *ctx, struct buf *why)
{
    const struct edge *edge = ctx;
    return holder_is_ready(&edge->holder, why);
}

void edge_reload(void *ctx)
{
    struct edge *edge = ctx;
    holder_reload(&edge->holder);
    edge_reload_listeners(edge);
    edge_reload_certificates(edge);
}

void edge_drain(void *ctx, daemon_done_fn *done, void *arg)
{
    struct edge *edge = ctx;
    ws_stop_accepting(edge->server);
    stream_host_drain(edge->holder.streams, done, arg);
}

void edge_close(void *ctx)
{
    struct edge *edge = ctx;
    ws_free(edge->server);
    holder_close(&edge->holder);
    if (edge->web_root_fd >= 0)
        (void)close(edge->web_root_fd);
    tls_context_free(edge->tls); /* after what it lends to */
    mem_free(edge);
}

void edge_item(void *ctx, struct bus_peer *peer, uint64_t token, const struct wire_msg *msg)
{
    struct edge *edge = ctx;
    stream_host_item(edge->holder.streams, peer, token, msg);
}

void edge_peer_down(void *ctx, struct bus_peer *peer)
{
    struct edge *edge = ctx;
    stream_host_peer_down(edge->holder.streams, peer);
}
