/* The router as a daemon: what daemon/daemon.h calls when it starts, reloads, drains and ends. */
#ifndef JACKDAW_ROUTER_LIFE_H
#define JACKDAW_ROUTER_LIFE_H

#include "daemon/daemon.h"

int life_open(struct daemon *d, void **ctx_out);
bool life_is_ready(void *ctx, struct buf *why);
void life_reload(void *ctx);
void life_drain(void *ctx, daemon_done_fn *done, void *arg);
void life_close(void *ctx);

#endif
