/* The loop's side: giving jobs to workers and calling back when they are done. */
#include "sql/sql_internal.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/wake.h"
#include "metric/metric.h"

#include <stdio.h>
#include <string.h>

#define DEFAULT_WORKERS    2
#define DEFAULT_WAIT_MS    3000
#define DEFAULT_MAX_QUEUED 10000

/* Everything of the job in one allocation: it, its parameters, their bytes. */
static struct sql_job *job_new(const struct sql_statement *statement)
{
    size_t count = statement ? statement->param_count : 0;
    const struct sql_value *given = statement ? statement->params : NULL;
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        bytes += given[i].bytes.len;
    }
    struct sql_job *job = mem_calloc(1, sizeof(*job) + count * sizeof(struct sql_value) + bytes);
    struct sql_value *params = (struct sql_value *)(void *)(job + 1);
    char *at = (char *)(params + count);
    for (size_t i = 0; i < count; i++) {
        params[i] = given[i];
        if (params[i].bytes.len) {
            memcpy(at, params[i].bytes.data, params[i].bytes.len);
            params[i].bytes.data = at;
            at += params[i].bytes.len;
        }
    }
    if (statement) {
        job->statement = (struct sql_statement){statement->text, params, count};
    }
    list_init(&job->link);
    return job;
}

void sql_job_free(struct sql_job *job)
{
    sql_result_free(job->result);
    mem_free(job);
}

void sql_job_done(struct sql *db, struct sql_job *job)
{
    pthread_mutex_lock(&db->done_lock);
    list_add_tail(&db->done, &job->link);
    pthread_mutex_unlock(&db->done_lock);
    loop_wake_send(db->wake);
}

static void count_outcome(const struct sql_job *job, enum sql_status status)
{
    metric_observe(METRIC_sql_seconds, (double)(clock_mono_us() - job->given_us) / 1e6);
    if (status == SQL_DOWN) {
        metric_inc(METRIC_sql_down);
    } else if (status == SQL_FAILED) {
        metric_inc(METRIC_sql_failures);
    }
}

static void call_back(struct sql_job *job)
{
    if (!job->statement.text) {
        count_outcome(job, job->status);
        if (job->done) {
            job->done(job->arg, job->status);
        }
        return;
    }
    count_outcome(job, job->result->status);
    if (job->fn) {
        job->fn(job->arg, job->result);
    } else if (job->result->status != SQL_OK) {
        LOG_ERROR("sql_write_lost", "status=%d", (int)job->result->status);
    }
}

static void on_wake(void *arg)
{
    struct sql *db = arg;
    for (;;) {
        pthread_mutex_lock(&db->done_lock);
        struct list_node *node = list_pop(&db->done);
        pthread_mutex_unlock(&db->done_lock);
        if (!node) {
            return;
        }
        struct sql_job *job = CONTAINER_OF(node, struct sql_job, link);
        db->pending--;
        call_back(job);
        sql_job_free(job);
    }
}

static void give(struct sql *db, uint64_t key, struct sql_job *job)
{
    job->given_us = clock_mono_us();
    job->give_up_ms = job->given_us / 1000 + db->wait_ms;
    metric_inc(METRIC_sql_jobs);
    if (db->pending++ < db->max_queued) {
        sql_worker_give(&db->workers[hash_u64(0, key) % db->worker_count], job);
        return;
    }
    job->status = SQL_DOWN;
    job->result = sql_result_new(SQL_DOWN);
    sql_job_done(db, job);
}

void sql_query(struct sql *db, uint64_t key, const struct sql_statement *statement, sql_fn *fn,
               void *arg)
{
    ASSERT(statement->text);
    struct sql_job *job = job_new(statement);
    job->fn = fn;
    job->arg = arg;
    give(db, key, job);
}

void sql_transaction(struct sql *db, uint64_t key, sql_work_fn *work, sql_done_fn *done, void *arg)
{
    struct sql_job *job = job_new(NULL);
    job->work = work;
    job->done = done;
    job->arg = arg;
    give(db, key, job);
}

bool sql_is_ready(const struct sql *db)
{
    return atomic_load(&db->is_ready);
}

size_t sql_pending(const struct sql *db)
{
    return db->pending;
}

/* ---- opening and closing ---- */
static const struct sql_backend *choose(const char *url, const char **target_out)
{
    static const struct span postgres[] = {{"postgresql://", 13}, {"postgres://", 11}};
    struct span text = span_cstr(url);
    *target_out = url;
    if (span_has_prefix(text, postgres[0]) || span_has_prefix(text, postgres[1])) {
        return &sql_postgres;
    }
    *target_out = url + 7;
    return span_has_prefix(text, SPAN("sqlite:")) && text.len > 7 ? &sql_sqlite : NULL;
}

static uint32_t or_default(uint32_t value, uint32_t fallback)
{
    return value ? value : fallback;
}

struct sql *sql_new(const struct sql_options *options, char *error, size_t error_size)
{
    const char *target = NULL;
    const struct sql_backend *backend = choose(options->url, &target);
    if (!backend) {
        (void)snprintf(error, error_size,
                       "database address is neither sqlite:/directory nor postgresql://...");
        return NULL;
    }
    struct sql *db = mem_calloc(1, sizeof(*db));
    db->backend = backend;
    db->target = mem_strdup(target);
    db->name = mem_strdup(options->name);
    db->migrations = options->migrations;
    db->migration_count = options->migration_count;
    db->wait_ms = or_default(options->wait_ms, DEFAULT_WAIT_MS);
    db->max_queued = or_default(options->max_queued, DEFAULT_MAX_QUEUED);
    db->worker_count = or_default(options->workers, DEFAULT_WORKERS);
    db->wake = loop_wake_new(options->loop, on_wake, db);
    list_init(&db->done);
    pthread_mutex_init(&db->done_lock, NULL);
    pthread_mutex_init(&db->migrate_lock, NULL);
    pthread_mutex_init(&db->write_mutex, NULL);
    db->write_lock = &db->write_mutex;
    db->workers = mem_calloc(db->worker_count, sizeof(*db->workers));
    for (uint32_t i = 0; i < db->worker_count; i++) {
        sql_worker_start(db, &db->workers[i]);
    }
    return db;
}

void sql_free(struct sql *db)
{
    struct list_node *node;
    if (!db) {
        return;
    }
    for (uint32_t i = 0; i < db->worker_count; i++) {
        sql_worker_stop(&db->workers[i]);
    }
    while ((node = list_pop(&db->done))) {
        sql_job_free(CONTAINER_OF(node, struct sql_job, link));
    }
    loop_wake_free(db->wake);
    pthread_mutex_destroy(&db->done_lock);
    pthread_mutex_destroy(&db->migrate_lock);
    pthread_mutex_destroy(&db->write_mutex);
    mem_free(db->workers);
    mem_free(db->target);
    mem_free(db->name);
    mem_free(db);
}
