/* c2s: XMPP over TCP for desktop and mobile clients (RFC 6120 sections 4 and 5, XEP-0368).
 *
 * Two listeners, STARTTLS and direct TLS, and their connections. A connection is a transport of
 * common/stream: it moves bytes, TLS in between, and knows nothing of XMPP.
 */
#ifndef JACKDAW_C2S_C2S_H
#define JACKDAW_C2S_C2S_H

#include "admit/address.h"
#include "admit/quiet.h"
#include "base/buf.h"
#include "base/list.h"
#include "crypt/tls.h"
#include "loop/task.h"
#include "loop/tcp.h"
#include "stream/holder.h"

#include <stdbool.h>
#include <stdint.h>

#define C2S_LISTENERS 2
#define C2S_REFUSALS  2  /* kinds of them: see refuse.c */
#define C2S_REFUSED   64 /* connections at a time that are told why; more are just closed */

struct c2s {
    struct holder holder;
    struct tls_context *tls;
    struct tcp_listener *listeners[C2S_LISTENERS]; /* STARTTLS, and TLS from the first byte */
    size_t listener_count;
    daemon_done_fn *on_drained;
    void *on_drained_arg;
    bool is_drained; /* but for connections that say goodbye */
    struct loop_task all_gone;
    struct list_node conns;
    struct list_node refused; /* connections that only hear why */
    uint32_t conn_count;
    uint32_t refused_count; /* being told that they are */
    uint32_t max_connections;
    uint32_t max_per_address;
    struct admit_counts addresses;
    struct admit_quiet said[C2S_REFUSALS];
    struct admit_quiet said_tls;
    size_t max_queue_bytes;
    struct buf decrypted; /* scratch of one read, shared by all connections */
    struct buf encrypted; /* scratch of one write */
};

/* The daemon's hooks (daemon/daemon.h). */
int c2s_open(struct daemon *daemon, void **ctx_out);
bool c2s_is_ready(void *ctx, struct buf *why);
void c2s_reload(void *ctx);
void c2s_drain(void *ctx, daemon_done_fn *done, void *arg);
void c2s_close(void *ctx);
void c2s_item(void *ctx, struct bus_peer *peer, uint64_t token, const struct wire_msg *msg);
void c2s_peer_down(void *ctx, struct bus_peer *peer);

/* refuse.c: whether a limit forbids a connection from `key` (of its address). If so it is told, as
 * far as it can be understood, and taken. */
bool refuse_connection(struct c2s *c2s, struct tcp_conn *tcp, uint64_t key, bool is_direct);

void refuse_close_all(struct c2s *c2s);

/* conn.c: takes a fresh connection; `is_direct`: TLS begins at once. */
void conn_accept(struct c2s *c2s, struct tcp_conn *tcp, bool is_direct);
/* Closes every connection at once, without a word. */
void conn_close_all(struct c2s *c2s);

#endif
