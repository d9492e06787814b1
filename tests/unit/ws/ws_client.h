/* A WebSocket client that can misbehave, and a server to try it on, both on one thread: the
 * client's socket does not block, and waiting for something runs the server's loop. */
#ifndef JACKDAW_TEST_WS_CLIENT_H
#define JACKDAW_TEST_WS_CLIENT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "ws/ws.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define KEY    "dGhlIHNhbXBsZSBub25jZQ==" /* RFC 6455 section 1.3, with its answer */
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

#define OP_TEXT  1
#define OP_BIN   2
#define OP_CONT  0
#define OP_CLOSE 8
#define OP_PING  9
#define OP_PONG  10

struct server {
    struct loop *loop;
    struct ws_server *ws;
    struct ws_conn *conn; /* the newest */
    struct buf last;      /* the last message */
    unsigned messages, opened, closed, too_big;
    bool echoes;
};

struct client {
    struct server *server;
    int fd;
    struct buf in;
    bool is_closed;
};

static inline void *on_open(void *ctx, struct ws_conn *conn)
{
    struct server *server = ctx;
    server->conn = conn;
    server->opened++;
    return server;
}

static inline void on_message(void *user, struct span text)
{
    struct server *server = user;
    buf_reset(&server->last);
    buf_append_span(&server->last, text);
    server->messages++;
    if (server->echoes)
        assert_int_equal(ws_send(server->conn, text), 0);
}

static inline void on_too_big(void *user)
{
    struct server *server = user;
    server->too_big++;
}

static inline void on_closed(void *user)
{
    struct server *server = user;
    server->closed++;
}

static inline void on_http(void *ctx, const struct ws_request *request,
                           struct ws_response *response)
{
    (void)ctx;
    response->content_type = "text/plain";
    buf_printf(&response->body, "%.*s %.*s host=%.*s", SPAN_ARG(request->method),
               SPAN_ARG(request->path), SPAN_ARG(request->host));
    if (span_is(request->path, "/big")) {
        size_t size = 3000000;
        memset(buf_reserve(&response->body, size), 'x', size);
        response->body.len += size;
    }
    (void)snprintf(response->etag, sizeof(response->etag), "\"e1\"");
    if (span_is(request->if_none_match, "\"e1\""))
        response->status = 304;
}

static const char *const ws_paths[] = {"/", "/ws", NULL};

static inline struct ws_options ws_default_options(struct server *server)
{
    return (struct ws_options){
        .loop = server->loop,
        .subprotocol = "xmpp",
        .paths = ws_paths,
        .limits = {.max_message_bytes = 10000, .max_queue_bytes = 100000, .max_connections = 100},
        .handlers = {.http = on_http,
                     .open = on_open,
                     .message = on_message,
                     .too_big = on_too_big,
                     .closed = on_closed},
        .ctx = server,
    };
}

static inline void server_start(struct server *server, const struct ws_options *changed)
{
    static const struct ws_listener listener = {.address = "127.0.0.1"};
    char error[200];
    if (!server->loop)
        server->loop = loop_new();
    struct ws_options options = changed ? *changed : ws_default_options(server);
    options.loop = server->loop;
    options.listeners = &listener;
    options.listener_count = 1;
    server->ws = ws_new(&options, error, sizeof(error));
    assert_non_null(server->ws);
}

static inline void server_stop(struct server *server)
{
    ws_free(server->ws);
    loop_free(server->loop);
    buf_deinit(&server->last);
}

static inline struct client client_connect(struct server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(ws_port(server->ws, 0)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct client client = {.server = server, .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    assert_int_equal(connect(client.fd, (struct sockaddr *)&address, sizeof(address)), 0);
    (void)fcntl(client.fd, F_SETFL, O_NONBLOCK);
    return client;
}

static inline void client_free(struct client *client)
{
    (void)close(client->fd);
    buf_deinit(&client->in);
}

/* One turn of the server, then what came to the client. */
static inline void turn(struct client *client)
{
    char bytes[65536];
    loop_run_once(client->server->loop, 0);
    ssize_t got = recv(client->fd, bytes, sizeof(bytes), 0);
    if (got > 0)
        buf_append(&client->in, bytes, (size_t)got);
    else if (got == 0 || (errno != EAGAIN && errno != EINTR))
        client->is_closed = true;
    else
        (void)usleep(200);
}

#define WAIT_FOR(client, condition)                                                                \
    do {                                                                                           \
        uint64_t wait_end = clock_mono_ms() + 8000;                                                \
        while (!(condition) && clock_mono_ms() < wait_end)                                         \
            turn(client);                                                                          \
        assert_true(condition);                                                                    \
    } while (0)

static inline void client_write(struct client *client, const void *bytes, size_t len)
{
    const char *at = bytes;
    while (len > 0) {
        ssize_t sent = send(client->fd, at, len, MSG_NOSIGNAL);
        if (sent > 0) {
            at += sent;
            len -= (size_t)sent;
        } else {
            turn(client);
            if (client->is_closed)
                return;
        }
    }
}

static inline void client_text(struct client *client, const char *text)
{
    client_write(client, text, strlen(text));
}

/* A masked frame; `op` with 0x80 for the last fragment. */
static inline void client_frame(struct client *client, unsigned op, const char *payload, size_t len)
{
    static const unsigned char mask[4] = {0x12, 0x34, 0x56, 0x78};
    struct buf frame = {0};
    buf_append_u8(&frame, (uint8_t)op);
    if (len < 126) {
        buf_append_u8(&frame, (uint8_t)(0x80 | len));
    } else {
        buf_append_u8(&frame, 0x80 | 126);
        buf_append_u8(&frame, (uint8_t)(len >> 8));
        buf_append_u8(&frame, (uint8_t)len);
    }
    buf_append(&frame, mask, sizeof(mask));
    for (size_t i = 0; i < len; i++)
        buf_append_u8(&frame, (uint8_t)((unsigned char)payload[i] ^ mask[i & 3]));
    client_write(client, frame.data, frame.len);
    buf_deinit(&frame);
}

/* Takes one frame off what has come; waits for it. Returns the opcode. */
static inline unsigned client_read_frame(struct client *client, struct buf *payload)
{
    WAIT_FOR(client, client->in.len >= 2);
    const unsigned char *b = (unsigned char *)client->in.data;
    size_t head = 2, len = b[1] & 0x7f;
    if (len >= 126) {
        size_t wide = len == 126 ? 2 : 8;
        WAIT_FOR(client, client->in.len >= 2 + wide);
        b = (unsigned char *)client->in.data;
        len = 0;
        for (size_t i = 0; i < wide; i++)
            len = len << 8 | b[2 + i];
        head += wide;
    }
    WAIT_FOR(client, client->in.len >= head + len);
    unsigned op = (unsigned char)client->in.data[0] & 0xf;
    buf_reset(payload);
    buf_append(payload, client->in.data + head, len);
    buf_consume(&client->in, head + len);
    return op;
}

static inline bool client_has(struct client *client, const char *text)
{
    return client->in.len > 0 && strstr(buf_cstr(&client->in), text) != NULL;
}

#define UPGRADE                                                                                    \
    " HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"                        \
    "Sec-WebSocket-Key: " KEY "\r\nSec-WebSocket-Version: 13\r\n"

/* A connection that has been upgraded. */
static inline struct client client_open(struct server *server)
{
    struct client client = client_connect(server);
    client_text(&client, "GET /ws" UPGRADE "Sec-WebSocket-Protocol: xmpp\r\n\r\n");
    WAIT_FOR(&client, client_has(&client, "\r\n\r\n"));
    assert_true(client_has(&client, "101"));
    buf_reset(&client.in);
    return client;
}

#endif
