/* What the files of edge share: the daemon's one context. */
#ifndef JACKDAW_EDGE_EDGE_H
#define JACKDAW_EDGE_EDGE_H

#include "crypt/tls.h"
#include "daemon/daemon.h"
#include "stream/holder.h"
#include "ws/ws.h"

struct edge {
    struct holder holder;
    struct tls_context *tls; /* without edge.tls: NULL */
    struct ws_server *server;
    int web_root_fd; /* -1: there is none */
};

int edge_open(struct daemon *d, void **ctx_out);
bool edge_is_ready(void *ctx, struct buf *why);
void edge_reload(void *ctx);
void edge_drain(void *ctx, daemon_done_fn *done, void *arg);
void edge_close(void *ctx);
void edge_item(void *ctx, struct bus_peer *peer, uint64_t token, const struct wire_msg *msg);
void edge_peer_down(void *ctx, struct bus_peer *peer);

/* listen.c: opens the listeners. 0, or -1 after it logged why. */
int edge_listen(struct edge *edge);
/* The configuration is new: takes over the limits; addresses and ports stay. */
void edge_reload_listeners(struct edge *edge);
void edge_reload_certificates(struct edge *edge);

/* client.c: WebSocket connections as transports of streams. */
void *edge_client_open(void *ctx, struct ws_conn *conn);
void edge_client_message(void *user, struct span text);
void edge_client_too_big(void *user);
void edge_client_closed(void *user);

/* http.c: everything that is not an upgrade. `ctx` is the edge. */
void edge_http(void *ctx, const struct ws_request *request, struct ws_response *response);

/* files.c: the web client's files under `root_fd`. */
void files_answer(int root_fd, const struct ws_request *request, struct ws_response *response);

/* hostmeta.c: XEP-0156. `url` is the WebSocket's address. */
void hostmeta_write_xml(struct span url, struct buf *out);
void hostmeta_write_json(struct span url, struct buf *out);
/* The address from the request's Host, or from `fallback_host` when that cannot be used. */
void hostmeta_url(const struct ws_request *request, struct span fallback_host, struct buf *out);

#endif
