/* The daemon's life: opened, ready, reloaded, drained, closed. */
#include "edge.h"

#include "base/log.h"
#include "base/mem.h"
#include "redis/redis.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static struct stream_options stream_options(const struct edge *edge)
{
    const struct daemon *d = edge->daemon;
    struct stream_options options = {.loop = d->loop, .bus = d->bus, .holder = d->instance};
    stream_options_load(&options, d->conf);
    options.see_other_uri = conf_str(d->conf, CONF_edge_see_other_uri);
    return options;
}

static void lease_lost(void *arg)
{
    struct edge *edge = arg;
    LOG_ERROR("lease-lost", "sessions=%zu", stream_host_session_count(edge->streams));
    stream_host_end_all(edge->streams, "connection-timeout", "the server lost its lease");
}

static int open_web_root(const struct daemon *d)
{
    const char *path = conf_str(d->conf, CONF_edge_web_root);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        LOG_WARN("no-web-root", "path=%s", path);
    return fd;
}

static int open_redis(struct edge *edge)
{
    char error[256];
    const struct daemon *d = edge->daemon;
    edge->redis = redis_new(d->loop, conf_str(d->conf, CONF_redis_url), error, sizeof(error));
    if (!edge->redis) {
        LOG_ERROR("redis-address", "error=%s", error);
        return -1;
    }
    edge->lease =
        registry_lease_new(d->loop, edge->redis, d->instance,
                           (uint32_t)conf_u64(d->conf, CONF_cluster_lease), lease_lost, edge);
    return 0;
}

int edge_open(struct daemon *d, void **ctx_out)
{
    struct edge *edge = mem_calloc(1, sizeof(*edge));
    edge->daemon = d;
    edge->web_root_fd = open_web_root(d);
    struct stream_options options = stream_options(edge);
    edge->streams = stream_host_new(&options);
    if (open_redis(edge) < 0 || edge_listen(edge) < 0) {
        edge_close(edge);
        return -1;
    }
    *ctx_out = edge;
    return 0;
}

bool edge_is_ready(void *ctx, struct buf *why)
{
    const struct edge *edge = ctx;
    const struct {
        bool is_there;
        const char *what;
    } needs[] = {
        {bus_has_peer(edge->daemon->bus, "router"), "no router"},
        {bus_has_peer(edge->daemon->bus, "session"), "no session daemon"},
        {registry_lease_is_held(edge->lease), "no lease in Redis yet"},
    };
    for (size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++) {
        if (needs[i].is_there)
            continue;
        buf_append_cstr(why, needs[i].what);
        return false;
    }
    return true;
}

void edge_reload(void *ctx)
{
    struct edge *edge = ctx;
    struct stream_options options = stream_options(edge);
    stream_host_reload(edge->streams, &options);
    for (size_t i = 0; edge->cert && i < edge->listener_count; i++)
        if (ws_is_tls(edge->server, i) && ws_reload_certificate(edge->server, i) < 0)
            LOG_WARN("certificate-not-reloaded", "cert=%s", edge->cert);
}

void edge_drain(void *ctx, daemon_done_fn *done, void *arg)
{
    struct edge *edge = ctx;
    ws_stop_accepting(edge->server);
    stream_host_drain(edge->streams, done, arg);
}

void edge_close(void *ctx)
{
    struct edge *edge = ctx;
    ws_free(edge->server);
    stream_host_free(edge->streams);
    registry_lease_free(edge->lease);
    redis_free(edge->redis);
    if (edge->web_root_fd >= 0)
        (void)close(edge->web_root_fd);
    mem_free(edge->cert);
    mem_free(edge->key);
    mem_free(edge);
}

void edge_item(void *ctx, struct bus_peer *peer, uint64_t token, const struct wire_msg *msg)
{
    struct edge *edge = ctx;
    stream_host_item(edge->streams, peer, token, msg);
}

void edge_peer_down(void *ctx, struct bus_peer *peer)
{
    struct edge *edge = ctx;
    stream_host_peer_down(edge->streams, peer);
}
