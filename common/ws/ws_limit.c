/* How many WebSocket connections one address has. Only the hash of an address is kept. */
#include "base/hash.h"
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

static uint64_t address_hash(struct lws *wsi)
{
    char address[WS_ADDRESS_MAX];
    ws_limit_address(wsi, address);
    return hash_span(span_cstr(address));
}

static uintptr_t count_of(struct ws_server *server, uint64_t hash)
{
    return (uintptr_t)map64_get(&server->addresses, hash);
}

bool ws_limit_allows(struct ws_server *server, struct lws *wsi)
{
    uint32_t limit = server->options.max_per_address;
    return limit == 0 || count_of(server, address_hash(wsi)) < limit;
}

void ws_limit_add(struct ws_conn *conn)
{
    if (conn->server->options.max_per_address == 0)
        return;
    conn->address_hash = address_hash(conn->wsi);
    uintptr_t count = count_of(conn->server, conn->address_hash) + 1;
    (void)map64_put(&conn->server->addresses, conn->address_hash, (void *)count);
}

void ws_limit_remove(struct ws_conn *conn)
{
    if (conn->server->options.max_per_address == 0)
        return;
    uintptr_t count = count_of(conn->server, conn->address_hash);
    if (count > 1)
        (void)map64_put(&conn->server->addresses, conn->address_hash, (void *)(count - 1));
    else
        (void)map64_remove(&conn->server->addresses, conn->address_hash);
}
