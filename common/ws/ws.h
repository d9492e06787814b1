/* HTTP and WebSocket server on the loop (RFC 6455, RFC 7230). The only user of libwebsockets.
 *
 * Several listeners, plain or TLS. An HTTP request is answered by one callback; an upgrade on one
 * of the configured paths that offers the subprotocol becomes a connection whose text messages are
 * handed up whole: fragments are put together up to a limit, binary messages are refused (close
 * code 1003). An upgrade without the subprotocol gets HTTP 400 and a text that says what to do.
 *
 * What is sent in one turn of the loop to one connection leaves in one system call at the end of
 * the turn. A connection whose reader is too slow has a bounded queue; ws_send says when it is
 * full. permessage-deflate and HTTP/2 are off: they cost more memory than everything else together.
 *
 * Everything runs on the loop's thread. Callbacks may call back into ws.
 */
#ifndef JACKDAW_WS_WS_H
#define JACKDAW_WS_WS_H

#include "base/buf.h"
#include "base/span.h"

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct ws_server;
struct ws_conn;

#define WS_ADDRESS_MAX 64 /* an IP address as text, with its NUL */

/* RFC 6455 section 7.4.1. */
#define WS_CLOSE_NORMAL      1000
#define WS_CLOSE_GOING_AWAY  1001
#define WS_CLOSE_PROTOCOL    1002
#define WS_CLOSE_UNSUPPORTED 1003
#define WS_CLOSE_POLICY      1008
#define WS_CLOSE_TOO_BIG     1009

struct ws_listener {
    const char *address; /* NULL or "": every address */
    uint16_t port;       /* 0: one the system picks, see ws_port */
    bool is_tls;
};

/* A request; all spans live for the callback. */
struct ws_request {
    struct span method; /* "GET", "HEAD", "OPTIONS", "POST" */
    struct span path;   /* decoded, begins with '/', without the query */
    struct span host;   /* the Host header */
    struct span if_none_match;
    bool is_secure;
};

/* The answer, filled by the callback (it comes zeroed but for status 200). Strings must be static
 * or stay alive for the callback's caller; `body` is taken. For HEAD the body is only counted. */
struct ws_response {
    unsigned status;
    const char *content_type;
    const char *cache_control; /* NULL: no-cache */
    char etag[40];             /* with its quotes; empty: none */
    char location[256];        /* empty: none */
    bool allow_any_origin;     /* Access-Control-Allow-Origin: * */
    uint64_t https_only_s;     /* Strict-Transport-Security (RFC 6797); 0: none */
    struct buf body;
};

struct ws_handlers {
    void (*http)(void *ctx, const struct ws_request *request, struct ws_response *response);
    /* An upgrade is done. Returns the user's pointer for this connection, NULL to refuse it (it is
     * closed with 1001). */
    void *(*open)(void *ctx, struct ws_conn *conn);
    /* One whole text message; `text` lives for the callback. Not called after ws_finish. */
    void (*message)(void *user, struct span text);
    /* The message is larger than max_message_bytes: answer and finish (else ws does with 1009). */
    void (*too_big)(void *user);
    /* The connection is gone. Called once for each that `open` took; `conn` is invalid after it. */
    void (*closed)(void *user);
    /* A TLS listener is being opened: gives its SSL_CTX (OpenSSL's, which ws does not know) its
     * certificates and whatever else. Needed where there is such a listener. */
    void (*secure)(void *ctx, void *ssl_ctx);
};

/* What a reload may change; applies to open connections too. */
struct ws_limits {
    size_t max_message_bytes; /* of one reassembled message */
    size_t max_first_bytes;   /* the same until ws_admit; 0: no other limit */
    size_t max_queue_bytes;   /* of one connection's unsent bytes */
    uint32_t ping_after_ms;   /* silence after which a WebSocket ping is sent; 0: never */
    uint32_t ping_timeout_ms; /* silence after the ping that ends the connection */
    uint32_t max_connections; /* TCP connections in all; more get HTTP 503, or are closed */
    uint32_t max_per_address; /* WebSocket connections of one address (IPv6: of one /64), more get
                               * HTTP 429; 0: no limit */
};

struct ws_options {
    struct loop *loop;
    const struct ws_listener *listeners; /* borrowed for ws_new */
    size_t listener_count;
    const char *subprotocol; /* "xmpp" */
    const char *const
        *paths; /* upgrades are accepted here, NULL-terminated; must outlive the server */
    uint32_t handshake_ms; /* TLS, then the head of a request, must be there within this time */
    struct ws_limits limits;
    struct ws_handlers handlers;
    void *ctx;
};

/* Opens the listeners. Returns owned, or NULL with one line in `error`. */
struct ws_server *ws_new(const struct ws_options *options, char *error, size_t error_size);
/* Closes everything; runs the loop for the moment that takes. `closed` is called for what is open.
 */
void ws_free(struct ws_server *server);
/* max_connections can be raised no further than what the process may open (it says so). */
void ws_reload_limits(struct ws_server *server, const struct ws_limits *limits);
/* Stops accepting; what is open stays. */
void ws_stop_accepting(struct ws_server *server);
/* The port listener `index` got. */
uint16_t ws_port(const struct ws_server *server, size_t index);
/* Open WebSocket connections. */
uint32_t ws_connection_count(const struct ws_server *server);

/* Queues one text message; it leaves at the end of this turn of the loop. 0, or -1 when the queue
 * is full or the connection is closing: nothing was taken. */
int ws_send(struct ws_conn *conn, struct span text);
/* Says goodbye: queues the `count` messages at `last` whatever the limit, and closes with `code`
 * when all has left, or after 5 seconds. Idempotent. `closed` follows later, never from inside this
 * call. */
void ws_finish(struct ws_conn *conn, const struct span *last, size_t count, uint16_t code);
/* The client is known: max_message_bytes holds from now on. */
void ws_admit(struct ws_conn *conn);
/* Stops or resumes reading. */
void ws_set_reading(struct ws_conn *conn, bool on);
bool ws_is_secure(const struct ws_conn *conn);
/* The peer's address as text. */
void ws_address(const struct ws_conn *conn, char out[WS_ADDRESS_MAX]);

#endif
