/* The listeners: each address of edge.address, plain and TLS. */
#include "base/log.h"
#include "base/mem.h"
#include "crypt/devcert.h"
#include "edge.h"

#define MAX_ADDRESSES 8

static const char *const upgrade_paths[] = {"/", "/ws", "/xmpp-websocket", NULL};

static char *in_run_dir(const struct conf *conf, const char *file)
{
    struct buf path = {0};
    buf_printf(&path, "%s/%s", conf_str(conf, CONF_cluster_run_dir), file);
    char *owned = mem_strdup_span(buf_span(&path));
    buf_deinit(&path);
    return owned;
}

/* A development certificate for the domains and this machine's own names. */
static int make_certificate(struct edge *edge, const struct conf *conf)
{
    const struct span *domains;
    size_t count = conf_list(conf, CONF_cluster_domains, &domains);
    struct span *names = mem_calloc(count + 3, sizeof(*names));
    char error[256];
    memcpy(names, domains, count * sizeof(*names));
    names[count] = SPAN("localhost");
    names[count + 1] = SPAN("127.0.0.1");
    names[count + 2] = SPAN("::1");
    edge->cert = in_run_dir(conf, "edge-cert.pem");
    edge->key = in_run_dir(conf, "edge-key.pem");
    struct devcert_options options = {
        .cert_path = edge->cert, .key_path = edge->key, .names = names, .name_count = count + 3};
    int result = devcert_ensure(&options, error, sizeof(error));
    mem_free(names);
    if (result < 0)
        LOG_ERROR("development-certificate", "error=%s", error);
    else
        LOG_INFO("development-certificate", "cert=%s", edge->cert);
    return result;
}

static int choose_certificate(struct edge *edge, const struct conf *conf)
{
    const char *cert = conf_str(conf, CONF_edge_tls_cert);
    const char *key = conf_str(conf, CONF_edge_tls_key);
    if (!conf_bool(conf, CONF_edge_tls))
        return 0;
    if (!cert[0])
        return make_certificate(edge, conf);
    edge->cert = mem_strdup(cert);
    edge->key = mem_strdup(key[0] ? key : cert);
    return 0;
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
        if (!edge->cert)
            continue;
        listeners[count++] =
            (struct ws_listener){.address = address,
                                 .port = (uint16_t)conf_u64(conf, CONF_edge_tls_port),
                                 .cert = edge->cert,
                                 .key = edge->key};
    }
    return count;
}

static struct ws_options ws_options(struct edge *edge, const struct conf *conf)
{
    return (struct ws_options){
        .loop = edge->daemon->loop,
        .subprotocol = "xmpp",
        .paths = upgrade_paths,
        .max_message_bytes = (size_t)conf_u64(conf, CONF_stream_max_stanza),
        .max_queue_bytes = (size_t)conf_u64(conf, CONF_edge_max_queue),
        .ping_after_ms = (uint32_t)conf_u64(conf, CONF_edge_ping_after),
        .ping_timeout_ms = (uint32_t)conf_u64(conf, CONF_edge_ping_timeout),
        .max_connections = (uint32_t)conf_u64(conf, CONF_edge_max_connections),
        .max_per_address = (uint32_t)conf_u64(conf, CONF_edge_max_per_address),
        .handlers =
            {
                .http = edge_http,
                .open = edge_client_open,
                .message = edge_client_message,
                .too_big = edge_client_too_big,
                .closed = edge_client_closed,
            },
        .ctx = edge,
    };
}

int edge_listen(struct edge *edge)
{
    const struct conf *conf = edge->daemon->conf;
    struct ws_listener listeners[2 * MAX_ADDRESSES];
    char error[256];
    if (choose_certificate(edge, conf) < 0)
        return -1;
    struct ws_options options = ws_options(edge, conf);
    options.listeners = listeners;
    options.listener_count = edge->listener_count = fill_listeners(edge, conf, listeners);
    edge->server = ws_new(&options, error, sizeof(error));
    if (!edge->server) {
        LOG_ERROR("cannot-listen", "error=%s", error);
        return -1;
    }
    for (size_t i = 0; i < edge->listener_count; i++)
        daemon_publish_port(edge->daemon, listeners[i].cert ? "wss" : "ws",
                            listeners[i].address ? listeners[i].address : "*",
                            ws_port(edge->server, i));
    return 0;
}
