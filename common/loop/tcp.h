/* Stream sockets, TCP and unix: a listener and its connections.
 *
 * Writes are copied and queued; how much waits is the caller's to bound (tcp_pending). Callbacks
 * may close their connection. After tcp_close no callback comes but on_closed.
 */
#ifndef JACKDAW_LOOP_TCP_H
#define JACKDAW_LOOP_TCP_H

#include "base/span.h"

#include <stdint.h>

struct loop;
struct tcp_listener;
struct tcp_conn;

/* A new connection: give it handlers (tcp_conn_start) or close it. */
typedef void tcp_accept_fn(void *arg, struct tcp_conn *conn);

/* Listens on `address`: an IPv4 or IPv6 address literal, or "unix:/path" (then `port` is not used
 * and a stale socket file is replaced). `port` 0: any free one. Returns owned, or NULL with one
 * line in `error` (`error_size` bytes). */
struct tcp_listen_options {
    const char *address;
    uint16_t port;
    uint32_t backlog; /* 0: 511 */
    tcp_accept_fn *on_accept;
    void *arg;
};
struct tcp_listener *tcp_listen(struct loop *loop, const struct tcp_listen_options *options,
                                char *error, size_t error_size);
/* The port in use, 0 for unix. */
uint16_t tcp_listener_port(const struct tcp_listener *listener);
/* Takes; its connections live on. NULL is fine. */
void tcp_listener_free(struct tcp_listener *listener);

struct tcp_handlers {
    /* Bytes that came; they live for the callback. */
    void (*on_read)(void *arg, struct span bytes);
    /* The peer will send no more, or the connection broke: the owner calls tcp_close, or tcp_finish
     * or tcp_goodbye when it has something left to say to a peer that may still listen. */
    void (*on_end)(void *arg);
    /* Everything written so far has been given to the kernel. May be NULL. */
    void (*on_drained)(void *arg);
    /* After tcp_close: the connection is freed now. May be NULL. */
    void (*on_closed)(void *arg);
};

/* Connects to an address literal or "unix:/path". The connection is usable at once (writes wait);
 * failure to connect comes as on_end. NULL when the address is no address. */
struct tcp_conn *tcp_connect(struct loop *loop, const char *address, uint16_t port);
/* Starts reading. `handlers` is borrowed as long as the connection lives. */
void tcp_conn_start(struct tcp_conn *conn, const struct tcp_handlers *handlers, void *arg);
/* Stops and resumes reading (back-pressure). */
void tcp_pause(struct tcp_conn *conn);
void tcp_resume(struct tcp_conn *conn);
/* Copies. Leaves in this turn of the loop, at once where the kernel takes it. */
void tcp_write(struct tcp_conn *conn, struct span bytes);
/* Bytes not yet taken by the kernel. */
size_t tcp_pending(const struct tcp_conn *conn);
/* Takes. Closes at once; with tcp_finish what is queued is written before (and reading stops). */
void tcp_close(struct tcp_conn *conn);
void tcp_finish(struct tcp_conn *conn);
/* Takes. As tcp_finish, but the last bytes arrive: closing a socket with unread input would make
 * the kernel reset the connection and the peer lose them. So what the peer still sends is read and
 * dropped until it closes too, or until `patience_ms` after this call, whatever is written by then.
 * No callback but on_closed comes. */
void tcp_goodbye(struct tcp_conn *conn, uint32_t patience_ms);
/* "192.0.2.1", "2001:db8::1", or "unix"; borrows. */
const char *tcp_peer(const struct tcp_conn *conn);

#endif
