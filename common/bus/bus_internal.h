/* The bus from inside: what its files share.
 *
 *   transport  nng: ports, pipes, frames in and out, the way to the loop
 *   bus        one bus: options, ports, what comes in goes to the file it is for
 *   bus_hello  the first words on new pipes
 *   bus_peer   who is there, who is gone; choosing by hash
 *   bus_link   the stream of numbered entries to one peer and back
 *   bus_item   items with their settlement: to one instance, to the owner of a hash
 *   bus_call   calls and replies
 *   bus_notice notices
 *
 * How a conversation stays whole: every entry to a peer has a number, from 1. The receiver takes
 * them in order only and says in each frame how far it has come; what it has said is dropped by the
 * sender (items are kept aside until settled). When the pipe breaks, both ends keep their numbers
 * and the hello on the next pipe says where to go on. Only an end that forgot (its process is new,
 * or it gave the other up) starts at 1 again, which shows in the ids of the link: then the other
 * end reports what was under way as lost, or gives it to somebody else. Settlements are entries
 * too, so they need no care of their own.
 *
 * User callbacks are called from the loop only, never from within a function of bus.h, and may call
 * any of them: after each one, whoever called it looks at `bus->closing`.
 */
#ifndef JACKDAW_BUS_INTERNAL_H
#define JACKDAW_BUS_INTERNAL_H

#include "bus/bus_state_internal.h"

/* ---- bus.c ---- */
/* Around everything that may call the user; bus_leave frees a bus that was closed inside. */
void bus_enter(struct bus *bus);
void bus_leave(struct bus *bus);
uint64_t bus_now_ms(const struct bus *bus);
/* The kind by name, made when it is new; NULL only for names that are too long or empty. */
struct bus_kind *bus_kind_get(struct bus *bus, struct span name);
/* Encodes into bus->message; -1 when it is larger than a frame may be (logged, counted). */
int bus_encode(struct bus *bus, const struct wire_msg *msg);
/* Decodes into bus->arena: -1 when it is malformed or not of that kind (logged, counted). */
int bus_decode(struct bus *bus, struct span body, enum wire_kind kind, struct wire_msg *msg_out);

/* ---- bus_hello.c ---- */
void bus_hello_endpoint_up(struct bus_endpoint *endpoint, const struct port *port, uint32_t pipe);
void bus_hello_endpoint_gone(struct bus_endpoint *endpoint, const struct port *port, uint32_t pipe);
/* Says hello (again) when both pipes are there. */
void bus_hello_greet(struct bus_endpoint *endpoint);
/* A pipe of somebody who dialled us is gone. */
void bus_hello_pipe_gone(struct bus *bus, uint32_t pipe);
void bus_hello_from_dialler(struct bus *bus, uint32_t pipe, const struct frame_hello *hello);
void bus_hello_from_listener(struct bus_endpoint *endpoint, const struct frame_hello *hello);

/* ---- bus_peer.c ---- */
/* A new peer as its hello says, known to nobody yet. */
struct bus_peer *bus_peer_make(struct bus *bus, const struct frame_hello *hello);
/* From now on it is up: what waited for one of its kind goes to it, the user is told. */
void bus_peer_announce(struct bus_peer *peer);
/* Both directions are off, whichever pipe broke. */
void bus_peer_leave_pipes(struct bus_peer *peer);
/* A pipe broke; it may come back within the grace. */
void bus_peer_go_away(struct bus_peer *peer);
/* Gone for good: reports and frees. */
void bus_peer_down(struct bus_peer *peer, const char *why);
struct bus_peer *bus_peer_pick(struct bus_kind *kind, uint64_t hash);
void bus_peer_ref(struct bus_peer *peer);
void bus_peer_unref(struct bus_peer *peer);
/* Frees without a word, at the end of the bus. */
void bus_peer_discard(struct bus_peer *peer);

/* ---- bus_link.c ---- */
void bus_link_init(struct bus_peer *peer);
void bus_link_deinit(struct bus_peer *peer);
/* A new entry with a copy of `body`, not yet in any queue. */
struct bus_entry *bus_link_entry(enum frame_entry_kind kind, struct span body);
size_t bus_link_cost(const struct bus_entry *entry);
/* Takes: numbers the entry and plans its sending. */
void bus_link_push(struct bus_peer *peer, struct bus_entry *entry);
/* A pipe is there (again) and the peer has our entries up to `received`: 0, or -1 when that cannot
 * be. */
int bus_link_resume(struct bus_peer *peer, uint64_t received);
void bus_link_pause(struct bus_peer *peer);
/* Sends what can be sent now. */
void bus_link_flush(struct bus_peer *peer);
void bus_link_data(struct bus_peer *peer, const struct frame_data *data);
/* Will report entry `number` of the peer as settled. */
void bus_link_settle(struct bus_peer *peer, uint64_t number);

/* ---- bus_item.c ---- */
void bus_item_received(struct bus_peer *peer, uint64_t number, const struct frame_entry *entry);
void bus_item_settled(struct bus_peer *peer, uint64_t number, const struct frame_entry *entry);
/* A peer of this kind has come: what waited goes. */
void bus_item_peer_up(struct bus_kind *kind);
/* Takes the peer's items away: those with a hash go elsewhere at once, the others to `lost`. */
void bus_item_peer_down(struct bus_peer *peer, struct list_node *lost);
/* Reports and frees them. */
void bus_item_report_lost(struct bus *bus, struct list_node *lost);
void bus_item_discard_kind(struct bus_kind *kind);

/* ---- bus_call.c ---- */
void bus_call_received(struct bus_peer *peer, uint64_t number, const struct frame_entry *entry);
void bus_call_replied(struct bus_peer *peer, uint64_t number, const struct frame_entry *entry);
void bus_call_peer_up(struct bus_kind *kind);
/* Sends the peer's calls elsewhere where that is allowed; the others go to `lost`. */
void bus_call_peer_down(struct bus_peer *peer, struct list_node *lost);
void bus_call_report_lost(struct bus *bus, struct list_node *lost);
void bus_call_discard(struct bus *bus);

/* ---- bus_notice.c ---- */
/* Notices, ours and others'. */
struct bus_notices {
    struct port *out; /* PUB, NULL: publishes nothing */
    struct port *in;  /* SUB, NULL: hears nothing */
    uint64_t next;    /* number of our next notice */
    uint32_t said_count;
    struct buf said;     /* our own messages, not yet sent */
    struct buf sections; /* of others, to pass on */
    uint64_t flushed_ms;
    uint64_t ready_ms;  /* not before this: nng hears of a connection before it uses it */
    unsigned out_pipes; /* hubs, or subscribers of a hub, that are connected */
    struct loop_task flush_task;
    struct loop_timer flush_timer;
    struct loop_timer repeat_timer;
    struct map publishers; /* instance -> struct publisher */
};

/* Opens the ports notices need: 0, or -1 with a line in `error`. */
int bus_notice_open(struct bus *bus, char *error, size_t error_size);
void bus_notice_close(struct bus *bus);
/* What happens at a port of role PUB or SUB. */
void bus_notice_pipe_up(struct bus *bus, struct port *port);
void bus_notice_pipe_gone(struct bus *bus, const struct port *port);
void bus_notice_frame(struct bus *bus, struct span sections);

#endif
