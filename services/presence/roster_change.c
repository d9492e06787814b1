/* The transaction that changes a roster item. What runs on the worker touches the change only. */
#include "roster_change.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "presence.h"

/* The row as it is, and as it shall be. */
struct row {
    bool exists;
    bool is_again; /* this very stanza wrote it */
    unsigned state;
    unsigned previous;
    struct span name;
    struct span groups;
    int64_t version;
};

static const unsigned shown =
    STATE_LISTED | STATE_TO | STATE_FROM | STATE_ASK | STATE_APPROVED; /* PENDING is not */

struct roster_change *roster_change_new(struct job *job, enum roster_change_kind kind,
                                        struct span jid)
{
    struct roster_change *change = mem_calloc(1, sizeof(*change));
    const struct presence_limits *limits = &job->presence->limits;
    change->kind = kind;
    change->job = job;
    change->account = arena_copy(&change->arena, job->account);
    change->jid = arena_copy(&change->arena, jid);
    change->max_items = limits->max_items;
    change->max_requests = limits->max_requests;
    if (job->request) {
        change->origin_sid = job->request->origin_sid;
        change->origin_n = job->request->origin_n;
    }
    roster_change_free(job->change);
    job->change = change;
    return change;
}

void roster_change_free(struct roster_change *change)
{
    if (change) {
        arena_deinit(&change->arena);
        arena_deinit(&change->found);
        mem_free(change);
    }
}

/* ---- on the worker ---- */
/* Takes the lock on the account's version row, which every change takes first. */
static int lock_version(struct sql_conn *conn, struct roster_change *change)
{
    const struct sql_result *result =
        sql_exec(conn, &SQL("INSERT INTO roster_version (account, version) VALUES ($1, $2) "
                            "ON CONFLICT (account) DO UPDATE SET version = roster_version.version "
                            "RETURNING version",
                            sql_text(change->account), sql_integer((int64_t)clock_real_ms())));
    if (sql_status(result) != SQL_OK || sql_rows(result) != 1) {
        return -1;
    }
    change->version = sql_get_integer(result, 0, 0);
    return 0;
}

static int read_row(struct sql_conn *conn, struct roster_change *change, struct row *row)
{
    const struct sql_result *result = sql_exec(
        conn, &SQL("SELECT name, group_names, state, version, previous, origin_sid, origin_n "
                   "FROM roster_item WHERE account = $1 AND jid = $2",
                   sql_text(change->account), sql_text(change->jid)));
    *row = (struct row){0};
    if (sql_status(result) != SQL_OK || sql_rows(result) == 0) {
        return sql_status(result) == SQL_OK ? 0 : -1;
    }
    row->exists = true;
    row->name = arena_copy(&change->found, sql_get_span(result, 0, 0));
    row->groups = arena_copy(&change->found, sql_get_span(result, 0, 1));
    row->state = (unsigned)sql_get_integer(result, 0, 2);
    row->version = sql_get_integer(result, 0, 3);
    row->previous = (unsigned)sql_get_integer(result, 0, 4);
    row->is_again = change->origin_sid != 0 &&
                    (uint64_t)sql_get_integer(result, 0, 5) == change->origin_sid &&
                    (uint64_t)sql_get_integer(result, 0, 6) == change->origin_n;
    return 0;
}

/* How many rows have one of `bits`; -1 on error. */
static int64_t count_rows(struct sql_conn *conn, const struct roster_change *change, unsigned bits)
{
    const struct sql_result *result =
        sql_exec(conn, &SQL("SELECT COUNT(*) FROM roster_item WHERE account = $1 "
                            "AND (state & CAST($2 AS BIGINT)) <> 0",
                            sql_text(change->account), sql_integer(bits)));
    return sql_status(result) == SQL_OK ? sql_get_integer(result, 0, 0) : -1;
}

/* 0 when the new state may be; 1 with change->refusal when a limit forbids it; -1 on error. */
static int check_limits(struct sql_conn *conn, struct roster_change *change, unsigned after)
{
    const struct {
        unsigned bit;
        uint32_t max;
    } limits[] = {{STATE_LISTED, change->max_items}, {STATE_PENDING, change->max_requests}};
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        if ((after & limits[i].bit) == 0 || (change->before & limits[i].bit) != 0) {
            continue;
        }
        int64_t count = count_rows(conn, change, limits[i].bit);
        if (count < 0) {
            return -1;
        }
        if (count >= (int64_t)limits[i].max) {
            change->refusal = "resource-constraint";
            return 1;
        }
    }
    return 0;
}

/* The wish applied to what was there. */
static void apply(struct roster_change *change, const struct row *row)
{
    struct states_verdict verdict = {.state = change->before};
    change->item = (struct roster_item){change->jid, row->name, row->groups, 0, {0}};
    if (change->kind == CHANGE_EVENT) {
        verdict = states_next(change->before, change->event);
    } else if (change->kind == CHANGE_SET) {
        verdict.state |= STATE_LISTED;
        change->item.name = change->name;
        change->item.groups = change->groups;
    } else if (change->before & STATE_LISTED) {
        verdict.state = 0;
        change->item.name = change->item.groups = (struct span){0};
    } else {
        change->refusal = "item-not-found";
    }
    change->item.state = verdict.state;
    change->actions = verdict.actions;
    change->is_visible =
        change->kind == CHANGE_SET || ((change->before ^ verdict.state) & shown) != 0;
}

static int bump_version(struct sql_conn *conn, struct roster_change *change)
{
    const struct sql_result *result =
        sql_exec(conn, &SQL("UPDATE roster_version SET version = version + 1 WHERE account = $1 "
                            "RETURNING version",
                            sql_text(change->account)));
    if (sql_status(result) != SQL_OK || sql_rows(result) != 1) {
        return -1;
    }
    change->version = sql_get_integer(result, 0, 0);
    return 0;
}

static int write_row(struct sql_conn *conn, const struct roster_change *change, int64_t version)
{
    bool is_pending = (change->item.state & STATE_PENDING) != 0;
    bool is_new = is_pending && change->request.len;
    const struct sql_result *result = sql_exec(
        conn,
        &SQL("INSERT INTO roster_item (account, jid, name, group_names, state, version, previous, "
             "origin_sid, origin_n, request) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) "
             "ON CONFLICT (account, jid) DO UPDATE SET name = excluded.name, "
             "group_names = excluded.group_names, state = excluded.state, "
             "version = excluded.version, previous = excluded.previous, "
             "origin_sid = excluded.origin_sid, origin_n = excluded.origin_n, "
             "request = CASE WHEN CAST($11 AS BIGINT) = 1 THEN roster_item.request "
             "ELSE excluded.request END",
             sql_text(change->account), sql_text(change->jid), sql_text(change->item.name),
             sql_text(change->item.groups), sql_integer(change->item.state), sql_integer(version),
             sql_integer(change->before), sql_integer((int64_t)change->origin_sid),
             sql_integer((int64_t)change->origin_n),
             is_new ? sql_blob(change->request) : sql_null(), sql_integer(is_pending && !is_new)));
    return sql_status(result) == SQL_OK ? 0 : -1;
}

/* Rows that tell nobody anything any more, but the one just written. */
static int prune(struct sql_conn *conn, const struct roster_change *change)
{
    const struct sql_result *result =
        sql_exec(conn, &SQL("DELETE FROM roster_item WHERE account = $1 AND jid <> $2 AND "
                            "state = 0 AND version < $3",
                            sql_text(change->account), sql_text(change->jid),
                            sql_integer(change->version - ROSTER_HISTORY)));
    return sql_status(result) == SQL_OK ? 0 : -1;
}

static int store(struct sql_conn *conn, struct roster_change *change, const struct row *row)
{
    if (change->kind != CHANGE_SET && change->item.state == change->before) {
        return 0;
    }
    if (change->is_visible && bump_version(conn, change) != 0) {
        return -1;
    }
    int64_t version = change->is_visible ? change->version : row->version;
    if (write_row(conn, change, version) != 0) {
        return -1;
    }
    return change->item.state == 0 ? prune(conn, change) : 0;
}

static int work(struct sql_conn *conn, void *arg)
{
    struct roster_change *change = arg;
    struct row row;
    arena_reset(&change->found);
    change->refusal = NULL;
    if (lock_version(conn, change) != 0 || read_row(conn, change, &row) != 0) {
        return -1;
    }
    change->before = row.is_again ? row.previous : row.state;
    apply(change, &row);
    if (change->refusal || row.is_again) {
        return 0;
    }
    int limited = check_limits(conn, change, change->item.state);
    if (limited != 0) {
        return limited > 0 ? 0 : -1;
    }
    return store(conn, change, &row);
}

/* ---- on the loop ---- */
static void on_done(void *arg, enum sql_status status)
{
    struct roster_change *change = arg;
    job_release(change->job, status == SQL_OK);
}

void roster_change_run(struct roster_change *change)
{
    struct job *job = change->job;
    job_hold(job);
    sql_transaction(job->presence->sql, hash_span(job->account), work, on_done, change);
}
