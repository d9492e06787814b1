/* The resume queue of a session (XEP-0198): what its client has not acknowledged, in Redis.
 *
 * jd:q:{account}:SID:EPOCH is a stream of queue_record (wire.def). Stanzas to the client are
 * numbered from 1; an entry holds those that came in one turn of the loop and is named after the
 * last of them, "NUMBER-k". Each entry also says what both sides had acknowledged then, so the last
 * one tells whoever takes the session over all it must know. Who wrote under an earlier epoch finds
 * no stream any more (NOMKSTREAM): the session is not his.
 *
 * What the client has acknowledged is trimmed late (custody_options.keep_ms): from what is still
 * there the next holder learns which stanzas were delivered, and drops those that are sent again.
 *
 * While Redis is away what is not written is kept in memory; whoever uses the queue bounds it by
 * custody_queue_unacked. What the client acknowledges meanwhile need not be written.
 */
#ifndef JACKDAW_CUSTODY_QUEUE_H
#define JACKDAW_CUSTODY_QUEUE_H

#include "custody/custody.h"

struct custody_queue;
struct custody_load;

/* What the user of a queue wants to hear. */
struct custody_user {
    /* Somebody else has the session. To be followed by custody_queue_close; not inside a function
     * of this header. */
    void (*lost)(void *arg);
    /* Redis has `handled` as it was set when it was written: queue->handled_kept. May be NULL. */
    void (*handled)(void *arg);
    /* The next one for the client: Redis has it in the queue, or cannot be reached. Only then may the
     * client see it, else it might count what belongs to nobody, and the numbers of both sides part.
     * May be NULL. */
    void (*deliver)(void *arg, struct delivery *delivery);
};

/* Embeddable. Read the numbers, change nothing. */
struct custody_queue {
    struct custody *custody;
    const struct custody_user *user;
    void *arg;
    const char *account; /* bare JID or a full one that begins with it; borrowed */
    struct list_node dirty;
    struct list_node active;
    struct list_node pending;  /* struct custody_pending */
    struct list_node writes;   /* commands under way */
    struct custody_load *load; /* being opened */
    uint64_t sid;
    uint64_t epoch;
    uint64_t last;          /* number of the last stanza */
    uint64_t sent;          /* of the last one the client was shown */
    uint64_t written;       /* all up to here were given to Redis */
    uint64_t kept;          /* and Redis has them, or needs not */
    uint64_t acked;         /* the client has these */
    uint64_t acked_written; /* as Redis was told */
    uint64_t handled;       /* what we have handled of the client's */
    uint64_t handled_kept;  /* what Redis knows of that */
    uint64_t id_number;     /* of the latest entry, */
    uint32_t id_part;       /* NUMBER-PART */
    uint64_t mark;          /* `last` at the tick before, */
    uint64_t old_mark;      /* and before that */
    uint64_t trimmed;
    uint64_t first; /* the first that was there when it was loaded; 0: none */
    size_t bytes;   /* of what is not acknowledged, about */
    bool is_open;
    bool wants_state; /* `handled` and `acked` are to be written even if nothing else is */
    bool is_closed;
};

/* `account` must live as long as the queue. Opens nothing: follow with custody_queue_make or
 * custody_queue_load. What is added before the queue is open is held. */
void custody_queue_init(struct custody_queue *queue, struct custody *custody,
                        const struct custody_user *user, void *arg);
void custody_queue_name(struct custody_queue *queue, const char *account, uint64_t sid,
                        uint64_t epoch);
/* Lets go: what is not kept is told back as missed. The stream in Redis stays. Again is fine. */
void custody_queue_close(struct custody_queue *queue);

/* ---- opening ---- */
/* `ok`: it is there, and empty. */
typedef void custody_made_fn(void *arg, bool ok);
/* A new stream, for a session that never had one; then open it. */
void custody_queue_make(struct custody_queue *queue, custody_made_fn *made, void *arg);

enum custody_loaded {
    CUSTODY_LOADED,
    CUSTODY_GONE, /* there is no such queue under this epoch */
    CUSTODY_DOWN, /* Redis does not answer */
};
/* The queue's numbers are set; `load` is for custody_load_each and lives for the call. */
typedef void custody_loaded_fn(void *arg, enum custody_loaded outcome,
                               const struct custody_load *load);
/* Reads what the holder before has left. */
void custody_queue_load(struct custody_queue *queue, custody_loaded_fn *loaded, void *arg);

/* A stanza in a queue; spans live for the call. */
struct custody_stanza {
    uint64_t number;
    uint64_t origin_sid;
    uint64_t origin_n;
    uint64_t at_ms; /* when it was put there, real time */
    struct span stanza;
};
/* Those with a number above `after`, in order. */
void custody_load_each(const struct custody_load *load, uint64_t after,
                       void (*each)(void *arg, const struct custody_stanza *stanza), void *arg);
/* What was held is next, then what comes. */
void custody_queue_open(struct custody_queue *queue);

/* ---- using ---- */
enum custody_added {
    CUSTODY_NEW,  /* numbered: user->deliver follows */
    CUSTODY_SEEN, /* it has it */
    CUSTODY_HELD, /* until the queue is open */
};
/* Takes a reference of its own where it needs one. */
enum custody_added custody_queue_add(struct custody_queue *queue, struct delivery *delivery);
/* The client has all up to `number` (<= last). */
void custody_queue_ack(struct custody_queue *queue, uint64_t number);
/* We have handled so many of the client's stanzas; with `now` Redis is told in this turn. */
void custody_queue_handled(struct custody_queue *queue, uint64_t handled, bool now);

/* Redis is told in this turn what both sides have acknowledged, unless it knows: before the session
 * is handed over. */
void custody_queue_save(struct custody_queue *queue);

/* The number a 32-bit `h` of the client's means (XEP-0198 section 4): 0 and *number_out, or -1 when
 * it is more than was sent. */
int custody_queue_number(const struct custody_queue *queue, uint32_t h, uint64_t *number_out);

static inline uint64_t custody_queue_unacked(const struct custody_queue *queue)
{
    return queue->last - queue->acked;
}

#endif
