/* SQL access, the same suite on SQLite and on a private PostgreSQL 15, which is killed and started
 * again in between. */
#include "base/clock.h"
#include "loop/loop.h"
#include "loop/timer.h"
#include "sql/sql.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "private_postgres.h"

#define PATIENCE_MS 20000

static char folder[] = "/tmp/jackdaw-sql-XXXXXX";
static const char *url; /* of the database under test */
static char sqlite_url[96];
static struct private_postgres postgres_server;

static const struct sql_migration migrations[] = {
    {1, "CREATE TABLE things (owner @TEXT@ NOT NULL, number BIGINT NOT NULL, data @BLOB@, "
        "PRIMARY KEY (owner, number)); CREATE TABLE tally (id @ID@, note @TEXT@)"},
    {2, "ALTER TABLE things ADD COLUMN note @TEXT@"},
};

/* ---- what is seen ---- */
struct seen {
    size_t count;
    enum sql_status status;
    size_t rows;
    int64_t integer;
    int64_t affected;
    bool is_null;
    char text[64];
    size_t ok;
    size_t down;
    int64_t last; /* for order */
    size_t disorder;
};

static void note(void *arg, const struct sql_result *result)
{
    struct seen *seen = arg;
    seen->count++;
    seen->status = sql_status(result);
    seen->ok += seen->status == SQL_OK;
    seen->down += seen->status == SQL_DOWN;
    seen->rows = sql_rows(result);
    seen->affected = sql_affected(result);
    if (seen->rows) {
        struct span text = sql_get_span(result, 0, 0);
        seen->is_null = sql_is_null(result, 0, 0);
        seen->integer = sql_get_integer(result, 0, 0);
        seen->disorder += seen->integer < seen->last;
        seen->last = seen->integer;
        snprintf(seen->text, sizeof(seen->text), "%.*s", SPAN_ARG(text));
    }
}

static void tick(void *arg)
{
    (void)arg;
}

static void run_until(struct loop *loop, const size_t *value, size_t wanted)
{
    struct loop_timer timer;
    uint64_t end = clock_mono_ms() + PATIENCE_MS;
    loop_timer_init(&timer, loop, tick, NULL);
    loop_timer_start(&timer, 10, 10);
    while (*value < wanted && clock_mono_ms() < end) {
        loop_run_once(loop, 1);
    }
    loop_timer_stop(&timer);
    assert_int_equal(*value, wanted);
}

static struct sql *open_db(struct loop *loop, uint32_t workers, uint32_t wait_ms)
{
    char error[128] = "";
    struct sql_options options = {.loop = loop,
                                  .url = url,
                                  .name = "test",
                                  .migrations = migrations,
                                  .migration_count = 2,
                                  .workers = workers,
                                  .wait_ms = wait_ms};
    struct sql *db = sql_new(&options, error, sizeof(error));
    assert_non_null(db);
    return db;
}

static void run(struct loop *loop, struct sql *db, const struct sql_statement *statement,
                struct seen *seen)
{
    size_t before = seen->count;
    sql_query(db, 1, statement, note, seen);
    assert_int_equal(seen->count, before);
    run_until(loop, &seen->count, before + 1);
}

/* ---- tests ---- */
static void values_come_back_as_they_went(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct sql *db = open_db(loop, 2, 0);
    struct seen seen = {0};
    struct span bytes = span_of("\0\x01'\\x\xff", 6);
    run(loop, db, &SQL_PLAIN("DELETE FROM things"), &seen);
    assert_int_equal(seen.status, SQL_OK);
    assert_true(sql_is_ready(db));
    run(loop, db,
        &SQL("INSERT INTO things (owner, number, data, note) VALUES ($1, $2, $3, $4)",
             sql_text(SPAN("Jülia 'x'")), sql_integer(INT64_MIN), sql_blob(bytes), sql_null()),
        &seen);
    assert_int_equal(seen.status, SQL_OK);
    assert_int_equal(seen.affected, 1);
    run(loop, db, &SQL("SELECT number FROM things WHERE owner = $1", sql_text(SPAN("Jülia 'x'"))),
        &seen);
    assert_true(seen.integer == INT64_MIN);
    run(loop, db, &SQL("SELECT owner FROM things WHERE data = $1", sql_blob(bytes)), &seen);
    assert_string_equal(seen.text, "Jülia 'x'");
    run(loop, db, &SQL_PLAIN("SELECT note FROM things"), &seen);
    assert_true(seen.rows == 1 && seen.is_null);
    /* used in another order than numbered, and twice */
    run(loop, db,
        &SQL("SELECT CAST($2 AS BIGINT) FROM things WHERE owner <> $1 AND owner <> $1",
             sql_text(SPAN("none")), sql_integer(7)),
        &seen);
    assert_int_equal(seen.integer, 7);
    run(loop, db,
        &SQL("INSERT INTO things (owner, number) VALUES ($1, 1) RETURNING number",
             sql_text(SPAN(""))),
        &seen);
    assert_int_equal(seen.integer, 1);
    run(loop, db, &SQL("SELECT COUNT(*) FROM things WHERE owner = $1", sql_text(SPAN(""))), &seen);
    assert_int_equal(seen.integer, 1);
    sql_free(db);
    loop_free(loop);
}

static void failures_say_what_they_are(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct sql *db = open_db(loop, 1, 0);
    struct seen seen = {0};
    const struct sql_statement insert =
        SQL("INSERT INTO things (owner, number) VALUES ($1, 5)", sql_text(SPAN("twice")));
    run(loop, db, &SQL_PLAIN("DELETE FROM things"), &seen);
    run(loop, db, &insert, &seen);
    assert_int_equal(seen.status, SQL_OK);
    run(loop, db, &insert, &seen);
    assert_int_equal(seen.status, SQL_CONFLICT);
    run(loop, db, &SQL_PLAIN("SELECT nonsense FROM nowhere"), &seen);
    assert_int_equal(seen.status, SQL_FAILED);
    run(loop, db, &SQL_PLAIN("SELECT number FROM things"), &seen);
    assert_int_equal(seen.integer, 5);
    sql_free(db);
    loop_free(loop);
}

static void jobs_of_one_key_keep_their_order(void **state)
{
    enum { JOBS = 2000 };
    static struct seen seen[4];
    (void)state;
    struct loop *loop = loop_new();
    struct sql *db = open_db(loop, 4, 0);
    memset(seen, 0, sizeof(seen));
    for (int i = 0; i < JOBS; i++) {
        sql_query(db, (uint64_t)(i % 4), &SQL("SELECT CAST($1 AS BIGINT)", sql_integer(i)), note,
                  &seen[i % 4]);
    }
    for (int k = 0; k < 4; k++) {
        run_until(loop, &seen[k].ok, JOBS / 4);
        assert_int_equal(seen[k].disorder, 0);
    }
    assert_int_equal(sql_pending(db), 0);
    sql_free(db);
    loop_free(loop);
}

/* ---- transactions ---- */
struct transfer {
    struct seen *seen;
    int wish; /* what the function returns */
    int runs;
    sql_work_fn *work;
};

static void note_done(void *arg, enum sql_status status)
{
    struct transfer *transfer = arg;
    transfer->seen->count++;
    transfer->seen->status = status;
    transfer->seen->ok += status == SQL_OK;
    transfer->seen->down += status == SQL_DOWN;
}

/* Adds one to a number, under a row lock taken by the first statement. */
static int count_up(struct sql_conn *conn, void *arg)
{
    struct transfer *transfer = arg;
    char next[32];
    transfer->runs++;
    sql_exec(conn, &SQL("INSERT INTO things (owner, number, note) VALUES ($1, 0, '0') ON CONFLICT "
                        "(owner, number) DO UPDATE SET note = things.note",
                        sql_text(SPAN("counter"))));
    const struct sql_result *result =
        sql_exec(conn, &SQL("SELECT CAST(note AS BIGINT) FROM things WHERE owner = $1",
                            sql_text(SPAN("counter"))));
    if (sql_status(result) != SQL_OK) {
        return -1;
    }
    int len = snprintf(next, sizeof(next), "%d", (int)sql_get_integer(result, 0, 0) + 1);
    result = sql_exec(conn, &SQL("UPDATE things SET note = $2 WHERE owner = $1",
                                 sql_text(SPAN("counter")), sql_text(span_of(next, (size_t)len))));
    return sql_status(result) == SQL_OK ? transfer->wish : -1;
}

static int break_constraint(struct sql_conn *conn, void *arg)
{
    const struct sql_statement insert =
        SQL("INSERT INTO things (owner, number) VALUES ($1, 77)", sql_text(SPAN("gone")));
    (void)arg;
    sql_exec(conn, &insert);
    sql_exec(conn, &insert);
    return 0; /* wrong of it: the failed statement decides */
}

static void transactions_are_whole_or_not_at_all(void **state)
{
    enum { TIMES = 200 };
    static struct transfer transfers[TIMES];
    (void)state;
    struct loop *loop = loop_new();
    struct sql *db = open_db(loop, 4, 15000);
    struct seen seen = {0};
    struct seen done = {0};
    run(loop, db, &SQL_PLAIN("DELETE FROM things"), &seen);
    for (int i = 0; i < TIMES; i++) {
        transfers[i] = (struct transfer){.seen = &done, .wish = i % 2 ? -1 : 0};
        sql_transaction(db, (uint64_t)i, count_up, note_done, &transfers[i]);
    }
    run_until(loop, &done.count, TIMES);
    assert_int_equal(done.ok, TIMES / 2);
    assert_int_equal(done.down, 0);
    run(loop, db, &SQL_PLAIN("SELECT CAST(note AS BIGINT) FROM things"), &seen);
    assert_int_equal(seen.integer, TIMES / 2);
    struct transfer broken = {.seen = &done};
    sql_transaction(db, 1, break_constraint, note_done, &broken);
    run_until(loop, &done.count, TIMES + 1);
    assert_int_equal(done.status, SQL_CONFLICT);
    run(loop, db, &SQL_PLAIN("SELECT COUNT(*) FROM things WHERE number = 77"), &seen);
    assert_int_equal(seen.integer, 0);
    sql_free(db);
    loop_free(loop);
}

static void two_daemons_share_a_schema(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct sql *one = open_db(loop, 2, 0);
    struct sql *two = open_db(loop, 2, 0);
    struct seen seen = {0};
    run(loop, one, &SQL_PLAIN("DELETE FROM things"), &seen);
    run(loop, one, &SQL_PLAIN("INSERT INTO things (owner, number) VALUES ('x', 3)"), &seen);
    run(loop, two, &SQL_PLAIN("SELECT number FROM things"), &seen);
    assert_int_equal(seen.integer, 3);
    run(loop, two, &SQL_PLAIN("SELECT COUNT(*) FROM sql_migrations WHERE name = 'test'"), &seen);
    assert_int_equal(seen.integer, 2);
    sql_free(one);
    sql_free(two);
    loop_free(loop);
}

static void too_many_jobs_are_refused(void **state)
{
    char error[128];
    (void)state;
    struct loop *loop = loop_new();
    struct sql_options options = {.loop = loop,
                                  .url = url,
                                  .name = "test",
                                  .migrations = migrations,
                                  .migration_count = 2,
                                  .max_queued = 10};
    struct sql *db = sql_new(&options, error, sizeof(error));
    struct seen seen = {0};
    for (int i = 0; i < 15; i++) {
        sql_query(db, 1, &SQL_PLAIN("SELECT 1"), note, &seen);
    }
    run_until(loop, &seen.count, 15);
    assert_int_equal(seen.down, 5);
    assert_int_equal(seen.ok, 10);
    sql_query(db, 1, &SQL_PLAIN("SELECT 1"), note, &seen);
    sql_free(db); /* what waits is dropped */
    loop_free(loop);
}

static void addresses_are_checked(void **state)
{
    static const char *const bad[] = {"", "sqlite:", "mysql://x", "/tmp"};
    char error[128];
    (void)state;
    struct loop *loop = loop_new();
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct sql_options options = {.loop = loop, .url = bad[i], .name = "test"};
        error[0] = '\0';
        assert_null(sql_new(&options, error, sizeof(error)));
        assert_true(error[0] != '\0');
    }
    loop_free(loop);
}

/* A broken migration leaves nothing behind and the database not ready. */
static void a_bad_migration_changes_nothing(void **state)
{
    static const struct sql_migration bad[] = {
        {1, "CREATE TABLE leftover (a BIGINT); CREATE NONSENSE"},
    };
    char error[128];
    (void)state;
    struct loop *loop = loop_new();
    struct sql_options options = {.loop = loop,
                                  .url = url,
                                  .name = "bad",
                                  .migrations = bad,
                                  .migration_count = 1,
                                  .wait_ms = 200};
    struct sql *db = sql_new(&options, error, sizeof(error));
    struct seen seen = {0};
    run(loop, db, &SQL_PLAIN("SELECT 1"), &seen);
    assert_int_equal(seen.status, SQL_DOWN);
    assert_false(sql_is_ready(db));
    sql_free(db);
    options.migrations = NULL;
    options.migration_count = 0;
    db = sql_new(&options, error, sizeof(error));
    run(loop, db, &SQL_PLAIN("SELECT a FROM leftover"), &seen);
    assert_int_equal(seen.status, SQL_FAILED);
    sql_free(db);
    loop_free(loop);
}

/* ---- PostgreSQL only ---- */
static void a_killed_server_is_waited_for(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct sql *db = open_db(loop, 1, 15000);
    struct sql *hasty = open_db(loop, 1, 100);
    struct seen seen = {0};
    struct seen hurried = {0};
    struct seen done = {0};
    struct transfer transfer = {.seen = &done};
    run(loop, db, &SQL_PLAIN("DELETE FROM things"), &seen);
    run(loop, hasty, &SQL_PLAIN("SELECT 1"), &hurried);
    assert_int_equal(private_postgres_kill(&postgres_server), 0);
    sql_query(db, 1, &SQL_PLAIN("SELECT 1"), note, &seen);
    sql_transaction(db, 1, count_up, note_done, &transfer);
    sql_query(hasty, 1, &SQL_PLAIN("SELECT 1"), note, &hurried);
    run_until(loop, &hurried.count, 2);
    assert_int_equal(hurried.status, SQL_DOWN);
    assert_false(sql_is_ready(hasty));
    assert_int_equal(seen.count, 1);
    assert_int_equal(private_postgres_spawn(&postgres_server), 0);
    run_until(loop, &done.count, 1);
    assert_int_equal(done.status, SQL_OK);
    assert_int_equal(seen.status, SQL_OK);
    run(loop, db, &SQL_PLAIN("SELECT CAST(note AS BIGINT) FROM things"), &seen);
    assert_int_equal(seen.integer, 1);
    sql_free(db);
    sql_free(hasty);
    loop_free(loop);
}

static int remove_folder(void)
{
    char command[96];
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    return system(command);
}

#define COMMON_TESTS                                                                               \
    cmocka_unit_test(values_come_back_as_they_went), cmocka_unit_test(failures_say_what_they_are), \
        cmocka_unit_test(jobs_of_one_key_keep_their_order),                                        \
        cmocka_unit_test(transactions_are_whole_or_not_at_all),                                    \
        cmocka_unit_test(two_daemons_share_a_schema), cmocka_unit_test(too_many_jobs_are_refused), \
        cmocka_unit_test(addresses_are_checked), cmocka_unit_test(a_bad_migration_changes_nothing)

int main(void)
{
    const struct CMUnitTest sqlite[] = {COMMON_TESTS};
    const struct CMUnitTest postgres[] = {
        COMMON_TESTS,
        cmocka_unit_test(a_killed_server_is_waited_for),
    };
    if (!mkdtemp(folder)) {
        return 1;
    }
    snprintf(sqlite_url, sizeof(sqlite_url), "sqlite:%s/sqlite", folder);
    url = sqlite_url;
    int failures = cmocka_run_group_tests_name("sqlite", sqlite, NULL, NULL);
    if (private_postgres_start(&postgres_server) != 0) {
        return 1;
    }
    url = postgres_server.url;
    failures += cmocka_run_group_tests_name("postgresql", postgres, NULL, NULL);
    return private_postgres_stop(&postgres_server) == 0 && remove_folder() == 0 ? failures : 1;
}
