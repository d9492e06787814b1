/* SQL that reads. What changes a roster item is in roster_change.c. */
#include "roster_store.h"

#include "base/clock.h"
#include "base/hash.h"
#include "presence.h"
#include "states.h"

/* One row per account and contact, also for contacts that are not in the roster: who has only asked
 * (STATE_PENDING), and who was removed a while ago (state 0), so that a client with an older
 * version can be told. `previous`, `origin_sid`, `origin_n` name the stanza that changed the row
 * last and what was there before: when its handling is begun again after a crash, the same
 * consequences follow. */
const struct sql_migration roster_migrations[] = {
    {1, "CREATE TABLE roster_version (account @TEXT@ PRIMARY KEY, version BIGINT NOT NULL);"
        "CREATE TABLE roster_item ("
        "  account @TEXT@ NOT NULL, jid @TEXT@ NOT NULL, name @TEXT@ NOT NULL,"
        "  group_names @TEXT@ NOT NULL, state BIGINT NOT NULL, version BIGINT NOT NULL,"
        "  previous BIGINT NOT NULL, origin_sid BIGINT NOT NULL, origin_n BIGINT NOT NULL,"
        "  request @BLOB@, PRIMARY KEY (account, jid));"
        "CREATE TABLE last_activity ("
        "  account @TEXT@ PRIMARY KEY, left_ms BIGINT NOT NULL, status @TEXT@ NOT NULL)"},
    {2, "CREATE TABLE blocked (account @TEXT@ NOT NULL, jid @TEXT@ NOT NULL,"
        "  is_blocked BIGINT NOT NULL, PRIMARY KEY (account, jid));"
        "CREATE TABLE block_change (account @TEXT@ PRIMARY KEY, origin_sid BIGINT NOT NULL,"
        "  origin_n BIGINT NOT NULL)"}, /* block_store.c */
};
const size_t roster_migration_count = sizeof(roster_migrations) / sizeof(roster_migrations[0]);

/* Nothing when the version is the client's; what changed since, when that is known; else all. */
static const char load_sql[] =
    "SELECT v.version, i.jid, i.name, i.group_names, i.state FROM roster_version v "
    "LEFT JOIN roster_item i ON i.account = v.account AND v.version <> $2 "
    "AND (i.version > $2 OR $2 < v.version - 1000 OR $2 > v.version) WHERE v.account = $1";
_Static_assert(ROSTER_HISTORY == 1000, "load_sql says it too");

/* TO, FROM, PENDING */
static const char contacts_sql[] =
    "SELECT 0, jid, '', '', state, CASE WHEN (state & 8) <> 0 THEN request END FROM roster_item "
    "WHERE account = $1 AND (state & 11) <> 0";

static const char everything_sql[] =
    "SELECT 0, jid, '', '', state FROM roster_item WHERE account = $1 AND state <> 0";

struct loading {
    struct job *job;
    struct roster *roster;
    int64_t since;
    unsigned *state;
    struct last_activity *last;
};

static struct loading *loading_new(struct job *job)
{
    struct loading *loading = arena_calloc(job->arena, 1, sizeof(*loading));
    loading->job = job;
    job_hold(job);
    return loading;
}

static void query(struct job *job, const struct sql_statement *statement, sql_fn *fn, void *arg)
{
    sql_query(job->presence->sql, hash_span(job->account), statement, fn, arg);
}

static struct span cell(struct job *job, const struct sql_result *result, size_t row, size_t column)
{
    return arena_copy(job->arena, sql_get_span(result, row, column));
}

/* Columns: version, jid, name, groups, state[, request]; jid NULL: no item in this row. */
static void read_items(struct loading *loading, const struct sql_result *result, bool has_request)
{
    struct job *job = loading->job;
    struct roster *roster = loading->roster;
    roster->items = arena_calloc(job->arena, sql_rows(result) + 1, sizeof(*roster->items));
    for (size_t row = 0; row < sql_rows(result); row++) {
        if (sql_is_null(result, row, 1)) {
            continue;
        }
        struct roster_item *item = &roster->items[roster->count++];
        item->jid = cell(job, result, row, 1);
        item->name = cell(job, result, row, 2);
        item->groups = cell(job, result, row, 3);
        item->state = (unsigned)sql_get_integer(result, row, 4);
        if (has_request) {
            item->request = cell(job, result, row, 5);
        }
    }
}

static void on_roster(void *arg, const struct sql_result *result)
{
    struct loading *loading = arg;
    struct roster *roster = loading->roster;
    bool ok = sql_status(result) == SQL_OK;
    if (ok) {
        roster->version = sql_rows(result) ? sql_get_integer(result, 0, 0) : 0;
        roster->is_current = loading->since == roster->version;
        roster->is_delta = loading->since >= 0 && loading->since < roster->version &&
                           loading->since >= roster->version - ROSTER_HISTORY;
        read_items(loading, result, false);
    }
    job_release(loading->job, ok);
}

void roster_load(struct job *job, int64_t since, struct roster *roster)
{
    struct loading *loading = loading_new(job);
    *roster = (struct roster){0};
    loading->roster = roster;
    loading->since = since;
    query(job, &SQL(load_sql, sql_text(job->account), sql_integer(since)), on_roster, loading);
}

static void on_contacts(void *arg, const struct sql_result *result)
{
    struct loading *loading = arg;
    bool ok = sql_status(result) == SQL_OK;
    if (ok) {
        read_items(loading, result, true);
    }
    job_release(loading->job, ok);
}

void roster_contacts(struct job *job, struct roster *roster)
{
    struct loading *loading = loading_new(job);
    *roster = (struct roster){0};
    loading->roster = roster;
    query(job, &SQL(contacts_sql, sql_text(job->account)), on_contacts, loading);
}

static void on_everything(void *arg, const struct sql_result *result)
{
    struct loading *loading = arg;
    bool ok = sql_status(result) == SQL_OK;
    if (ok) {
        read_items(loading, result, false);
    }
    job_release(loading->job, ok);
}

void roster_everything(struct job *job, struct roster *roster)
{
    struct loading *loading = loading_new(job);
    *roster = (struct roster){0};
    loading->roster = roster;
    query(job, &SQL(everything_sql, sql_text(job->account)), on_everything, loading);
}

static void on_state(void *arg, const struct sql_result *result)
{
    struct loading *loading = arg;
    bool ok = sql_status(result) == SQL_OK;
    *loading->state = ok && sql_rows(result) ? (unsigned)sql_get_integer(result, 0, 0) : 0;
    job_release(loading->job, ok);
}

void roster_state(struct job *job, struct span contact, unsigned *state)
{
    struct loading *loading = loading_new(job);
    loading->state = state;
    query(job,
          &SQL("SELECT state FROM roster_item WHERE account = $1 AND jid = $2",
               sql_text(job->account), sql_text(contact)),
          on_state, loading);
}

static void on_forgotten(void *arg, const struct sql_result *result)
{
    job_release(arg, sql_status(result) == SQL_OK);
}

void roster_forget(struct job *job)
{
    static const char *const statements[] = {
        "DELETE FROM roster_item WHERE account = $1",
        "DELETE FROM roster_version WHERE account = $1",
        "DELETE FROM last_activity WHERE account = $1",
    };
    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++) {
        job_hold(job);
        query(job, &SQL(statements[i], sql_text(job->account)), on_forgotten, job);
    }
}

/* ---- XEP-0012 ---- */
static void on_last(void *arg, const struct sql_result *result)
{
    struct loading *loading = arg;
    bool ok = sql_status(result) == SQL_OK;
    *loading->last = (struct last_activity){0};
    if (ok && sql_rows(result)) {
        loading->last->is_known = true;
        loading->last->left_ms = sql_get_integer(result, 0, 0);
        loading->last->status = cell(loading->job, result, 0, 1);
    }
    job_release(loading->job, ok);
}

void last_load(struct job *job, struct last_activity *last)
{
    struct loading *loading = loading_new(job);
    loading->last = last;
    query(job,
          &SQL("SELECT left_ms, status FROM last_activity WHERE account = $1",
               sql_text(job->account)),
          on_last, loading);
}

void last_save(struct job *job, struct span status)
{
    query(job,
          &SQL("INSERT INTO last_activity (account, left_ms, status) VALUES ($1, $2, $3) "
               "ON CONFLICT (account) DO UPDATE SET left_ms = excluded.left_ms, "
               "status = excluded.status",
               sql_text(job->account), sql_integer((int64_t)clock_real_ms()), sql_text(status)),
          NULL, NULL);
}
