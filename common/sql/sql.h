/* SQL, asynchronously: SQLite or PostgreSQL behind one interface. The only user of sqlite3 and
 * libpq.
 *
 * Statements run on worker threads with a connection each; answers come back on the loop. Jobs with
 * the same key run in the order they were given; the others side by side. SQL is written once, for
 * both:
 *  - placeholders are $1 $2 ..., in SQLite too;
 *  - in migrations @TEXT@ is text that compares by bytes, @BLOB@ bytes, @ID@ a primary key that
 * counts up; integers are BIGINT (64 bit, no unsigned); RETURNING and ON CONFLICT are there in
 * both;
 *  - a sum or an expression without a type of its own is wrapped in CAST(... AS BIGINT).
 *
 * A database that is away: jobs wait for it up to wait_ms, then fail with SQL_DOWN; so do jobs
 * beyond max_queued, at once. A job that was under way when the connection broke is run again only
 * where that cannot do harm (it was a SELECT, or its transaction had not reached COMMIT), else it
 * fails.
 *
 * Addresses: "sqlite:/directory" (the file is /directory/NAME.db, shared by all instances of a
 * daemon) or "postgresql://..." (any libpq connection URI).
 */
#ifndef JACKDAW_SQL_SQL_H
#define JACKDAW_SQL_SQL_H

#include "base/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;
struct sql;
struct sql_conn;
struct sql_result;

/* A numbered step of the schema: one or more statements. Numbers count up from 1, and a step that
 * was released never changes. */
struct sql_migration {
    uint32_t number;
    const char *text;
};

struct sql_options {
    struct loop *loop;
    const char *url;
    const char *name; /* the daemon's: names the SQLite file and the migrations' owner */
    const struct sql_migration *migrations;
    size_t migration_count;
    uint32_t workers;    /* threads, 1..64; 2 */
    uint32_t wait_ms;    /* 0..60000; 3000 */
    uint32_t max_queued; /* jobs, over all workers; 10000 */
};

/* Starts the workers, which connect and migrate on their own. Returns owned, or NULL with one line
 * in `error` when the address is not of the forms above. A database that is away is no error. Zero
 * in a number of `options` means its default. */
struct sql *sql_new(const struct sql_options *options, char *error, size_t error_size);
/* Waits for the jobs under way, drops the others (their callbacks are not called). NULL is allowed.
 */
void sql_free(struct sql *db);
/* Whether the schema is there and the latest try reached the database: for readiness. */
bool sql_is_ready(const struct sql *db);
/* Jobs whose callback has not been called yet. */
size_t sql_pending(const struct sql *db);

/* ---- statements ---- */
enum sql_type { SQL_NULL, SQL_INTEGER, SQL_TEXT, SQL_BLOB };

struct sql_value {
    enum sql_type type;
    int64_t integer;
    struct span bytes;
};

static inline struct sql_value sql_text(struct span s)
{
    return (struct sql_value){SQL_TEXT, 0, s};
}

static inline struct sql_value sql_blob(struct span s)
{
    return (struct sql_value){SQL_BLOB, 0, s};
}

static inline struct sql_value sql_integer(int64_t i)
{
    return (struct sql_value){SQL_INTEGER, i, {0}};
}

static inline struct sql_value sql_null(void)
{
    return (struct sql_value){0};
}

/* `text` must be static: prepared statements are remembered by it. */
struct sql_statement {
    const char *text;
    const struct sql_value *params;
    size_t param_count;
};

/* &SQL("SELECT x FROM t WHERE a = $1", sql_text(a)); SQL_PLAIN for no parameters. */
#define SQL(text_, ...)                                                                            \
    ((struct sql_statement){.text = (text_),                                                       \
                            .params = (struct sql_value[]){__VA_ARGS__},                           \
                            .param_count = sizeof((struct sql_value[]){__VA_ARGS__}) /             \
                                           sizeof(struct sql_value)})
#define SQL_PLAIN(text_) ((struct sql_statement){.text = (text_)})

enum sql_status {
    SQL_OK,
    SQL_ROLLED_BACK, /* the transaction's function returned -1 */
    SQL_CONFLICT,    /* a unique or other constraint said no */
    SQL_DOWN,        /* the database is away: temporary */
    SQL_FAILED,      /* anything else; logged */
};

/* Called exactly once on the loop, never from inside sql_query; `result` lives for the call. */
typedef void sql_fn(void *arg, const struct sql_result *result);
/* Runs one statement by itself; text and values are copied. `key` keeps the order (a hash of the
 * account). `fn` may be NULL: a failure is logged and forgotten. */
void sql_query(struct sql *db, uint64_t key, const struct sql_statement *statement, sql_fn *fn,
               void *arg);

/* ---- results ---- */
enum sql_status sql_status(const struct sql_result *result);
size_t sql_rows(const struct sql_result *result);
/* Rows a statement without rows has changed. */
int64_t sql_affected(const struct sql_result *result);
bool sql_is_null(const struct sql_result *result, size_t row, size_t column);
/* 0 for NULL. */
int64_t sql_get_integer(const struct sql_result *result, size_t row, size_t column);
/* Text or bytes; empty for NULL. */
struct span sql_get_span(const struct sql_result *result, size_t row, size_t column);

/* ---- transactions ---- */
/* Runs on a worker thread inside one transaction: may touch nothing but `conn` and what only `arg`
 * holds. 0 commits, -1 rolls back. May be run again from the start (deadlock, lost connection), so
 * it must reset what it has put into `arg`. A write lock on what it reads is its own affair (in
 * SQLite the whole file is locked). */
typedef int sql_work_fn(struct sql_conn *conn, void *arg);
typedef void sql_done_fn(void *arg, enum sql_status status);
void sql_transaction(struct sql *db, uint64_t key, sql_work_fn *work, sql_done_fn *done, void *arg);
/* Inside a transaction: runs one statement. Never NULL; lives until the transaction ends. After a
 * status that is not SQL_OK return -1: the transaction ends with that status. */
const struct sql_result *sql_exec(struct sql_conn *conn, const struct sql_statement *statement);

#endif
