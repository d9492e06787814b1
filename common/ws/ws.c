/* The server: libwebsockets' context on our loop, one vhost per listener. */
#include "ws/ws.h"

#include "base/log.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "metric/metric.h"
#include "ws/ws_internal.h"

#include <stdio.h>

static void log_line(int level, const char *line)
{
    struct span text = span_trim(span_cstr(line));
    if (level & LLL_ERR)
        LOG_WARN("libwebsockets", "text=%.*s", SPAN_ARG(text));
    else
        LOG_DEBUG("libwebsockets", "text=%.*s", SPAN_ARG(text));
}

static void fill_protocols(struct ws_server *server)
{
    /* The first one serves HTTP and must have another name than the subprotocol. */
    server->protocols[0] = (struct lws_protocols){.name = "http", .callback = ws_callback};
    server->protocols[1] = (struct lws_protocols){.name = server->options.subprotocol,
                                                  .callback = ws_callback,
                                                  .rx_buffer_size = WS_RX_BUFFER};
    server->protocols[2] = (struct lws_protocols){0};
}

/* Whole seconds, at least one. */
static unsigned handshake_s(const struct ws_server *server)
{
    return (server->options.handshake_ms + 999) / 1000 + (server->options.handshake_ms == 0);
}

static struct lws_context *make_context(struct ws_server *server)
{
    void *loops[1] = {loop_native(server->options.loop)};
    struct lws_context_creation_info info = {
        .options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
                   LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT,
        .foreign_loops = loops,
        .user = server,
        .pcontext = &server->context,
        .gid = -1,
        .uid = -1,
        /* Memory for headers is taken when they come: requests that never end (they end with
         * handshake_ms) keep nobody else out. */
        .max_http_header_pool2 = server->options.limits.max_connections + WS_FULL_ANSWERED,
        .pt_serv_buf_size = WS_READ_BUFFER,
        .timeout_secs = handshake_s(server),
    };
    return lws_create_context(&info);
}

static struct lws_vhost *make_vhost(struct ws_server *server, size_t index)
{
    const struct ws_listener *listener = &server->options.listeners[index];
    char name[32];
    (void)snprintf(name, sizeof(name), "listener-%zu", index);
    server->names[index] = mem_strdup(name);
    if (listener->address && listener->address[0])
        server->ifaces[index] = mem_strdup(listener->address);
    struct lws_context_creation_info info = {
        .port = listener->port,
        .iface = server->ifaces[index],
        .protocols = server->protocols,
        .vhost_name = server->names[index],
        .alpn = "http/1.1",
        .keepalive_timeout = 10,
        .timeout_secs_ah_idle = handshake_s(server),
        .user = server,
    };
    if (listener->is_tls)
        info.options |=
            LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT | LWS_SERVER_OPTION_CREATE_VHOST_SSL_CTX;
    return lws_create_vhost(server->context, &info);
}

static int open_listeners(struct ws_server *server, char *error, size_t error_size)
{
    for (size_t i = 0; i < server->options.listener_count; i++) {
        const struct ws_listener *listener = &server->options.listeners[i];
        server->vhosts[i] = make_vhost(server, i);
        if (server->vhosts[i])
            continue;
        (void)snprintf(error, error_size, "cannot listen on %s port %u",
                       listener->address && listener->address[0] ? listener->address : "*",
                       listener->port);
        return -1;
    }
    return 0;
}

struct ws_server *ws_new(const struct ws_options *options, char *error, size_t error_size)
{
    if (options->listener_count > WS_MAX_LISTENERS) {
        (void)snprintf(error, error_size, "more than %d listeners", WS_MAX_LISTENERS);
        return NULL;
    }
    lws_set_log_level(LLL_ERR | LLL_WARN, log_line);
    struct ws_server *server = mem_calloc(1, sizeof(*server));
    server->descriptors = admit_fit_descriptors(options->limits.max_connections);
    server->options = *options;
    list_init(&server->dirty);
    list_init(&server->quiet);
    list_init(&server->pinged);
    list_init(&server->finishing);
    loop_task_init(&server->flush, options->loop, ws_flush, server);
    fill_protocols(server);
    ws_idle_start(server);
    server->context = make_context(server);
    if (!server->context)
        (void)snprintf(error, error_size,
                       "libwebsockets cannot start (is its libuv plugin there?)");
    if (!server->context || open_listeners(server, error, error_size) < 0) {
        ws_free(server);
        return NULL;
    }
    server->options.listeners = NULL; /* borrowed for this call only */
    return server;
}

/* On a foreign loop libwebsockets closes its handles from the loop and wants to be asked again; it
 * says that it is done by clearing the pointer. */
static void destroy_context(struct ws_server *server)
{
    for (int pass = 0; server->context && pass < 2; pass++) {
        lws_context_destroy(server->context);
        for (int turn = 0; server->context && turn < 10; turn++)
            loop_run_once(server->options.loop, 0);
    }
    if (server->context)
        LOG_WARN("libwebsockets-not-closed", "%s", "");
}

void ws_free(struct ws_server *server)
{
    if (!server)
        return;
    server->is_refusing = true;
    destroy_context(server);
    loop_task_cancel(&server->flush);
    loop_timer_stop(&server->idle_timer);
    admit_counts_deinit(&server->addresses);
    for (uint32_t i = 0; i < server->spare_count; i++) {
        buf_deinit(server->spare[i]);
        mem_free(server->spare[i]);
    }
    for (size_t i = 0; i < WS_MAX_LISTENERS; i++) {
        mem_free(server->names[i]);
        mem_free(server->ifaces[i]);
    }
    mem_free(server);
}

void ws_reload_limits(struct ws_server *server, const struct ws_limits *limits)
{
    if (admit_descriptors_for(limits->max_connections) > server->descriptors)
        LOG_WARN("restart-needed", "option=edge.max_connections value=%u hint=%s",
                 limits->max_connections, "the descriptor table was made for fewer");
    server->options.limits = *limits;
}

void ws_stop_accepting(struct ws_server *server)
{
    server->is_refusing = true;
}

uint16_t ws_port(const struct ws_server *server, size_t index)
{
    if (index >= WS_MAX_LISTENERS || !server->vhosts[index])
        return 0;
    return (uint16_t)lws_get_vhost_listen_port(server->vhosts[index]);
}

uint32_t ws_connection_count(const struct ws_server *server)
{
    return server->conn_count;
}
