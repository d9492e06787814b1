/* SQL, Redis and routers, in that order.
 *
 * Rows that were taken out stay until the next change, with is_blocked 0: when the handling of an
 * <unblock/> is begun again after a crash, it is known still who is to see the user again. */
#include "block_store.h"

#include "base/buf.h"
#include "base/hash.h"
#include "presence.h"
#include "redis/keys.h"

struct loading {
    struct job *job;
    struct block_list *list;
    bool is_refresh;
};

static const char load_sql[] =
    "SELECT jid FROM blocked WHERE account = $1 AND is_blocked = 1 ORDER BY jid";

static void read_list(struct job *job, const struct sql_result *result, struct block_list *list)
{
    *list = (struct block_list){0};
    list->jids = arena_calloc(job->arena, sql_rows(result) + 1, sizeof(*list->jids));
    for (size_t row = 0; row < sql_rows(result); row++) {
        list->jids[list->count++] = arena_copy(job->arena, sql_get_span(result, row, 0));
    }
}

static void on_loaded(void *arg, const struct sql_result *result)
{
    struct loading *loading = arg;
    bool ok = sql_status(result) == SQL_OK;
    if (ok) {
        read_list(loading->job, result, loading->list);
    }
    if (ok && loading->is_refresh && loading->list->count) {
        block_publish(loading->job, loading->list, false);
    }
    job_release(loading->job, ok);
}

static void load(struct job *job, struct block_list *list, bool is_refresh)
{
    struct loading *loading = arena_calloc(job->arena, 1, sizeof(*loading));
    *loading = (struct loading){job, list, is_refresh};
    job_hold(job);
    sql_query(job->presence->sql, hash_span(job->account), &SQL(load_sql, sql_text(job->account)),
              on_loaded, loading);
}

void block_load(struct job *job, struct block_list *list)
{
    load(job, list, false);
}

void block_refresh(struct job *job)
{
    load(job, arena_calloc(job->arena, 1, sizeof(struct block_list)), true);
}

/* ---- on the worker ---- */
/* Takes the lock on the account's row, which every change takes first. Returns 1 when this very
 * stanza made the latest change, 0 when not, -1 on error. */
static int lock_account(struct sql_conn *conn, const struct block_change *change)
{
    const struct service_request *request = change->job->request;
    const struct sql_result *result =
        sql_exec(conn, &SQL("INSERT INTO block_change (account, origin_sid, origin_n) "
                            "VALUES ($1, 0, 0) ON CONFLICT (account) DO UPDATE "
                            "SET origin_n = block_change.origin_n RETURNING origin_sid, origin_n",
                            sql_text(change->job->account)));
    if (sql_status(result) != SQL_OK || sql_rows(result) != 1) {
        return -1;
    }
    return request->origin_sid != 0 &&
           (uint64_t)sql_get_integer(result, 0, 0) == request->origin_sid &&
           (uint64_t)sql_get_integer(result, 0, 1) == request->origin_n;
}

static int read_rows(struct sql_conn *conn, const struct block_change *change, int is_blocked,
                     struct block_list *list)
{
    const struct sql_result *result =
        sql_exec(conn, &SQL("SELECT jid FROM blocked WHERE account = $1 AND is_blocked = $2 "
                            "ORDER BY jid",
                            sql_text(change->job->account), sql_integer(is_blocked)));
    if (sql_status(result) != SQL_OK) {
        return -1;
    }
    read_list(change->job, result, list);
    return 0;
}

static bool has(const struct block_list *list, struct span jid)
{
    for (size_t i = 0; i < list->count; i++) {
        if (span_eq(list->jids[i], jid)) {
            return true;
        }
    }
    return false;
}

static void check(struct block_change *change)
{
    size_t added = 0;
    for (size_t i = 0; i < change->items.count; i++) {
        bool is_there = has(&change->now, change->items.jids[i]);
        added += !is_there;
        if (change->kind == BLOCK_REMOVE && !is_there) {
            change->refusal = "item-not-found";
        }
    }
    if (change->kind == BLOCK_ADD && added &&
        change->now.count + added > change->job->presence->limits.max_blocked) {
        change->refusal = "not-acceptable";
    }
}

static int exec(struct sql_conn *conn, const struct sql_statement *statement)
{
    return sql_status(sql_exec(conn, statement)) == SQL_OK ? 0 : -1;
}

static int write_items(struct sql_conn *conn, const struct block_change *change)
{
    struct sql_value account = sql_text(change->job->account);
    struct sql_value is_blocked = sql_integer(change->kind == BLOCK_ADD);
    if (change->kind == BLOCK_REMOVE_ALL) {
        return exec(conn, &SQL("UPDATE blocked SET is_blocked = 0 WHERE account = $1", account));
    }
    for (size_t i = 0; i < change->items.count; i++) {
        if (exec(conn, &SQL("INSERT INTO blocked (account, jid, is_blocked) VALUES ($1, $2, $3) "
                            "ON CONFLICT (account, jid) DO UPDATE "
                            "SET is_blocked = excluded.is_blocked",
                            account, sql_text(change->items.jids[i]), is_blocked)) != 0) {
            return -1;
        }
    }
    return 0;
}

static int store(struct sql_conn *conn, const struct block_change *change)
{
    const struct service_request *request = change->job->request;
    struct sql_value account = sql_text(change->job->account);
    if (exec(conn, &SQL("DELETE FROM blocked WHERE account = $1 AND is_blocked = 0", account)) !=
            0 ||
        write_items(conn, change) != 0) {
        return -1;
    }
    return exec(conn, &SQL("UPDATE block_change SET origin_sid = $2, origin_n = $3 "
                           "WHERE account = $1",
                           account, sql_integer((int64_t)request->origin_sid),
                           sql_integer((int64_t)request->origin_n)));
}

static int work(struct sql_conn *conn, void *arg)
{
    struct block_change *change = arg;
    change->refusal = NULL;
    int is_again = lock_account(conn, change);
    if (is_again < 0 || read_rows(conn, change, 1, &change->now) != 0) {
        return -1;
    }
    if (!is_again) {
        check(change);
        if (change->refusal) {
            return 0;
        }
        if (store(conn, change) != 0) {
            return -1;
        }
    }
    return read_rows(conn, change, 1, &change->now) != 0 ||
                   read_rows(conn, change, 0, &change->removed) != 0
               ? -1
               : 0;
}

/* ---- on the loop ---- */
static void on_changed(void *arg, enum sql_status status)
{
    struct block_change *change = arg;
    job_release(change->job, status == SQL_OK);
}

void block_change_run(struct job *job, struct block_change *change)
{
    change->job = job;
    job_hold(job);
    sql_transaction(job->presence->sql, hash_span(job->account), work, on_changed, change);
}

static void on_forgotten(void *arg, const struct sql_result *result)
{
    job_release(arg, sql_status(result) == SQL_OK);
}

static struct span key_of(struct job *job)
{
    return redis_key(REDIS_KEY_blocked, job->account, (struct span){0}, job->arena);
}

static void on_deleted(void *arg, const struct redis_reply *reply)
{
    job_release(arg, !redis_failed(reply));
}

void block_forget(struct job *job)
{
    static const char *const statements[] = {
        "DELETE FROM blocked WHERE account = $1",
        "DELETE FROM block_change WHERE account = $1",
    };
    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++) {
        job_hold(job);
        sql_query(job->presence->sql, hash_span(job->account),
                  &SQL(statements[i], sql_text(job->account)), on_forgotten, job);
    }
    job_hold(job);
    redis_call(job->presence->redis, on_deleted, job, SPAN("DEL"), key_of(job));
}

/* ---- for routers ---- */
struct publishing {
    struct job *job;
    struct span record; /* empty: no list */
    bool must_tell;
};

/* A router that is gone has forgotten everything. */
static void on_forgot(void *arg, enum bus_outcome outcome)
{
    (void)outcome;
    job_release(arg, true);
}

static void tell_router(void *arg, struct bus_peer *router)
{
    struct job *job = arg;
    struct wire_msg msg = {.id = WIRE_ID_forget_account};
    msg.u.forget_account.account = job->account;
    job_hold(job);
    if (bus_send_to(router, &msg, on_forgot, job) != 0) {
        job_release(job, false); /* its backlog is full: the job is run again */
    }
}

static void tell(struct job *job)
{
    struct wire_msg msg = {.id = WIRE_ID_block_changed};
    msg.u.block_changed.account = job->account;
    job_hold(job); /* so that no release in between ends the step */
    bus_each_peer(job->presence->daemon->bus, "router", tell_router, job);
    bus_notice(job->presence->daemon->bus, &msg);
    job_release(job, true);
}

/* The reply is what was there before. */
static void on_published(void *arg, const struct redis_reply *reply)
{
    struct publishing *publishing = arg;
    bool ok = !redis_failed(reply);
    if (ok && (publishing->must_tell || !span_eq(redis_text(reply), publishing->record))) {
        tell(publishing->job);
    }
    job_release(publishing->job, ok);
}

void block_publish(struct job *job, const struct block_list *list, bool must_tell)
{
    struct publishing *publishing = arena_calloc(job->arena, 1, sizeof(*publishing));
    struct wire_msg msg = {.id = WIRE_ID_block_record};
    struct buf bytes = {0};
    msg.u.block_record.jids = (struct wire_strs){list->jids, (uint32_t)list->count};
    publishing->job = job;
    publishing->must_tell = must_tell;
    job_hold(job);
    if (list->count == 0) {
        redis_call(job->presence->redis, on_published, publishing, SPAN("GETDEL"), key_of(job));
        return;
    }
    wire_encode(&msg, &bytes);
    publishing->record = arena_copy(job->arena, buf_span(&bytes));
    buf_deinit(&bytes);
    redis_call(job->presence->redis, on_published, publishing, SPAN("SET"), key_of(job),
               publishing->record, SPAN("GET"));
}
