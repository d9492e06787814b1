/* SQLite: one file per daemon, in WAL mode so that several processes and threads read while one
 * writes. Threads of one process queue for the right to write on a mutex; processes wait in
 * SQLite's busy handler. */
#include "sql/sql_internal.h"

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define BUSY_MS 5000

struct sql_native {
    sqlite3 *handle;
    struct map64 prepared; /* address of the text to sqlite3_stmt */
    pthread_mutex_t *write_lock;
    bool is_in_transaction;
};

static const char pragmas[] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; "
                              "PRAGMA foreign_keys=ON; PRAGMA temp_store=MEMORY;";

/* SQLite result codes to ours; what is not here is SQL_FAILED. */
static const struct {
    int code;
    enum sql_status status;
} outcomes[] = {
    {SQLITE_OK, SQL_OK},         {SQLITE_ROW, SQL_OK},
    {SQLITE_DONE, SQL_OK},       {SQLITE_CONSTRAINT, SQL_CONFLICT},
    {SQLITE_BUSY, SQL_DOWN},     {SQLITE_LOCKED, SQL_DOWN},
    {SQLITE_IOERR, SQL_DOWN},    {SQLITE_FULL, SQL_DOWN},
    {SQLITE_CANTOPEN, SQL_DOWN}, {SQLITE_READONLY, SQL_DOWN},
};

static enum sql_status outcome(struct sql_native *native, int code, const char *text)
{
    enum sql_status status = SQL_FAILED;
    for (size_t i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++) {
        if ((code & 0xff) == outcomes[i].code) {
            status = outcomes[i].status;
        }
    }
    if (status == SQL_FAILED || status == SQL_DOWN) {
        LOG_ERROR("sql_error", "code=%d text=%s statement=%s", code, sqlite3_errmsg(native->handle),
                  text);
    }
    return status;
}

static void sqlite_close(struct sql_native *native)
{
    struct map_cursor at = {0};
    void *prepared = NULL;
    while (map64_next(&native->prepared, &at, NULL, &prepared)) {
        sqlite3_finalize(prepared);
    }
    map64_deinit(&native->prepared);
    sqlite3_close_v2(native->handle);
    mem_free(native);
}

static struct sql_native *sqlite_open(const struct sql *db, char *error, size_t error_size)
{
    char path[1024];
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    struct sql_native *native = mem_calloc(1, sizeof(*native));
    native->write_lock = db->write_lock;
    /* The last folder of the path is made; if that fails opening says why. */
    mkdir(db->target, 0700);
    (void)snprintf(path, sizeof(path), "%s/%s.db", db->target, db->name);
    int code = sqlite3_open_v2(path, &native->handle, flags, NULL);
    sqlite3_busy_timeout(native->handle, BUSY_MS);
    if (code == SQLITE_OK) {
        code = sqlite3_exec(native->handle, pragmas, NULL, NULL, NULL);
    }
    if (code != SQLITE_OK) {
        (void)snprintf(error, error_size, "%s: %s", path, sqlite3_errmsg(native->handle));
        sqlite_close(native);
        return NULL;
    }
    return native;
}

static sqlite3_stmt *prepare(struct sql_native *native, const char *text, int *code_out)
{
    uint64_t key = (uint64_t)(uintptr_t)text;
    sqlite3_stmt *prepared = map64_get(&native->prepared, key);
    *code_out = SQLITE_OK;
    if (!prepared) {
        *code_out = sqlite3_prepare_v3(native->handle, text, -1, SQLITE_PREPARE_PERSISTENT,
                                       &prepared, NULL);
        if (*code_out == SQLITE_OK) {
            map64_put(&native->prepared, key, prepared);
        }
    }
    return prepared;
}

static void bind_one(sqlite3_stmt *prepared, int index, const struct sql_value *value)
{
    const char *data = value->bytes.len ? value->bytes.data : "";
    if (value->type == SQL_INTEGER) {
        sqlite3_bind_int64(prepared, index, value->integer);
    } else if (value->type == SQL_TEXT) {
        sqlite3_bind_text64(prepared, index, data, value->bytes.len, SQLITE_STATIC, SQLITE_UTF8);
    } else if (value->type == SQL_BLOB) {
        sqlite3_bind_blob64(prepared, index, data, value->bytes.len, SQLITE_STATIC);
    } else {
        sqlite3_bind_null(prepared, index);
    }
}

/* "$1" is a name to SQLite: its index is found, not assumed. */
static void bind_all(sqlite3_stmt *prepared, const struct sql_statement *statement)
{
    for (size_t i = 0; i < statement->param_count; i++) {
        char name[24];
        (void)snprintf(name, sizeof(name), "$%zu", i + 1);
        int index = sqlite3_bind_parameter_index(prepared, name);
        if (index > 0) {
            bind_one(prepared, index, &statement->params[i]);
        }
    }
}

static struct sql_value read_cell(sqlite3_stmt *prepared, int column)
{
    int type = sqlite3_column_type(prepared, column);
    if (type == SQLITE_NULL) {
        return sql_null();
    }
    if (type == SQLITE_INTEGER) {
        return sql_integer(sqlite3_column_int64(prepared, column));
    }
    const void *data = type == SQLITE_BLOB ? sqlite3_column_blob(prepared, column)
                                           : sqlite3_column_text(prepared, column);
    struct span bytes = span_of(data, (size_t)sqlite3_column_bytes(prepared, column));
    return type == SQLITE_BLOB ? sql_blob(bytes) : sql_text(bytes);
}

static int step_all(sqlite3_stmt *prepared, struct sql_result *result)
{
    int columns = sqlite3_column_count(prepared);
    int code = SQLITE_ROW;
    result->columns = (size_t)columns;
    while ((code = sqlite3_step(prepared)) == SQLITE_ROW) {
        for (int i = 0; i < columns; i++) {
            sql_result_add(result, read_cell(prepared, i));
        }
    }
    return code;
}

static struct sql_result *sqlite_run(struct sql_native *native,
                                     const struct sql_statement *statement)
{
    int code = SQLITE_OK;
    struct sql_result *result = sql_result_new(SQL_OK);
    sqlite3_stmt *prepared = prepare(native, statement->text, &code);
    if (code == SQLITE_OK) {
        bool must_lock = !native->is_in_transaction && !sqlite3_stmt_readonly(prepared);
        if (must_lock) {
            pthread_mutex_lock(native->write_lock);
        }
        bind_all(prepared, statement);
        code = step_all(prepared, result);
        result->affected = sqlite3_changes(native->handle);
        sqlite3_reset(prepared);
        sqlite3_clear_bindings(prepared);
        if (must_lock) {
            pthread_mutex_unlock(native->write_lock);
        }
    }
    result->status = outcome(native, code, statement->text);
    return result;
}

static enum sql_status sqlite_script(struct sql_native *native, const char *text)
{
    return outcome(native, sqlite3_exec(native->handle, text, NULL, NULL, NULL), text);
}

static enum sql_status sqlite_begin(struct sql_native *native)
{
    pthread_mutex_lock(native->write_lock);
    enum sql_status status = sqlite_script(native, "BEGIN IMMEDIATE");
    if (status != SQL_OK) {
        pthread_mutex_unlock(native->write_lock);
        return status;
    }
    native->is_in_transaction = true;
    return SQL_OK;
}

static void end(struct sql_native *native)
{
    native->is_in_transaction = false;
    pthread_mutex_unlock(native->write_lock);
}

static void sqlite_rollback(struct sql_native *native)
{
    /* Some errors have rolled back already. */
    if (!sqlite3_get_autocommit(native->handle)) {
        sqlite_script(native, "ROLLBACK");
    }
    end(native);
}

static enum sql_status sqlite_commit(struct sql_native *native)
{
    enum sql_status status = sqlite_script(native, "COMMIT");
    if (status != SQL_OK) {
        sqlite_rollback(native);
        return status;
    }
    end(native);
    return SQL_OK;
}

/* A file does not go away by itself. */
static bool sqlite_is_broken(struct sql_native *native, uint64_t idle_ms)
{
    (void)native;
    (void)idle_ms;
    return false;
}

const struct sql_backend sql_sqlite = {
    .text_type = "TEXT",
    .blob_type = "BLOB",
    .id_type = "INTEGER PRIMARY KEY AUTOINCREMENT",
    .open = sqlite_open,
    .close = sqlite_close,
    .exec = sqlite_run,
    .script = sqlite_script,
    .begin = sqlite_begin,
    .commit = sqlite_commit,
    .rollback = sqlite_rollback,
    .is_broken = sqlite_is_broken,
};
