/* PostgreSQL over libpq, blocking, on a worker's thread. Statements are prepared at first use;
 * integers and text go out as text, bytes and all answers in binary. */
#include "sql/sql_internal.h"

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"

#include <inttypes.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <string.h>

#define MAX_PARAMS     32
#define LOOK_AFTER_MS  1000 /* a connection idle for longer may have been closed by the server */
#define STATEMENT_NAME 24

/* Type oids of pg_type.dat: fixed for all time. */
enum { OID_BOOL = 16, OID_BYTEA = 17, OID_INT8 = 20, OID_INT2 = 21, OID_INT4 = 23 };

struct sql_native {
    PGconn *handle;
    struct map64 prepared; /* address of the text to its name */
    uint32_t prepared_count;
    bool is_lost;
};

static void ignore_notice(void *arg, const char *message)
{
    (void)arg;
    (void)message;
}

static void postgres_close(struct sql_native *native)
{
    struct map_cursor at = {0};
    void *name = NULL;
    while (map64_next(&native->prepared, &at, NULL, &name)) {
        mem_free(name);
    }
    map64_deinit(&native->prepared);
    PQfinish(native->handle);
    mem_free(native);
}

static void first_line(const char *message, char *out, size_t size)
{
    (void)snprintf(out, size, "%.*s", (int)strcspn(message, "\n"), message);
}

static struct sql_native *postgres_open(const struct sql *db, char *error, size_t error_size)
{
    /* What stands in the URI comes last and wins. */
    const char *const keys[] = {"connect_timeout", "tcp_user_timeout", "application_name",
                                "client_encoding", "dbname",           NULL};
    const char *const values[] = {"3", "10000", db->name, "UTF8", db->target, NULL};
    struct sql_native *native = mem_calloc(1, sizeof(*native));
    native->handle = PQconnectdbParams(keys, values, 1);
    if (PQstatus(native->handle) != CONNECTION_OK) {
        first_line(PQerrorMessage(native->handle), error, error_size);
        postgres_close(native);
        return NULL;
    }
    PQsetNoticeProcessor(native->handle, ignore_notice, NULL);
    return native;
}

/* SQLSTATE prefixes (PostgreSQL manual, appendix A) to outcomes; the first that fits. */
static const struct {
    const char *prefix;
    enum sql_status status;
    bool is_transient;
} outcomes[] = {
    {"23", SQL_CONFLICT, false}, /* integrity constraint violation */
    {"40", SQL_DOWN, true},      /* serialization failure, deadlock */
    {"08", SQL_DOWN, false},     /* connection exception */
    {"53", SQL_DOWN, false},     /* insufficient resources */
    {"57P", SQL_DOWN, false},    /* shutting down, starting up */
    {"25006", SQL_DOWN, false},  /* read-only: a standby */
    {"", SQL_FAILED, false},
};

static enum sql_status outcome(struct sql_native *native, const PGresult *answer, const char *text,
                               bool *transient_out)
{
    ExecStatusType kind = PQresultStatus(answer);
    const char *state = PQresultErrorField(answer, PG_DIAG_SQLSTATE);
    size_t i = 0;
    *transient_out = false;
    if (kind == PGRES_COMMAND_OK || kind == PGRES_TUPLES_OK) {
        return SQL_OK;
    }
    if (!state) {
        native->is_lost = true; /* libpq's own words, not the server's: nobody answered */
        return SQL_DOWN;
    }
    while (strncmp(state, outcomes[i].prefix, strlen(outcomes[i].prefix)) != 0) {
        i++;
    }
    *transient_out = outcomes[i].is_transient;
    if (outcomes[i].status == SQL_FAILED) {
        char line[SQL_ERROR_SIZE];
        first_line(PQresultErrorMessage(answer), line, sizeof(line));
        LOG_ERROR("sql_error", "code=%s text=%s statement=%s", state, line, text);
    }
    return outcomes[i].status;
}

/* ---- parameters ---- */
struct bound {
    const char *values[MAX_PARAMS];
    int lengths[MAX_PARAMS];
    int formats[MAX_PARAMS];
    struct arena arena;
};

static void bind_all(const struct sql_statement *statement, struct bound *bound)
{
    arena_init(&bound->arena, 512);
    for (size_t i = 0; i < statement->param_count; i++) {
        const struct sql_value *value = &statement->params[i];
        bound->formats[i] = value->type == SQL_BLOB;
        bound->lengths[i] = (int)value->bytes.len;
        bound->values[i] = NULL;
        if (value->type == SQL_INTEGER) {
            bound->values[i] = arena_printf(&bound->arena, "%" PRId64, value->integer).data;
        } else if (value->type != SQL_NULL) {
            bound->values[i] = arena_copy(&bound->arena, value->bytes).data;
        }
    }
}

/* ---- rows ---- */
static int64_t big_endian(const char *data, int len)
{
    uint64_t value = 0;
    uint64_t sign = len && (data[0] & 0x80) ? ~(uint64_t)0 : 0;
    value = sign;
    for (int i = 0; i < len; i++) {
        value = value << 8 | (unsigned char)data[i];
    }
    return (int64_t)value;
}

static struct sql_value read_cell(const PGresult *answer, int row, int column)
{
    if (PQgetisnull(answer, row, column)) {
        return sql_null();
    }
    const char *data = PQgetvalue(answer, row, column);
    int len = PQgetlength(answer, row, column);
    Oid type = PQftype(answer, column);
    if (type == OID_INT8 || type == OID_INT4 || type == OID_INT2 || type == OID_BOOL) {
        return sql_integer(type == OID_BOOL ? data[0] : big_endian(data, len));
    }
    struct span bytes = span_of(data, (size_t)len);
    return type == OID_BYTEA ? sql_blob(bytes) : sql_text(bytes);
}

static void read_rows(const PGresult *answer, struct sql_result *result)
{
    int rows = PQntuples(answer);
    int columns = PQnfields(answer);
    uint64_t affected = 0;
    result->columns = (size_t)columns;
    for (int row = 0; row < rows; row++) {
        for (int column = 0; column < columns; column++) {
            sql_result_add(result, read_cell(answer, row, column));
        }
    }
    if (span_to_u64(span_cstr(PQcmdTuples((PGresult *)(uintptr_t)answer)), &affected) == 0) {
        result->affected = (int64_t)affected;
    }
}

/* ---- statements ---- */
/* The statement's name at the server, or NULL with *status_out. */
static const char *prepare(struct sql_native *native, const char *text, enum sql_status *status_out,
                           bool *transient_out)
{
    uint64_t key = (uint64_t)(uintptr_t)text;
    char *name = map64_get(&native->prepared, key);
    if (name) {
        return name;
    }
    name = mem_alloc(STATEMENT_NAME);
    (void)snprintf(name, STATEMENT_NAME, "s%" PRIu32, ++native->prepared_count);
    PGresult *answer = PQprepare(native->handle, name, text, 0, NULL);
    *status_out = outcome(native, answer, text, transient_out);
    PQclear(answer);
    if (*status_out != SQL_OK) {
        mem_free(name);
        return NULL;
    }
    map64_put(&native->prepared, key, name);
    return name;
}

static struct sql_result *postgres_run(struct sql_native *native,
                                       const struct sql_statement *statement)
{
    struct sql_result *result = sql_result_new(SQL_FAILED);
    if (statement->param_count > MAX_PARAMS) {
        LOG_ERROR("sql_error", "text=too_many_parameters statement=%s", statement->text);
        return result;
    }
    const char *name = prepare(native, statement->text, &result->status, &result->is_transient);
    if (!name) {
        return result;
    }
    struct bound bound;
    bind_all(statement, &bound);
    PGresult *answer = PQexecPrepared(native->handle, name, (int)statement->param_count,
                                      bound.values, bound.lengths, bound.formats, 1);
    arena_deinit(&bound.arena);
    result->status = outcome(native, answer, statement->text, &result->is_transient);
    if (result->status == SQL_OK) {
        read_rows(answer, result);
    }
    PQclear(answer);
    return result;
}

static enum sql_status postgres_script(struct sql_native *native, const char *text)
{
    bool is_transient = false;
    PGresult *answer = PQexec(native->handle, text);
    enum sql_status status = outcome(native, answer, text, &is_transient);
    PQclear(answer);
    return status;
}

static enum sql_status postgres_begin(struct sql_native *native)
{
    return postgres_script(native, "BEGIN");
}

static enum sql_status postgres_commit(struct sql_native *native)
{
    return postgres_script(native, "COMMIT");
}

static void postgres_rollback(struct sql_native *native)
{
    postgres_script(native, "ROLLBACK");
}

static bool postgres_is_broken(struct sql_native *native, uint64_t idle_ms)
{
    if (idle_ms > LOOK_AFTER_MS && !PQconsumeInput(native->handle)) {
        return true;
    }
    return native->is_lost || PQstatus(native->handle) != CONNECTION_OK;
}

const struct sql_backend sql_postgres = {
    .text_type = "TEXT COLLATE \"C\"",
    .blob_type = "BYTEA",
    .id_type = "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    .migration_lock = "SELECT pg_advisory_xact_lock(1245790539)",
    .open = postgres_open,
    .close = postgres_close,
    .exec = postgres_run,
    .script = postgres_script,
    .begin = postgres_begin,
    .commit = postgres_commit,
    .rollback = postgres_rollback,
    .is_broken = postgres_is_broken,
};
