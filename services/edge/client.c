/* WebSocket connections as transports of streams: the stream is the connection's user pointer. */
#include "edge.h"

#include <string.h>

static int transport_send(void *conn, struct span text)
{
    return ws_send(conn, text);
}

static void transport_finish(void *conn, const struct span *last, size_t count)
{
    ws_finish(conn, last, count, WS_CLOSE_NORMAL);
}

static void transport_admit(void *conn)
{
    ws_admit(conn);
}

static void transport_set_reading(void *conn, bool on)
{
    ws_set_reading(conn, on);
}

static void transport_address(void *conn, char *out, size_t size)
{
    char address[WS_ADDRESS_MAX];
    ws_address(conn, address);
    size_t len = strlen(address) < size ? strlen(address) : size - 1;
    memcpy(out, address, len);
    out[len] = '\0';
}

static const struct stream_transport transports[] = {
    {.name = "ws",
     .is_framed = true,
     .send = transport_send,
     .finish = transport_finish,
     .admit = transport_admit,
     .set_reading = transport_set_reading,
     .address = transport_address},
    {.name = "wss",
     .is_framed = true,
     .send = transport_send,
     .finish = transport_finish,
     .admit = transport_admit,
     .set_reading = transport_set_reading,
     .address = transport_address},
};

void *edge_client_open(void *ctx, struct ws_conn *conn)
{
    struct edge *edge = ctx;
    bool is_secure = ws_is_secure(conn);
    return stream_new(edge->holder.streams, &transports[is_secure], conn, is_secure);
}

void edge_client_message(void *user, struct span text)
{
    stream_receive(user, text);
}

void edge_client_too_big(void *user)
{
    stream_too_big(user);
}

void edge_client_closed(void *user)
{
    stream_closed(user);
}
