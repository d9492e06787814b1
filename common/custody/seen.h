/* What was delivered: the memory by which a receiver drops a stanza it already has.
 *
 * Every hop of a stanza is at-least-once: a router that dies between handing a stanza over and saying
 * so leaves its sender to send it again, and a client that resumes its session sends again what was
 * not acknowledged (XEP-0198). A stanza is named for good by the session it came from and its number
 * there. So for each pair of sessions, from whom and for whom, the holder of the recipient's stream
 * remembers the highest number that was delivered and which of the SEEN_SPAN numbers up to it were. A
 * number further back is taken for new: twice is better than never.
 *
 * A pair is forgotten when nothing came for the given time, which must be longer than anybody may
 * take to send again. Whoever takes a session over needs this memory too: custody/remember.h keeps it
 * in Redis.
 */
#ifndef JACKDAW_CUSTODY_SEEN_H
#define JACKDAW_CUSTODY_SEEN_H

#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "base/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEEN_SPAN  512
#define SEEN_WORDS (SEEN_SPAN / 64)

struct loop;

/* Embeddable. */
struct seen {
    struct loop *loop;
    uint64_t keep_ms;
    struct map64 pairs;       /* hash of both sessions → struct seen_pair */
    struct map64 recipients;  /* session → struct seen_recipient */
    struct list_node by_time; /* struct seen_pair.time, the latest last */
};

/* A delivery: stanza `origin_n` of session `origin_sid`, for session `sid`. */
struct seen_delivery {
    uint64_t origin_sid;
    uint64_t origin_n;
    uint64_t sid;
};

/* What came from one session for another. */
struct seen_pair {
    struct list_node time;
    struct list_node mates; /* in seen_recipient.pairs */
    uint64_t sid;
    uint64_t origin_sid;
    uint64_t top;              /* the highest number */
    uint64_t bits[SEEN_WORDS]; /* bit i of word w: top - 64 w - i was delivered */
    uint64_t since_ms;         /* of the latest */
    bool is_news;              /* since seen_news last gave it */
};

/* Allocates nothing yet. `keep_ms` 0: remembers nothing. */
void seen_init(struct seen *seen, struct loop *loop, uint64_t keep_ms);
void seen_deinit(struct seen *seen);
bool seen_has(const struct seen *seen, const struct seen_delivery *delivery);
/* Remembers it. A stanza without origin is not remembered. */
void seen_add(struct seen *seen, const struct seen_delivery *delivery);
/* It was not delivered after all: when it comes again it is new. */
void seen_remove(struct seen *seen, const struct seen_delivery *delivery);
/* Pairs that are remembered. */
size_t seen_count(const struct seen *seen);

/* ---- handing it over ---- */
/* Calls `each` for what is new for session `sid` since the last time. */
void seen_news(struct seen *seen, uint64_t sid,
               void (*each)(void *arg, const struct seen_pair *pair), void *arg);
/* All of it is new again: the last news got lost. */
void seen_again(struct seen *seen, uint64_t sid);
/* A pair as text, and back: what the text says is added. -1 when it is none. */
void seen_pair_write(const struct seen_pair *pair, struct buf *out);
int seen_pair_read(struct seen *seen, uint64_t sid, uint64_t origin_sid, struct span text);

#endif
