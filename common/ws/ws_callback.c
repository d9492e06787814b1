/* libwebsockets calls one function for everything: a table of what we care for, by reason. */
#include "ws/ws_internal.h"

#include "metric/metric.h"

typedef int reason_fn(struct lws *wsi, void *in, size_t len);

struct ws_server *ws_server_of(struct lws *wsi)
{
    return lws_context_user(lws_get_context(wsi));
}

/* Return values: nonzero closes the connection. */
static int filter_connection(struct lws *wsi, void *in, size_t len)
{
    (void)in;
    (void)len;
    if (ws_limit_accepts(ws_server_of(wsi)))
        return 0;
    metric_inc(METRIC_ws_refused);
    return 1;
}

static int client_instantiated(struct lws *wsi, void *in, size_t len)
{
    (void)in;
    (void)len;
    ws_server_of(wsi)->tcp_count++;
    return 0;
}

static int wsi_destroyed(struct lws *wsi, void *in, size_t len)
{
    (void)in;
    (void)len;
    struct ws_server *server = ws_server_of(wsi);
    if (server->tcp_count > 0)
        server->tcp_count--;
    return 0;
}

static int http_request(struct lws *wsi, void *in, size_t len)
{
    (void)in;
    (void)len;
    return ws_http_request(wsi);
}

/* `in` must not be touched here: after an Upgrade header that libwebsockets 4.1 does not know it
 * points at freed memory. */
static int confirm_upgrade(struct lws *wsi, void *in, size_t len)
{
    (void)in;
    (void)len;
    return ws_http_confirm_upgrade(wsi);
}

static int established(struct lws *wsi, void *in, size_t len)
{
    (void)in;
    (void)len;
    return ws_conn_open(wsi);
}

static int receive(struct lws *wsi, void *in, size_t len)
{
    struct ws_conn *conn = lws_get_opaque_user_data(wsi);
    return conn ? ws_conn_receive(conn, in, len) : -1;
}

static int receive_pong(struct lws *wsi, void *in, size_t len)
{
    (void)in;
    (void)len;
    struct ws_conn *conn = lws_get_opaque_user_data(wsi);
    if (conn)
        ws_idle_touch(conn);
    return 0;
}

static int writeable(struct lws *wsi, void *in, size_t len)
{
    (void)in;
    (void)len;
    struct ws_conn *conn = lws_get_opaque_user_data(wsi);
    return conn ? ws_conn_writeable(conn) : -1;
}

/* When it answers our close frame, all is said. libwebsockets answers one that came first. */
static int peer_closes(struct lws *wsi, void *in, size_t len)
{
    (void)in;
    (void)len;
    struct ws_conn *conn = lws_get_opaque_user_data(wsi);
    return conn && conn->is_finishing ? -1 : 0;
}

static int closed(struct lws *wsi, void *in, size_t len)
{
    (void)in;
    (void)len;
    struct ws_conn *conn = lws_get_opaque_user_data(wsi);
    lws_set_opaque_user_data(wsi, NULL);
    if (conn)
        ws_conn_closed(conn);
    return 0;
}

static int refuse(struct lws *wsi, void *in, size_t len)
{
    (void)wsi;
    (void)in;
    (void)len;
    return -1;
}

static reason_fn *const reasons[] = {
    [LWS_CALLBACK_ESTABLISHED] = established,
    [LWS_CALLBACK_CLOSED] = closed,
    [LWS_CALLBACK_WS_PEER_INITIATED_CLOSE] = peer_closes,
    [LWS_CALLBACK_RECEIVE] = receive,
    [LWS_CALLBACK_RECEIVE_PONG] = receive_pong,
    [LWS_CALLBACK_SERVER_WRITEABLE] = writeable,
    [LWS_CALLBACK_HTTP] = http_request,
    [LWS_CALLBACK_HTTP_CONFIRM_UPGRADE] = confirm_upgrade,
    [LWS_CALLBACK_FILTER_NETWORK_CONNECTION] = filter_connection,
    [LWS_CALLBACK_SERVER_NEW_CLIENT_INSTANTIATED] = client_instantiated,
    [LWS_CALLBACK_WSI_DESTROY] = wsi_destroyed,
    [LWS_CALLBACK_RAW_ADOPT] = refuse, /* CONNECT turns a connection raw */
    [LWS_CALLBACK_RAW_RX] = refuse,
};

/* A listener's SSL_CTX, as `user`: the only reason that has something there. */
static int secure(struct lws *wsi, void *ssl_ctx)
{
    const struct ws_options *options = &ws_server_of(wsi)->options;
    options->handlers.secure(options->ctx, ssl_ctx);
    return 0;
}

int ws_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
    size_t index = (size_t)reason;
    if (reason == LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS)
        return secure(wsi, user);
    if (index >= sizeof(reasons) / sizeof(reasons[0]) || !reasons[index])
        return 0;
    return reasons[index](wsi, in, len);
}
