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

#include "base/arena.h"
#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "bus/bus.h"
#include "bus/frame.h"
#include "bus/transport.h"
#include "loop/task.h"
#include "loop/timer.h"

/* Frames with entries that are under way unconfirmed; a raw REP port drops what is beyond 64. */
#define LINK_WINDOW 32
/* A frame takes no further entry beyond this. */
#define LINK_FRAME_BYTES ((size_t)64 * 1024)
#define NAME_SIZE        (FRAME_NAME_MAX + 1)

struct bus_endpoint;

/* Entries of one hash that are unsettled: as long as there are any, all go to one peer, in order.
 */
struct bus_flow {
    uint64_t hash;
    uint32_t count;
    struct bus_peer *peer; /* NULL: they wait for one */
};

/* What is known of all daemons of one kind. Made at first mention, stays. */
struct bus_kind {
    struct list_node node; /* bus.kinds */
    char name[NAME_SIZE];
    struct list_node peers;         /* bus_peer.kind_node, up ones */
    struct map64 flows;             /* hash -> struct bus_flow */
    struct list_node waiting_items; /* bus_entry.node: nobody of this kind is up */
    size_t waiting_bytes;
    struct list_node waiting_calls; /* bus_request.node */
};

/* One entry of the stream to a peer, with its bytes. */
struct bus_entry {
    struct list_node node;
    uint64_t number;
    uint64_t handle;       /* calls and replies */
    struct bus_flow *flow; /* items to the owner of a hash, else NULL */
    bus_settled_fn *settled;
    void *arg;
    enum frame_entry_kind kind;
    uint32_t len;
    char body[];
};

/* The sending half of a conversation. */
struct bus_outgoing {
    uint64_t next;                /* number of the next entry */
    uint64_t sent;                /* highest number that ever left */
    uint64_t confirmed;           /* the peer has everything up to this */
    struct list_node queue;       /* unconfirmed entries, in order */
    struct bus_entry *unsent;     /* where in the queue to go on, NULL: all of it is under way */
    struct list_node unsettled;   /* confirmed items, in order */
    struct map64 by_number;       /* the same by number */
    size_t bytes;                 /* of all of these */
    uint64_t window[LINK_WINDOW]; /* last numbers of the frames under way, a ring */
    uint32_t window_at;
    uint32_t window_count;
    bool probing; /* no confirmation came in time: one frame at a time */
    uint64_t progress_ms;
    uint64_t flushed_ms;
};

/* The receiving half. */
struct bus_incoming {
    uint64_t received;  /* the last number taken */
    uint32_t frames;    /* with entries, since the peer was last told */
    bool gap;           /* to be told to the peer */
    bool gap_known;     /* it was told */
    struct buf settled; /* u64 numbers to report */
    uint64_t heard_ms;
};

struct bus_peer {
    struct list_node node;      /* bus.peers */
    struct list_node kind_node; /* bus_kind.peers */
    struct bus *bus;
    struct bus_kind *kind;
    char instance[NAME_SIZE];
    uint64_t name_hash;
    uint64_t boot;
    struct arena arena; /* announcements */
    const struct span *announce;
    uint32_t announce_count;
    void *data;
    bool is_up;
    uint32_t references; /* 1 while up, and 1 per item and call not yet settled or answered */

    struct bus_endpoint *endpoint; /* we dial it; NULL: it dials us */
    struct port *port;
    uint32_t pipe;      /* what we say goes here; 0: away */
    uint32_t from_pipe; /* what it says comes from here */
    int32_t pid;        /* of its process, where known */
    uint64_t local_link;
    uint64_t remote_link;
    uint64_t away_ms; /* since when */

    struct bus_outgoing out;
    struct bus_incoming in;
    uint64_t flush_ms; /* when the next flush is due, UINT64_MAX: not planned */
    struct loop_task flush_task;
    struct loop_timer flush_timer;
    struct loop_timer watch_timer; /* unconfirmed entries */
    struct loop_timer away_timer;
};

/* An address we dial, once to speak and once to listen (transport.h says why). */
struct bus_endpoint {
    struct list_node node; /* bus.endpoints */
    struct bus *bus;
    char *address;
    struct port *ports[2]; /* by enum frame_lane */
    uint32_t pipes[2];     /* 0: not connected */
    uint64_t hello_link;   /* the link id in our hello, 0: to be drawn */
    bool greeted;          /* it answered on these pipes */
    struct bus_peer *peer;
    bool complained; /* that nobody is there */
    uint32_t tries;  /* hellos without an answer */
    struct loop_timer hello_timer;
};

/* Half a hello: a dialler's pipe for one direction is there, the other one is not yet. */
struct bus_greeting {
    struct list_node node; /* bus.greetings */
    uint64_t boot;
    uint64_t link;
    uint32_t pipes[2]; /* by enum frame_lane */
};

/* A call we made. */
struct bus_request {
    struct list_node node; /* bus_kind.waiting_calls while nobody is up, else unlinked */
    struct bus *bus;
    struct bus_kind *kind;
    uint64_t handle;
    uint64_t hash;
    struct bus_peer *peer; /* NULL: waits for one */
    uint64_t number;       /* of its entry there */
    bool is_idempotent;
    bool is_hopeless; /* refused on the spot; reported by the timer */
    struct loop_timer timer;
    bus_reply_fn *reply;
    void *arg;
    uint32_t len;
    char body[];
};

/* A call we got. */
struct bus_call {
    struct list_node node; /* bus.calls_in */
    struct bus_peer *peer;
    uint64_t handle;
};

/* Notices, ours and others'. */
struct bus_notices {
    struct port *out; /* PUB, NULL: publishes nothing */
    struct port *in;  /* SUB, NULL: hears nothing */
    uint64_t next;    /* number of our next notice */
    uint32_t said_count;
    struct buf said;     /* our own messages, not yet sent */
    struct buf sections; /* of others, to pass on */
    uint64_t flushed_ms;
    struct loop_task flush_task;
    struct loop_timer flush_timer;
    struct loop_timer repeat_timer;
    struct map publishers; /* instance -> struct publisher */
};

struct bus {
    struct bus_options options;
    char *kind;
    char *instance;
    uint64_t boot;
    struct transport *transport;
    struct port *listener; /* NULL: does not listen */
    struct list_node endpoints;
    struct list_node greetings;
    struct list_node kinds;
    struct list_node peers;
    struct list_node gone;      /* peers that are down but referred to */
    struct map64 peers_by_pipe; /* those who dialled us */
    struct map64 requests;      /* handle -> struct bus_request */
    struct list_node calls_in;
    uint64_t last_handle;
    struct bus_notices *notices;
    struct arena frame_arena;
    struct arena arena; /* of the message at hand */
    struct buf frame;   /* being built */
    struct buf message; /* being built */
    unsigned depth;     /* inside how many callbacks from the loop */
    bool closing;
};

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
/* Opens the ports notices need: 0, or -1 with a line in `error`. */
int bus_notice_open(struct bus *bus, char *error, size_t error_size);
void bus_notice_close(struct bus *bus);
/* What happens at a port of role PUB or SUB. */
void bus_notice_pipe_up(struct bus *bus, struct port *port);
void bus_notice_frame(struct bus *bus, struct span sections);

#endif
