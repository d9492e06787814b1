/* Statements. */
#include "offline_store.h"

#include "base/clock.h"
#include "base/hash.h"
#include "bus/wire.h"
#include "write.h"

#define AGAIN_MS 2000 /* a message that came back: when its account is looked after again */

uint64_t offline_key(struct span account)
{
    return hash_span(account);
}

/* ---- storing ---- */

#define COLUMNS "(uid, account, origin_sid, origin_n, at_ms, version, is_stamped, stanza)"

static int put_again(struct sql_conn *conn, const struct kept *kept, int64_t is_stamped)
{
    const struct sql_result *result = sql_exec(
        conn,
        &SQL("INSERT INTO offline " COLUMNS " VALUES ($1, $2, $3, $4, $5, 0, $6, $7) "
             "ON CONFLICT (uid) DO UPDATE SET version = offline.version + 1",
             sql_blob(kept->uid), sql_text(kept->account), sql_integer((int64_t)kept->origin_sid),
             sql_integer((int64_t)kept->origin_n), sql_integer((int64_t)kept->at_ms),
             sql_integer(is_stamped), sql_blob(kept->stanza)));

    if (sql_status(result) != SQL_OK)
        return -1;
    result =
        sql_exec(conn, &SQL("INSERT INTO offline_due (account, due_ms) VALUES ($1, $2) "
                            "ON CONFLICT (account) DO UPDATE SET due_ms = excluded.due_ms",
                            sql_text(kept->account), sql_integer((int64_t)kept->at_ms + AGAIN_MS)));
    return sql_status(result) == SQL_OK ? 0 : -1;
}

/* It was not inserted: because it is there, or because there is no room. */
static int find(struct sql_conn *conn, struct kept *kept)
{
    const struct sql_result *result =
        sql_exec(conn, &SQL("SELECT id FROM offline WHERE uid = $1", sql_blob(kept->uid)));

    if (sql_status(result) != SQL_OK)
        return -1;
    if (sql_rows(result) == 0)
        kept->outcome = WRITE_FULL;
    return 0;
}

int offline_store_put(struct sql_conn *conn, struct kept *kept)
{
    int64_t is_stamped = (kept->flags & WIRE_KEEP_STAMPED) != 0;
    const struct sql_result *result;

    if (kept->flags & WIRE_KEEP_AGAIN)
        return put_again(conn, kept, is_stamped);
    result = sql_exec(
        conn,
        &SQL("INSERT INTO offline " COLUMNS " SELECT $1, $2, $3, $4, $5, 0, $6, $7 "
             "WHERE (SELECT COUNT(*) FROM offline WHERE account = $2) < $8 "
             "ON CONFLICT (uid) DO NOTHING",
             sql_blob(kept->uid), sql_text(kept->account), sql_integer((int64_t)kept->origin_sid),
             sql_integer((int64_t)kept->origin_n), sql_integer((int64_t)kept->at_ms),
             sql_integer(is_stamped), sql_blob(kept->stanza), sql_integer(kept->max_offline)));
    if (sql_status(result) != SQL_OK)
        return -1;
    return sql_affected(result) > 0 ? 0 : find(conn, kept);
}

/* ---- delivering ---- */

void offline_store_page(struct sql *sql, struct span account, int64_t after, sql_fn *fn, void *arg)
{
    sql_query(sql, offline_key(account),
              &SQL("SELECT id, version, origin_sid, origin_n, at_ms, is_stamped, uid, stanza "
                   "FROM offline WHERE account = $1 AND id > $2 ORDER BY id LIMIT $3",
                   sql_text(account), sql_integer(after), sql_integer(OFFLINE_PAGE)),
              fn, arg);
}

struct offline_row offline_store_row(const struct sql_result *result, size_t row,
                                     struct arena *arena)
{
    return (struct offline_row){
        .id = sql_get_integer(result, row, 0),
        .version = sql_get_integer(result, row, 1),
        .origin_sid = (uint64_t)sql_get_integer(result, row, 2),
        .origin_n = (uint64_t)sql_get_integer(result, row, 3),
        .at_ms = (uint64_t)sql_get_integer(result, row, 4),
        .is_stamped = sql_get_integer(result, row, 5) != 0,
        .uid = arena_copy(arena, sql_get_span(result, row, 6)),
        .stanza = arena_copy(arena, sql_get_span(result, row, 7)),
    };
}

static int delete_gone(struct sql_conn *conn, void *arg)
{
    const struct offline_gone *gone = arg;

    for (size_t i = 0; i < gone->count; i++) {
        if (sql_status(sql_exec(conn, &SQL("DELETE FROM offline WHERE id = $1 AND version = $2",
                                           sql_integer(gone->rows[i].id),
                                           sql_integer(gone->rows[i].version)))) != SQL_OK)
            return -1;
    }
    if (!gone->is_last)
        return 0;
    /* What came back in the meantime is due later, and stays so. */
    return sql_status(sql_exec(conn, &SQL("DELETE FROM offline_due WHERE account = $1 AND NOT "
                                          "EXISTS (SELECT 1 FROM offline WHERE account = $1)",
                                          sql_text(gone->account)))) == SQL_OK
               ? 0
               : -1;
}

void offline_store_gone(struct sql *sql, struct offline_gone *gone, sql_done_fn *done, void *arg)
{
    sql_transaction(sql, offline_key(gone->account), delete_gone, done, arg);
}

void offline_store_read(struct sql *sql, struct span account, uint64_t until_ms, sql_fn *fn,
                        void *arg)
{
    sql_query(sql, offline_key(account),
              &SQL("DELETE FROM offline WHERE account = $1 AND is_stamped = 1 AND at_ms <= $2",
                   sql_text(account), sql_integer((int64_t)until_ms)),
              fn, arg);
}

/* ---- what is due ---- */

void offline_store_due(struct sql *sql, struct span account, uint64_t due_ms, sql_fn *fn, void *arg)
{
    sql_query(sql, offline_key(account),
              &SQL("INSERT INTO offline_due (account, due_ms) VALUES ($1, $2) "
                   "ON CONFLICT (account) DO UPDATE SET due_ms = excluded.due_ms",
                   sql_text(account), sql_integer((int64_t)due_ms)),
              fn, arg);
}

void offline_store_not_due(struct sql *sql, struct span account)
{
    sql_query(sql, offline_key(account),
              &SQL("DELETE FROM offline_due WHERE account = $1 AND due_ms <= $2", sql_text(account),
                   sql_integer((int64_t)clock_real_ms())),
              NULL, NULL);
}

void offline_store_list_due(struct sql *sql, sql_fn *fn, void *arg)
{
    sql_query(sql, 0,
              &SQL("SELECT account FROM offline_due WHERE due_ms <= $1 ORDER BY due_ms LIMIT 100",
                   sql_integer((int64_t)clock_real_ms())),
              fn, arg);
}

/* ---- removal ---- */

int offline_store_forget(struct sql_conn *conn, struct span account)
{
    if (sql_status(sql_exec(
            conn, &SQL("DELETE FROM offline WHERE account = $1", sql_text(account)))) != SQL_OK)
        return -1;
    return sql_status(sql_exec(conn, &SQL("DELETE FROM offline_due WHERE account = $1",
                                          sql_text(account)))) == SQL_OK
               ? 0
               : -1;
}
