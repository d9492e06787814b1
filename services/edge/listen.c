/* The listeners: each address of edge.address, plain and TLS. */
#include "base/log.h"
#include "edge.h"
#include "stream/certificates.h"

#define MAX_ADDRESSES 8

static const char *const upgrade_paths[] = {"/", "/ws", "/xmpp-websocket", NULL};

/* A WebSocket begins as HTTP/1.1 (RFC 7301). */
static const struct tls_options tls_options = {.alpn = "http/1.1"};

/* The listener's SSL_CTX does as ours. */
static void secure(void *ctx, void *ssl_ctx)
{
    struct edge *edge = ctx;
    tls_context_lend(edge->tls, ssl_ctx);
}

static size_t fill_listeners(const struct edge *edge, const struct conf *conf,
                             struct ws_listener *listeners)
{
    const struct span *addresses;
    size_t address_count = conf_list(conf, CONF_edge_address, &addresses);
    size_t count = 0;
    for (size_t i = 0; i == 0 || i < address_count; i++) {
        const char *address = address_count > 0 ? addresses[i].data : NULL;
        listeners[count++] = (struct ws_listener){.address = address,
                                                  .port = (uint16_t)conf_u64(conf, CONF_edge_port)};
        if (!edge->tls)
            continue;
        listeners[count++] =
            (struct ws_listener){.address = address,
                                 .port = (uint16_t)conf_u64(conf, CONF_edge_tls_port),
                                 .is_tls = true};
    }
    return count;
}

static struct ws_limits ws_limits(const struct conf *conf)
{
    size_t largest = (size_t)conf_u64(conf, CONF_stream_max_stanza);
    size_t first = (size_t)conf_u64(conf, CONF_stream_max_stanza_before_login);
    return (struct ws_limits){
        .max_message_bytes = largest,
        .max_first_bytes = first < largest ? first : largest,
        .max_queue_bytes = (size_t)conf_u64(conf, CONF_edge_max_queue),
        .ping_after_ms = (uint32_t)conf_u64(conf, CONF_edge_ping_after),
        .ping_timeout_ms = (uint32_t)conf_u64(conf, CONF_edge_ping_timeout),
        .max_connections = (uint32_t)conf_u64(conf, CONF_edge_max_connections),
        .max_per_address = (uint32_t)conf_u64(conf, CONF_edge_max_per_address),
    };
}

static struct ws_options ws_options(struct edge *edge, const struct conf *conf)
{
    return (struct ws_options){
        .loop = edge->holder.daemon->loop,
        .subprotocol = "xmpp",
        .paths = upgrade_paths,
        .handshake_ms = (uint32_t)conf_u64(conf, CONF_stream_auth_deadline),
        .limits = ws_limits(conf),
        .handlers =
            {
                .http = edge_http,
                .open = edge_client_open,
                .message = edge_client_message,
                .too_big = edge_client_too_big,
                .closed = edge_client_closed,
                .secure = secure,
            },
        .ctx = edge,
    };
}

int edge_listen(struct edge *edge)
{
    const struct conf *conf = edge->holder.daemon->conf;
    struct ws_listener listeners[2 * MAX_ADDRESSES];
    char error[256];
    if (conf_bool(conf, CONF_edge_tls)) {
        edge->tls = certificates_open(edge->holder.daemon, &tls_options);
        if (!edge->tls)
            return -1;
    }
    struct ws_options options = ws_options(edge, conf);
    options.listeners = listeners;
    options.listener_count = fill_listeners(edge, conf, listeners);
    edge->server = ws_new(&options, error, sizeof(error));
    if (!edge->server) {
        LOG_ERROR("cannot-listen", "error=%s", error);
        return -1;
    }
    for (size_t i = 0; i < options.listener_count; i++)
        daemon_publish_port(edge->holder.daemon, listeners[i].is_tls ? "wss" : "ws",
                            listeners[i].address ? listeners[i].address : "*",
                            ws_port(edge->server, i));
    return 0;
}

void edge_reload_certificates(struct edge *edge)
{
    if (edge->tls)
        certificates_reload(edge->holder.daemon, &tls_options, edge->tls);
}

void edge_reload_listeners(struct edge *edge)
{
    struct ws_limits limits = ws_limits(edge->holder.daemon->conf);
    ws_reload_limits(edge->server, &limits);
}
