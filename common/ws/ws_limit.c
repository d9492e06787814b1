/* Limits on connections: in all, and how many WebSocket connections one address has. */
#include "base/log.h"
#include "loop/loop.h"
#include "metric/metric.h"
#include "ws/ws_internal.h"

/* An IPv4 address that came through an IPv6 socket is written as what it is. */
void ws_limit_address(struct lws *wsi, char out[WS_ADDRESS_MAX])
{
    static const char mapped[] = "::ffff:";
    if (!lws_get_peer_simple(wsi, out, WS_ADDRESS_MAX))
        out[0] = '\0';
    if (strncmp(out, mapped, sizeof(mapped) - 1) == 0)
        memmove(out, out + sizeof(mapped) - 1, strlen(out) + 1 - (sizeof(mapped) - 1));
}

static uint64_t address_key(struct lws *wsi)
{
    char address[WS_ADDRESS_MAX];
    ws_limit_address(wsi, address);
    return admit_address_key(span_cstr(address));
}

static void say_full(struct ws_server *server)
{
    uint32_t more;
    metric_inc(METRIC_limit_connections);
    if (admit_may_say(&server->full, loop_now_ms(server->options.loop), &more))
        LOG_WARN("too-many-connections", "open=%u limit=%u more=%u hint=edge.max_connections",
                 server->tcp_count, server->options.limits.max_connections, more);
}

bool ws_limit_accepts(struct ws_server *server)
{
    uint32_t limit = server->options.limits.max_connections;
    if (!server->is_refusing && server->tcp_count < limit + WS_FULL_ANSWERED)
        return true;
    if (!server->is_refusing)
        say_full(server);
    return false;
}

unsigned ws_limit_request(struct ws_server *server)
{
    if (server->tcp_count <= server->options.limits.max_connections)
        return 0;
    say_full(server);
    return 503;
}

unsigned ws_limit_upgrade(struct ws_server *server, struct lws *wsi)
{
    const struct ws_limits *limits = &server->options.limits;
    unsigned status = ws_limit_request(server);
    uint32_t more;
    if (status != 0 ||
        admit_has_room(&server->addresses, address_key(wsi), limits->max_per_address))
        return status;
    metric_inc(METRIC_limit_address);
    if (admit_may_say(&server->crowded, loop_now_ms(server->options.loop), &more)) {
        char address[WS_ADDRESS_MAX];
        ws_limit_address(wsi, address);
        LOG_WARN("too-many-from-address", "address=%s limit=%u more=%u", address,
                 limits->max_per_address, more);
    }
    return 429;
}

void ws_limit_add(struct ws_conn *conn)
{
    conn->address_key = address_key(conn->wsi);
    (void)admit_enter(&conn->server->addresses, conn->address_key, 0);
}

void ws_limit_remove(struct ws_conn *conn)
{
    admit_leave(&conn->server->addresses, conn->address_key);
}
