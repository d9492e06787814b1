/* nng as the bus uses it: sockets that carry whole frames, and the way from nng's threads to the
 * loop.
 *
 * Ports of role REQ dial and of role REP listen. Both are raw, that is without nng's
 * one-request-one- answer state: either side may send a frame at any time, so the pair is a two-way
 * channel of frames. A listener addresses a pipe. PUB and SUB carry notices.
 *
 * A conversation uses two pipes, one per direction, because of a fault in nng 1.5.2 (transports ipc
 * and tcp): when a pipe is closed, say because a write failed, in the moment between the two reads
 * of a message that comes in on it, that read is never finished and the thread that takes down
 * pipes waits for it for ever. On a pipe that carries frames one way only, what closes it is the
 * read itself. For the same reason a pipe is closed only by the end that speaks on it. Should that
 * thread hang all the same (no pipe would ever be taken down or dialled again), the process ends
 * for its supervisor to start it anew: see check_reaper in transport.c.
 *
 * One receive is posted per port; its callback, on a thread of nng, puts the message in a queue and
 * wakes the loop only when the queue was empty. Sending never blocks and is never confirmed here.
 */
#ifndef JACKDAW_BUS_TRANSPORT_H
#define JACKDAW_BUS_TRANSPORT_H

#include "base/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;
struct transport;
struct port;

enum port_role { PORT_REQ, PORT_REP, PORT_PUB, PORT_SUB };

/* A connection came, went, or brought a frame (which is borrowed). For one pipe always in the order
 * up, frames, gone. Called on the loop. */
struct transport_handlers {
    void (*pipe_up)(void *ctx, struct port *port, uint32_t pipe);
    void (*pipe_gone)(void *ctx, struct port *port, uint32_t pipe);
    void (*frame)(void *ctx, struct port *port, uint32_t pipe, struct span frame);
    /* Around all calls of one wake-up. */
    void (*begin)(void *ctx);
    void (*end)(void *ctx);
};

struct transport_options {
    struct loop *loop;
    size_t max_bytes; /* of a frame; a larger one costs its sender the connection */
    const struct transport_handlers *handlers;
    void *ctx;
};

/* Returns owned. */
struct transport *transport_new(const struct transport_options *options);
/* Takes: closes and frees all ports. What was just sent gets `linger_ms` to leave. Should nng hang,
 * they are left behind after 5 s: the process should end then. */
void transport_free(struct transport *transport, uint32_t linger_ms);

/* A port of this role, freed with the transport; `data` is its user's. NULL when nng cannot. */
struct port *transport_open(struct transport *transport, enum port_role role, void *data);
void *port_data(const struct port *port);
/* 0, or -1 with the reason in *reason_out (static text). */
int port_listen(struct port *port, const char *address, const char **reason_out);
/* Connects now or whenever the other side is there, and again when the connection breaks. */
int port_dial(struct port *port, const char *address, const char **reason_out);
/* Sends one frame (copied); `pipe` matters to PORT_REP only. 0, or -1 when the way is full now. */
int port_send(struct port *port, uint32_t pipe, struct span frame);
/* Breaks a connection that we speak on; pipe_gone follows. */
void port_close_pipe(struct port *port, uint32_t pipe);
/* The process at the other end where the kernel knows it (ipc), else 0. */
int32_t port_pipe_pid(const struct port *port, uint32_t pipe);

#endif
