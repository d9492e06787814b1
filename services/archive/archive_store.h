/* The table archive (XEP-0313): writing, reading pages, keeping it small. */
#ifndef JACKDAW_ARCHIVE_ARCHIVE_STORE_H
#define JACKDAW_ARCHIVE_ARCHIVE_STORE_H

#include "base/arena.h"
#include "sql/sql.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kept;

#define ARCHIVE_MAX_WORDS 4     /* of a search; more are not looked at */
#define ARCHIVE_CHUNK     1000  /* rows that one statement removes */
#define ARCHIVE_SKEW_MS   60000 /* clocks of instances may differ by this much */

/* In a transaction: stores a message, unless it is there. */
int archive_store_put(struct sql_conn *conn, struct kept *kept);

/* Which messages. Ids are exclusive, times inclusive. */
struct archive_range {
    struct span account;
    struct span peer;                     /* bare JID; empty: all */
    struct span resource;                 /* of that; empty: all */
    struct span words[ARCHIVE_MAX_WORDS]; /* LIKE patterns (archive_store_pattern) */
    size_t word_count;
    int64_t after_id;
    int64_t before_id;
    uint64_t start_ms;
    uint64_t end_ms;
};

/* One of them is to be read: where to begin and how many. */
struct archive_page {
    struct archive_range range;
    bool is_backwards; /* the last ones, last first */
    int64_t skip;
    int64_t limit;
    int64_t count_up_to; /* how far to count the whole range */
};

/* The columns of a page. */
enum { ARCHIVE_ID, ARCHIVE_UID, ARCHIVE_AT, ARCHIVE_XML, ARCHIVE_COUNT };

void archive_store_page(struct sql *sql, const struct archive_page *page, sql_fn *fn, void *arg);
/* One row, one column. */
void archive_store_count(struct sql *sql, const struct archive_range *range, sql_fn *fn, void *arg);
/* A word as the pattern of what contains it, in `arena`. */
struct span archive_store_pattern(struct span word, struct arena *arena);

/* The ids (uid, id) of messages by their uids, those that are there. */
#define ARCHIVE_FIND_MAX 4
void archive_store_find(struct sql *sql, struct span account,
                        const struct span uids[ARCHIVE_FIND_MAX], sql_fn *fn, void *arg);
/* The messages with these uids, up to ARCHIVE_SOME_MAX, as a page. */
#define ARCHIVE_SOME_MAX 30
void archive_store_some(struct sql *sql, struct span account, const struct span *uids, size_t count,
                        sql_fn *fn, void *arg);
/* Ids between which all messages of these times are: one row, both may be NULL. */
void archive_store_times(struct sql *sql, const struct archive_range *range, sql_fn *fn, void *arg);
/* The first and the last message: uid, at_ms. */
void archive_store_ends(struct sql *sql, struct span account, sql_fn *fn, void *arg);

/* Each removes up to ARCHIVE_CHUNK of the oldest messages: of the account; all that came before
 * `until_ms`; what the account has beyond `max`. */
void archive_store_forget(struct sql *sql, struct span account, sql_fn *fn, void *arg);
void archive_store_expire(struct sql *sql, uint64_t until_ms, sql_fn *fn, void *arg);
void archive_store_shorten(struct sql *sql, struct span account, uint32_t max, sql_fn *fn,
                           void *arg);

#endif
