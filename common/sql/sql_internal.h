/* What the files of this layer share: jobs and workers, results being built, and what a backend
 * (sqlite.c, postgres.c) does. All of a backend runs on the thread of the worker that opened it. */
#ifndef JACKDAW_SQL_SQL_INTERNAL_H
#define JACKDAW_SQL_SQL_INTERNAL_H

#include "base/arena.h"
#include "base/list.h"
#include "sql/sql.h"

#include <pthread.h>
#include <stdatomic.h>

#define SQL_ERROR_SIZE   256
#define SQL_MAX_ATTEMPTS 5 /* of a transaction that met a deadlock */

struct loop_wake;
struct sql_native; /* a backend's connection */

struct sql_result {
    enum sql_status status;
    bool is_transient; /* a deadlock or the like: worth another attempt */
    size_t columns;
    size_t cell_count;
    size_t cell_cap;
    struct sql_value *cells; /* row by row */
    int64_t affected;
    struct arena arena;    /* bytes of the cells */
    struct list_node link; /* in sql_conn.results */
};

/* result.c */
struct sql_result *sql_result_new(enum sql_status status);
void sql_result_free(struct sql_result *result);
/* Copies the value's bytes. */
void sql_result_add(struct sql_result *result, struct sql_value value);

struct sql_backend {
    const char *text_type;
    const char *blob_type;
    const char *id_type;
    const char *migration_lock; /* statement that keeps other migrators out until COMMIT, or NULL */
    /* NULL with a line in `error` when the database cannot be reached. */
    struct sql_native *(*open)(const struct sql *db, char *error, size_t error_size);
    void (*close)(struct sql_native *native);
    /* Runs one statement and fills a new result (also its status). */
    struct sql_result *(*exec)(struct sql_native *native, const struct sql_statement *statement);
    /* Several statements without parameters or rows. */
    enum sql_status (*script)(struct sql_native *native, const char *text);
    enum sql_status (*begin)(struct sql_native *native);
    enum sql_status (*commit)(struct sql_native *native);
    void (*rollback)(struct sql_native *native);
    /* The connection is of no more use. `idle_ms` since it was used last: after a while it is worth
     * looking. */
    bool (*is_broken)(struct sql_native *native, uint64_t idle_ms);
};

extern const struct sql_backend sql_sqlite;
extern const struct sql_backend sql_postgres;

struct sql_job {
    struct list_node link;
    struct sql_statement statement; /* text NULL: a transaction */
    sql_fn *fn;
    sql_work_fn *work;
    sql_done_fn *done;
    void *arg;
    uint64_t given_us;
    uint64_t give_up_ms;
    struct sql_result *result; /* of a statement */
    enum sql_status status;    /* of a transaction */
};

/* A transaction under way. */
struct sql_conn {
    const struct sql_backend *backend;
    struct sql_native *native;
    enum sql_status status; /* of the first statement that failed */
    bool is_transient;
    struct list_node results;
};

struct sql_worker {
    struct sql *db;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct list_node queue; /* under lock, as is is_quitting */
    bool is_quitting;
    /* the thread's own */
    struct sql_native *native;
    uint64_t used_ms;     /* when native was used last */
    uint64_t next_try_ms; /* connecting before this is no use */
    uint32_t delay_ms;
};

struct sql {
    const struct sql_backend *backend;
    char *target; /* directory or connection URI */
    char *name;
    const struct sql_migration *migrations;
    size_t migration_count;
    uint32_t wait_ms;
    uint32_t max_queued;

    struct sql_worker *workers;
    uint32_t worker_count;
    size_t pending; /* the loop's */

    pthread_mutex_t done_lock;
    struct list_node done; /* jobs whose callbacks are due */
    struct loop_wake *wake;

    pthread_mutex_t migrate_lock;
    bool is_migrated;            /* under migrate_lock */
    bool was_told_down;          /* under migrate_lock */
    atomic_bool is_ready;        /* migrated and reachable, for the loop */
    pthread_mutex_t *write_lock; /* SQLite has one writer: threads queue here, not in busy waits */
    pthread_mutex_t write_mutex;
};

/* worker.c */
void sql_worker_start(struct sql *db, struct sql_worker *worker);
/* Ends the thread after its present job and frees what is queued. */
void sql_worker_stop(struct sql_worker *worker);
void sql_worker_give(struct sql_worker *worker, struct sql_job *job);
/* sql.c: hands a job back to the loop, from any thread. */
void sql_job_done(struct sql *db, struct sql_job *job);
void sql_job_free(struct sql_job *job);

/* migrate.c: brings the schema up to date. SQL_OK, or what went wrong. */
enum sql_status sql_migrate(const struct sql *db, struct sql_native *native);

#endif
