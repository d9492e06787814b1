/* What a bus remembers: the structs that its files share. bus_internal.h says how they work together.
 */
#ifndef JACKDAW_BUS_STATE_INTERNAL_H
#define JACKDAW_BUS_STATE_INTERNAL_H

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
struct bus_notices;

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

#endif
