/* The session daemon's seat on the bus: what main.c hands to the daemon skeleton. */
#ifndef JACKDAW_SESSION_SERVE_H
#define JACKDAW_SESSION_SERVE_H

#include "daemon/daemon.h"

size_t serve_announce(struct arena *arena, const struct span **lines_out);
int serve_open(struct daemon *d, void **ctx_out);
bool serve_is_ready(void *ctx, struct buf *why);
void serve_reload(void *ctx);
void serve_drain(void *ctx, daemon_done_fn *done, void *arg);
void serve_close(void *ctx);

void serve_peer_down(void *ctx, struct bus_peer *peer);
void serve_item(void *ctx, struct bus_peer *peer, uint64_t token, const struct wire_msg *msg);
void serve_call(void *ctx, struct bus_call *call, const struct wire_msg *msg);

#endif
