/* The tables offline and offline_due. */
#ifndef JACKDAW_ARCHIVE_OFFLINE_STORE_H
#define JACKDAW_ARCHIVE_OFFLINE_STORE_H

#include "base/arena.h"
#include "sql/sql.h"

#include <stddef.h>
#include <stdint.h>

struct kept;

#define OFFLINE_PAGE 50

/* What keeps the statements about an account in order. */
uint64_t offline_key(struct span account);

/* In a transaction: stores a message, unless it is there. Sets kept->outcome. */
int offline_store_put(struct sql_conn *conn, struct kept *kept);

/* A message as it is stored. */
struct offline_row {
    int64_t id;
    int64_t version;
    uint64_t origin_sid;
    uint64_t origin_n;
    uint64_t at_ms;
    bool is_stamped;
    struct span uid;
    struct span stanza; /* encoded */
};

/* Up to OFFLINE_PAGE messages with an id above `after`, in order; `fn` reads them with
 * offline_store_row. */
void offline_store_page(struct sql *sql, struct span account, int64_t after, sql_fn *fn, void *arg);
/* In `arena`. */
struct offline_row offline_store_row(const struct sql_result *result, size_t row,
                                     struct arena *arena);

/* Messages that were delivered. */
struct offline_gone {
    struct span account;
    const struct offline_row *rows;
    size_t count;
    bool is_last; /* nothing is due for the account any more */
};
/* Forgets each that has not come back in the meantime. `gone` is borrowed until `done`. */
void offline_store_gone(struct sql *sql, struct offline_gone *gone, sql_done_fn *done, void *arg);
/* Forgets those of the archive that came until `until_ms`: the client has read them there. */
void offline_store_read(struct sql *sql, struct span account, uint64_t until_ms, sql_fn *fn,
                        void *arg);

/* From `due_ms` (real time) on any instance may look after the account. */
void offline_store_due(struct sql *sql, struct span account, uint64_t due_ms, sql_fn *fn,
                       void *arg);
void offline_store_not_due(struct sql *sql, struct span account);
/* Accounts that are due, one a row. */
void offline_store_list_due(struct sql *sql, sql_fn *fn, void *arg);

/* In a transaction: everything of an account that was removed. */
int offline_store_forget(struct sql_conn *conn, struct span account);

#endif
