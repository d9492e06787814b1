/* The bus: how daemons talk to each other. The only user of nng.
 *
 * Three primitives over REQ/REP and PUB/SUB sockets:
 *  - link: ordered, acknowledged, batched transport of items between two daemons. An item is
 * settled by its receiver when custody has passed (not when it was read), and the sender is told.
 * Items that were not settled are kept and sent again, to the same instance or, where the sender
 * named only the kind of daemon, to another one. A receiver drops what it has already got from the
 * same sender.
 *  - call: a request with a deadline to any instance of a kind; sent again to another instance only
 *    when its line in wire.def says IDEMPOTENT.
 *  - notice: a fact for everybody, published by anyone, through the routers. May be lost: each
 * carries its publisher, the publisher's boot and a number, and a gap is reported to the
 * subscriber.
 *
 * One conversation between two daemons carries link items, acks, calls and replies together, in
 * batches: it flushes at once when idle and at most every `linger_ms` when busy; an ack waits for
 * something to ride on. Who dials and who listens does not matter above this header: a daemon that
 * listens sees its peers when they have said hello.
 *
 * Everything here runs on the loop's thread; nothing blocks. Callbacks come from the loop, never
 * from inside a function of this header (so a settled or reply callback may not have been called
 * yet when the function that leads to it returns), and may call back into the bus, bus_free
 * included.
 */
#ifndef JACKDAW_BUS_BUS_H
#define JACKDAW_BUS_BUS_H

#include "base/span.h"
#include "bus/wire.h"

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct bus;
struct bus_peer;
struct bus_call;

enum bus_outcome {
    BUS_SETTLED, /* the receiver has custody */
    BUS_LOST,    /* the instance is gone for good (or restarted) with the item unsettled */
    BUS_TIMEOUT, /* calls: no answer within the deadline */
    BUS_NO_PEER, /* calls: no instance of that kind within the deadline */
};

/* What the daemon wants to hear. `ctx` is bus_options.ctx. A message's spans live for the callback.
 */
struct bus_handlers {
    /* A peer has said hello or has come back (same boot: not called again); its announcements are
     * there. */
    void (*peer_up)(void *ctx, struct bus_peer *peer);
    /* The peer is gone for good: its process ended, or it stayed away longer than peer_grace_ms.
     * All its unsettled items have been reported before this; the pointer is invalid after it. */
    void (*peer_down)(void *ctx, struct bus_peer *peer);
    /* An item. Must be followed, now or later, by exactly one bus_settle(peer, token). */
    void (*item)(void *ctx, struct bus_peer *peer, uint64_t token, const struct wire_msg *msg);
    /* A call. Must be followed, now or later, by exactly one bus_reply(call, ...). */
    void (*call)(void *ctx, struct bus_call *call, const struct wire_msg *msg);
    /* A notice (subscribers only). */
    void (*notice)(void *ctx, const struct wire_msg *msg);
    /* Notices may have been missed: drop what was cached from them. */
    void (*notice_gap)(void *ctx);
};

struct bus_options {
    struct loop *loop;
    const char *kind;     /* "edge": the daemon's name */
    const char *instance; /* unique in the cluster: "edge-1"; at most 63 bytes */
    /* What this daemon announces in its hello, free text lines for the routers (service/service.h
     * says which); borrowed until bus_free. */
    const struct span *announce;
    size_t announce_count;
    const char *listen;      /* nng address to listen on, or NULL. A hub needs two more
                                addresses for notices; they are derived from it (bus.c). */
    const char *const *dial; /* addresses to dial, all conversations kept open */
    size_t dial_count;
    const char *const *hubs; /* router addresses whose notices are wanted or given */
    size_t hub_count;
    bool is_hub; /* a router: relays notices */
    bool wants_notices;
    uint32_t linger_ms;         /* 0..1000, at most one batch per peer in this time; 3 */
    uint32_t peer_grace_ms;     /* how long a broken conversation may take to come back; 2000 */
    uint32_t resend_ms;         /* unacked items are sent again after this silence; 1000 */
    size_t max_message_bytes;   /* a batch above this is refused; 4 MiB */
    size_t max_unsettled_bytes; /* per peer; beyond it bus_send* return -1; 64 MiB */
    struct bus_handlers handlers;
    void *ctx;
};

/* Opens the sockets. Returns owned, or NULL with one line in `error` (of `error_size` bytes): an
 * address that cannot be listened on. Peers that are not there yet are no error. */
struct bus *bus_new(const struct bus_options *options, char *error, size_t error_size);
/* Flushes what can be flushed at once, says goodbye to the peers (they report peer_down at once)
 * and closes; may take a few ms. Pending callbacks are not called; peers and calls are invalid
 * after it. NULL is fine. */
void bus_free(struct bus *bus);

/* ---- peers ---- */
const char *bus_peer_kind(const struct bus_peer *peer);
const char *bus_peer_instance(const struct bus_peer *peer);
uint64_t bus_peer_boot(const struct bus_peer *peer);
/* The lines the peer announced. */
size_t bus_peer_announced(const struct bus_peer *peer, const struct span **lines_out);
/* The user's own pointer on a peer (a router hangs its view of a spoke here). */
void bus_peer_set_data(struct bus_peer *peer, void *data);
void *bus_peer_data(const struct bus_peer *peer);
/* The up peer of `kind` that owns `hash` (rendezvous hashing over instance names: every daemon
 * picks the same one, and a peer that comes or goes moves only its own share). NULL when there is
 * none. */
struct bus_peer *bus_pick(struct bus *bus, const char *kind, uint64_t hash);
/* The up peer with that instance name, or NULL. */
struct bus_peer *bus_find(struct bus *bus, struct span instance);
/* Calls `each` for every up peer of `kind` (NULL: all). */
void bus_each_peer(struct bus *bus, const char *kind,
                   void (*each)(void *arg, struct bus_peer *peer), void *arg);

/* ---- link ---- */
/* Told once per item. May be NULL. */
typedef void bus_settled_fn(void *arg, enum bus_outcome outcome);
/* To this instance only: BUS_SETTLED or BUS_LOST. Copies the message. -1 when the peer's backlog is
 * full (nothing was taken, settled is not called). */
int bus_send_to(struct bus_peer *peer, const struct wire_msg *msg, bus_settled_fn *settled,
                void *arg);
/* To the instance of `kind` that owns `hash`; waits for one when there is none, is sent again to
 * another when it goes away: ends in BUS_SETTLED. -1 when the backlog is full. Items of one hash
 * keep their order. */
int bus_send(struct bus *bus, const char *kind, uint64_t hash, const struct wire_msg *msg,
             bus_settled_fn *settled, void *arg);
/* Takes custody of an item: its sender may forget it. Any order, exactly once per item; also when
 * the peer is gone meanwhile (nothing happens then). */
void bus_settle(struct bus_peer *peer, uint64_t token);

/* ---- call ---- */
typedef void bus_reply_fn(void *arg, enum bus_outcome outcome, const struct wire_msg *reply);
/* `hash` chooses the instance (same hash, same instance while it lives). `reply` is called exactly
 * once, never from inside bus_call; the message is NULL unless the outcome is BUS_SETTLED.
 * Returns a handle for bus_call_cancel, never 0. */
uint64_t bus_call(struct bus *bus, const char *kind, uint64_t hash, const struct wire_msg *request,
                  uint32_t deadline_ms, bus_reply_fn *reply, void *arg);
/* The reply is no longer wanted: its callback will not be called. Unknown handles are ignored. */
void bus_call_cancel(struct bus *bus, uint64_t handle);
/* Answers and frees the call. */
void bus_reply(struct bus_call *call, const struct wire_msg *reply);

/* ---- notice ---- */
/* Tells everybody who wants notices, but not this bus itself. Without hubs nobody is told. */
void bus_notice(struct bus *bus, const struct wire_msg *msg);

/* Whether an instance of `kind` is up: for readiness. */
bool bus_has_peer(struct bus *bus, const char *kind);

#endif
