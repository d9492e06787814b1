/* The schema: numbered steps, each applied once, all missing ones in one transaction. */
#include "sql/sql_internal.h"

#include "base/buf.h"
#include "base/log.h"

#include <inttypes.h>
#include <string.h>

static const char create_table[] = "CREATE TABLE IF NOT EXISTS sql_migrations ("
                                   "name @TEXT@ NOT NULL, number BIGINT NOT NULL, "
                                   "PRIMARY KEY (name, number))";

/* Puts the backend's own words for @TEXT@, @BLOB@ and @ID@. */
struct word {
    struct span token;
    const char *text;
};

/* The word whose token `rest` begins with, or NULL. */
static const struct word *find_word(const struct word *words, size_t count, struct span rest)
{
    for (size_t i = 0; i < count; i++) {
        if (span_has_prefix(rest, words[i].token)) {
            return &words[i];
        }
    }
    return NULL;
}

static void translate(const struct sql_backend *backend, const char *text, struct buf *out)
{
    const struct word words[] = {
        {SPAN("@TEXT@"), backend->text_type},
        {SPAN("@BLOB@"), backend->blob_type},
        {SPAN("@ID@"), backend->id_type},
    };
    struct span rest = span_cstr(text);
    while (rest.len) {
        const struct word *word = find_word(words, sizeof(words) / sizeof(words[0]), rest);
        buf_append_span(out, word ? span_cstr(word->text) : span_head(rest, 1));
        rest = span_from(rest, word ? word->token.len : 1);
    }
}

static enum sql_status run_script(const struct sql *db, struct sql_native *native, const char *text)
{
    struct buf translated = {0};
    translate(db->backend, text, &translated);
    enum sql_status status = db->backend->script(native, buf_cstr(&translated));
    buf_deinit(&translated);
    return status;
}

static enum sql_status read_number(const struct sql *db, struct sql_native *native,
                                   int64_t *number_out)
{
    struct sql_result *result = db->backend->exec(
        native, &SQL("SELECT CAST(COALESCE(MAX(number), 0) AS BIGINT) FROM sql_migrations "
                     "WHERE name = $1",
                     sql_text(span_cstr(db->name))));
    enum sql_status status = result->status;
    *number_out = status == SQL_OK ? sql_get_integer(result, 0, 0) : 0;
    sql_result_free(result);
    return status;
}

static enum sql_status apply(const struct sql *db, struct sql_native *native,
                             const struct sql_migration *step)
{
    enum sql_status status = run_script(db, native, step->text);
    if (status != SQL_OK) {
        LOG_ERROR("sql_migration_failed", "number=%" PRIu32, step->number);
        return status;
    }
    struct sql_result *result =
        db->backend->exec(native, &SQL("INSERT INTO sql_migrations (name, number) VALUES ($1, $2)",
                                       sql_text(span_cstr(db->name)), sql_integer(step->number)));
    status = result->status;
    sql_result_free(result);
    LOG_INFO("sql_migrated", "number=%" PRIu32, step->number);
    return status;
}

static enum sql_status migrate_inside(const struct sql *db, struct sql_native *native)
{
    enum sql_status status = SQL_OK;
    int64_t reached = 0;
    if (db->backend->migration_lock) {
        status = db->backend->script(native, db->backend->migration_lock);
    }
    if (status == SQL_OK) {
        status = run_script(db, native, create_table);
    }
    if (status == SQL_OK) {
        status = read_number(db, native, &reached);
    }
    for (size_t i = 0; i < db->migration_count && status == SQL_OK; i++) {
        if (db->migrations[i].number > reached) {
            status = apply(db, native, &db->migrations[i]);
        }
    }
    return status;
}

enum sql_status sql_migrate(const struct sql *db, struct sql_native *native)
{
    enum sql_status status = db->backend->begin(native);
    if (status != SQL_OK) {
        return status;
    }
    status = migrate_inside(db, native);
    if (status != SQL_OK) {
        db->backend->rollback(native);
        return status;
    }
    return db->backend->commit(native);
}
