/* Every statement on the table of tokens but their removal with the account or its password. */
#include "token_store.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/mem.h"
#include "sql/sql.h"

#define ROWS_MAX "1000000" /* OFFSET needs a LIMIT in SQLite */

struct token_store {
    struct sql *db;
    struct list_node jobs; /* to free what is never answered */
};

/* One operation under way. Only the worker touches it between sql_transaction and its callback. */
struct token_job {
    struct list_node node;
    struct arena arena;
    token_found_fn *found;
    account_done_fn *done;
    void *arg;
    struct token_change change; /* its spans in `arena` */
    bool is_missing;
};

struct token_store *token_store_new(struct sql *db)
{
    struct token_store *store = mem_calloc(1, sizeof(*store));
    store->db = db;
    list_init(&store->jobs);
    return store;
}

static struct token_job *job_new(struct token_store *store, void *arg)
{
    struct token_job *job = mem_calloc(1, sizeof(*job));
    job->arg = arg;
    arena_init(&job->arena, 512);
    list_add_tail(&store->jobs, &job->node);
    return job;
}

static void job_free(struct token_job *job)
{
    list_remove(&job->node);
    arena_deinit(&job->arena);
    mem_free(job);
}

void token_store_free(struct token_store *store)
{
    if (!store) {
        return;
    }
    LIST_FOREACH_SAFE(node, &store->jobs)
    {
        job_free(CONTAINER_OF(node, struct token_job, node));
    }
    mem_free(store);
}

/* ---- reading ---- */

static void read_row(const struct sql_result *result, size_t row,
                     struct token_row rows[TOKEN_SLOTS])
{
    int64_t slot = sql_get_integer(result, row, 0);
    if (slot != TOKEN_CURRENT && slot != TOKEN_NEW) {
        return; /* of a later version */
    }
    rows[slot] = (struct token_row){
        .mechanism = sql_get_span(result, row, 1),
        .sealed = sql_get_span(result, row, 2),
        .count = (uint64_t)sql_get_integer(result, row, 3),
        .issued_ms = (uint64_t)sql_get_integer(result, row, 4),
        .expires_ms = (uint64_t)sql_get_integer(result, row, 5),
    };
}

static void on_found(void *arg, const struct sql_result *result)
{
    struct token_job *job = arg;
    struct token_row rows[TOKEN_SLOTS] = {0};
    bool is_fine = sql_status(result) == SQL_OK;
    for (size_t i = 0; is_fine && i < sql_rows(result); i++) {
        read_row(result, i, rows);
    }
    job->found(job->arg, is_fine ? ACCOUNT_OK : ACCOUNT_DOWN, rows);
    job_free(job);
}

void token_store_find(struct token_store *store, const struct token_owner *owner,
                      token_found_fn *fn, void *arg)
{
    struct token_job *job = job_new(store, arg);
    job->found = fn;
    sql_query(store->db, hash_span(owner->account),
              &SQL("SELECT slot, mechanism, sealed, used_count, issued_ms, expires_ms FROM tokens"
                   " WHERE account = $1 AND client = $2",
                   sql_text(owner->account), sql_text(owner->client)),
              on_found, job);
}

/* ---- changing ---- */

static bool is_done(const struct sql_result *result)
{
    return sql_status(result) == SQL_OK;
}

/* The row of the account is written first, so that a change of password waits, or has happened. */
static int lock_account(struct sql_conn *conn, struct token_job *job)
{
    const struct token_change *change = &job->change;
    struct sql_value account = sql_text(change->owner.account);
    const struct sql_result *result = sql_exec(
        conn, &SQL("UPDATE accounts SET changed_ms = changed_ms WHERE account = $1", account));
    job->is_missing = is_done(result) && sql_affected(result) == 0;
    if (!is_done(result) || job->is_missing) {
        return -1;
    }
    if (span_is_empty(change->proven_key)) {
        return 0;
    }
    result =
        sql_exec(conn, &SQL("SELECT stored_key FROM verifiers WHERE account = $1 AND hash = $2",
                            account, sql_text(span_cstr(scram_hash_name(change->proven_hash)))));
    job->is_missing =
        is_done(result) &&
        (sql_rows(result) != 1 || !crypt_equal(sql_get_span(result, 0, 0), change->proven_key));
    return is_done(result) && !job->is_missing ? 0 : -1;
}

static int end_all(struct sql_conn *conn, const struct token_owner *owner)
{
    return is_done(sql_exec(conn, &SQL("DELETE FROM tokens WHERE account = $1 AND client = $2",
                                       sql_text(owner->account), sql_text(owner->client))))
               ? 0
               : -1;
}

static int clear_slot(struct sql_conn *conn, const struct token_owner *owner, enum token_slot slot)
{
    return is_done(sql_exec(
               conn,
               &SQL("DELETE FROM tokens WHERE account = $1 AND client = $2 AND slot = $3",
                    sql_text(owner->account), sql_text(owner->client), sql_integer((int64_t)slot))))
               ? 0
               : -1;
}

/* The used token becomes the current one, with its new count. */
static int move_used(struct sql_conn *conn, const struct token_change *change, int64_t slot)
{
    const struct token_owner *owner = &change->owner;
    if (slot != TOKEN_CURRENT && clear_slot(conn, owner, TOKEN_CURRENT) != 0) {
        return -1;
    }
    return is_done(sql_exec(
               conn, &SQL("UPDATE tokens SET slot = $1, used_count ="
                          " CASE WHEN used_count < $2 THEN $2 ELSE used_count END"
                          " WHERE account = $3 AND client = $4 AND slot = $5",
                          sql_integer(TOKEN_CURRENT), sql_integer((int64_t)change->count),
                          sql_text(owner->account), sql_text(owner->client), sql_integer(slot))))
               ? 0
               : -1;
}

static int take_used(struct sql_conn *conn, struct token_job *job)
{
    const struct token_change *change = &job->change;
    if (span_is_empty(change->used)) {
        return 0;
    }
    const struct sql_result *result =
        sql_exec(conn, &SQL("SELECT slot, used_count FROM tokens"
                            " WHERE account = $1 AND client = $2 AND sealed = $3",
                            sql_text(change->owner.account), sql_text(change->owner.client),
                            sql_blob(change->used)));
    if (!is_done(result)) {
        return -1;
    }
    job->is_missing =
        sql_rows(result) != 1 ||
        (change->count > 0 && (int64_t)change->count <= sql_get_integer(result, 0, 1));
    return job->is_missing ? -1 : move_used(conn, change, sql_get_integer(result, 0, 0));
}

/* What is over, and the clients that are too many. */
static int prune(struct sql_conn *conn, const struct token_change *change)
{
    struct sql_value account = sql_text(change->owner.account);
    if (!is_done(sql_exec(conn, &SQL("DELETE FROM tokens WHERE account = $1 AND expires_ms <= $2",
                                     account, sql_integer((int64_t)clock_real_ms()))))) {
        return -1;
    }
    return is_done(sql_exec(
               conn, &SQL("DELETE FROM tokens WHERE account = $1 AND client IN"
                          " (SELECT client FROM tokens WHERE account = $1 AND client <> $2"
                          " GROUP BY client ORDER BY MAX(issued_ms) DESC, client LIMIT " ROWS_MAX
                          " OFFSET $3)",
                          account, sql_text(change->owner.client),
                          sql_integer((int64_t)change->max_clients - 1))))
               ? 0
               : -1;
}

static int put_fresh(struct sql_conn *conn, const struct token_change *change)
{
    const struct token_owner *owner = &change->owner;
    const struct token_row *fresh = &change->fresh;
    if (span_is_empty(fresh->mechanism)) {
        return 0;
    }
    if (clear_slot(conn, owner, TOKEN_NEW) != 0) {
        return -1;
    }
    bool is_put = is_done(sql_exec(
        conn,
        &SQL("INSERT INTO tokens (account, client, slot, mechanism, sealed, used_count,"
             " issued_ms, expires_ms) VALUES ($1, $2, $3, $4, $5, 0, $6, $7)",
             sql_text(owner->account), sql_text(owner->client), sql_integer(TOKEN_NEW),
             sql_text(fresh->mechanism), sql_blob(fresh->sealed),
             sql_integer((int64_t)fresh->issued_ms), sql_integer((int64_t)fresh->expires_ms))));
    return is_put ? prune(conn, change) : -1;
}

static int work_change(struct sql_conn *conn, void *arg)
{
    struct token_job *job = arg;
    const struct token_change *change = &job->change;
    if (lock_account(conn, job) != 0 || take_used(conn, job) != 0) {
        return -1;
    }
    if (change->ends_all && end_all(conn, &change->owner) != 0) {
        return -1;
    }
    return put_fresh(conn, change);
}

static void on_changed(void *arg, enum sql_status status)
{
    struct token_job *job = arg;
    enum account_status answer = status == SQL_OK ? ACCOUNT_OK : ACCOUNT_DOWN;
    if (status == SQL_ROLLED_BACK && job->is_missing) {
        answer = ACCOUNT_NOT_FOUND;
    }
    job->done(job->arg, answer);
    job_free(job);
}

void token_store_change(struct token_store *store, const struct token_change *change,
                        account_done_fn *fn, void *arg)
{
    struct token_job *job = job_new(store, arg);
    struct arena *arena = &job->arena;
    job->done = fn;
    job->change = *change;
    job->change.owner.account = arena_copy(arena, change->owner.account);
    job->change.owner.client = arena_copy(arena, change->owner.client);
    job->change.used = arena_copy(arena, change->used);
    job->change.proven_key = arena_copy(arena, change->proven_key);
    job->change.fresh.mechanism = arena_copy(arena, change->fresh.mechanism);
    job->change.fresh.sealed = arena_copy(arena, change->fresh.sealed);
    sql_transaction(store->db, hash_span(change->owner.account), work_change, on_changed, job);
}
