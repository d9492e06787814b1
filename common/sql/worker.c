/* A worker thread: keeps one connection, runs jobs in order, and decides what a lost connection
 * means for the job under way. */
#include "sql/sql_internal.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"

#include <time.h>

#define DELAY_FIRST_MS 50
#define DELAY_MAX_MS   2000

/* ---- connection ---- */
/* Says a loss once for all workers, and once that it is over. */
static void tell(struct sql *db, bool is_down, const char *why)
{
    pthread_mutex_lock(&db->migrate_lock);
    bool is_news = db->was_told_down != is_down;
    db->was_told_down = is_down;
    pthread_mutex_unlock(&db->migrate_lock);
    if (is_news && is_down) {
        LOG_WARN("sql_down", "reason=%s", why);
    } else if (is_news) {
        LOG_INFO("sql_up", "");
    }
}

static void disconnect(struct sql_worker *worker)
{
    if (worker->native) {
        worker->db->backend->close(worker->native);
        worker->native = NULL;
    }
}

static enum sql_status migrate_once(struct sql_worker *worker)
{
    struct sql *db = worker->db;
    enum sql_status status = SQL_OK;
    pthread_mutex_lock(&db->migrate_lock);
    if (!db->is_migrated) {
        status = sql_migrate(db, worker->native);
        db->is_migrated = status == SQL_OK;
    }
    pthread_mutex_unlock(&db->migrate_lock);
    return status;
}

/* 0 and a connection that is of use, or -1 and the time of the next try. */
static int connect_now(struct sql_worker *worker)
{
    char error[SQL_ERROR_SIZE] = "";
    struct sql *db = worker->db;
    worker->native = db->backend->open(db, error, sizeof(error));
    if (worker->native && migrate_once(worker) == SQL_OK) {
        worker->delay_ms = DELAY_FIRST_MS;
        worker->used_ms = clock_mono_ms();
        atomic_store(&db->is_ready, true);
        tell(db, false, "");
        return 0;
    }
    tell(db, true, worker->native ? "schema cannot be brought up to date" : error);
    atomic_store(&db->is_ready, false);
    disconnect(worker);
    worker->next_try_ms = clock_mono_ms() + worker->delay_ms;
    worker->delay_ms = worker->delay_ms * 2 < DELAY_MAX_MS ? worker->delay_ms * 2 : DELAY_MAX_MS;
    return -1;
}

static void wait_until(struct sql_worker *worker, uint64_t mono_ms)
{
    struct timespec at = {.tv_sec = (time_t)(mono_ms / 1000),
                          .tv_nsec = (long)(mono_ms % 1000) * 1000000L};
    pthread_cond_timedwait(&worker->wake, &worker->lock, &at);
}

/* Connected when it returns 0; -1: not before `give_up_ms`. */
static int ensure_connected(struct sql_worker *worker, uint64_t give_up_ms)
{
    const struct sql_backend *backend = worker->db->backend;
    uint64_t now = clock_mono_ms();
    if (worker->native && backend->is_broken(worker->native, now - worker->used_ms)) {
        disconnect(worker);
    }
    while (!worker->native) {
        if (now >= worker->next_try_ms && connect_now(worker) == 0) {
            break;
        }
        now = clock_mono_ms();
        pthread_mutex_lock(&worker->lock);
        bool is_over = worker->is_quitting || now >= give_up_ms;
        if (!is_over) {
            wait_until(worker, worker->next_try_ms < give_up_ms ? worker->next_try_ms : give_up_ms);
        }
        pthread_mutex_unlock(&worker->lock);
        if (is_over) {
            return -1;
        }
        now = clock_mono_ms();
    }
    worker->used_ms = now;
    return 0;
}

/* ---- jobs ---- */
static bool is_select(const char *text)
{
    return span_has_prefix(span_cstr(text), SPAN("SELECT"));
}

/* The result of a statement; *again_out when it may be run once more on a new connection. */
static struct sql_result *run_statement(struct sql_worker *worker, const struct sql_job *job,
                                        bool *again_out)
{
    const struct sql_backend *backend = worker->db->backend;
    struct sql_result *result = backend->exec(worker->native, &job->statement);
    *again_out = false;
    if (result->status != SQL_OK && backend->is_broken(worker->native, 0)) {
        disconnect(worker);
        result->status = SQL_DOWN;
        *again_out = is_select(job->statement.text);
    } else if (result->is_transient) {
        *again_out = true;
    }
    return result;
}

static void conn_reset(struct sql_conn *conn)
{
    struct list_node *node;
    while ((node = list_pop(&conn->results))) {
        sql_result_free(CONTAINER_OF(node, struct sql_result, link));
    }
    conn->status = SQL_OK;
    conn->is_transient = false;
}

const struct sql_result *sql_exec(struct sql_conn *conn, const struct sql_statement *statement)
{
    struct sql_result *result = conn->status == SQL_OK
                                    ? conn->backend->exec(conn->native, statement)
                                    : sql_result_new(conn->status);
    list_add_tail(&conn->results, &result->link);
    if (conn->status == SQL_OK) {
        conn->status = result->status;
        conn->is_transient = result->is_transient;
    }
    return result;
}

/* One attempt; *again_out when another one is worth it and safe. */
static enum sql_status attempt(struct sql_worker *worker, struct sql_conn *conn,
                               const struct sql_job *job, bool *again_out)
{
    const struct sql_backend *backend = worker->db->backend;
    bool is_committing = false;
    enum sql_status status = backend->begin(worker->native);
    *again_out = false;
    if (status == SQL_OK) {
        conn->native = worker->native;
        int wish = job->work(conn, job->arg);
        status = conn->status == SQL_OK && wish != 0 ? SQL_ROLLED_BACK : conn->status;
        is_committing = status == SQL_OK;
        if (is_committing) {
            status = backend->commit(worker->native);
        } else {
            backend->rollback(worker->native);
        }
        *again_out = conn->is_transient;
    }
    conn_reset(conn);
    if (status != SQL_OK && backend->is_broken(worker->native, 0)) {
        disconnect(worker);
        *again_out = !is_committing;
        status = SQL_DOWN;
    }
    return status;
}

static bool has_time(const struct sql_job *job)
{
    return clock_mono_ms() < job->give_up_ms;
}

static void run_job(struct sql_worker *worker, struct sql_job *job)
{
    struct sql_conn conn = {.backend = worker->db->backend};
    bool again = true;
    list_init(&conn.results);
    job->status = SQL_DOWN;
    for (int tries = 0; again && tries < SQL_MAX_ATTEMPTS; tries++) {
        if (ensure_connected(worker, job->give_up_ms) != 0) {
            break;
        }
        sql_result_free(job->result);
        job->result = NULL;
        if (job->statement.text) {
            job->result = run_statement(worker, job, &again);
        } else {
            job->status = attempt(worker, &conn, job, &again);
        }
        again = again && has_time(job);
    }
    if (job->statement.text && !job->result) {
        job->result = sql_result_new(SQL_DOWN);
    }
}

/* The next job; NULL when it is time to connect or to quit. */
static struct sql_job *next_job(struct sql_worker *worker, bool *quit_out)
{
    pthread_mutex_lock(&worker->lock);
    while (list_is_empty(&worker->queue) && !worker->is_quitting) {
        if (worker->native) {
            pthread_cond_wait(&worker->wake, &worker->lock);
        } else if (clock_mono_ms() < worker->next_try_ms) {
            wait_until(worker, worker->next_try_ms);
        } else {
            break;
        }
    }
    *quit_out = worker->is_quitting;
    struct list_node *node = worker->is_quitting ? NULL : list_pop(&worker->queue);
    pthread_mutex_unlock(&worker->lock);
    return node ? CONTAINER_OF(node, struct sql_job, link) : NULL;
}

static void *worker_main(void *arg)
{
    struct sql_worker *worker = arg;
    for (;;) {
        bool is_quitting = false;
        struct sql_job *job = next_job(worker, &is_quitting);
        if (is_quitting) {
            break;
        }
        if (job) {
            run_job(worker, job);
            sql_job_done(worker->db, job);
        } else {
            connect_now(worker);
        }
    }
    disconnect(worker);
    return NULL;
}

/* ---- start and stop, on the loop's thread ---- */
void sql_worker_start(struct sql *db, struct sql_worker *worker)
{
    pthread_condattr_t attr;
    worker->db = db;
    worker->delay_ms = DELAY_FIRST_MS;
    list_init(&worker->queue);
    pthread_mutex_init(&worker->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&worker->wake, &attr);
    pthread_condattr_destroy(&attr);
    ASSERT(pthread_create(&worker->thread, NULL, worker_main, worker) == 0);
}

void sql_worker_give(struct sql_worker *worker, struct sql_job *job)
{
    pthread_mutex_lock(&worker->lock);
    list_add_tail(&worker->queue, &job->link);
    pthread_cond_signal(&worker->wake);
    pthread_mutex_unlock(&worker->lock);
}

void sql_worker_stop(struct sql_worker *worker)
{
    struct list_node *node;
    pthread_mutex_lock(&worker->lock);
    worker->is_quitting = true;
    pthread_cond_signal(&worker->wake);
    pthread_mutex_unlock(&worker->lock);
    pthread_join(worker->thread, NULL);
    while ((node = list_pop(&worker->queue))) {
        sql_job_free(CONTAINER_OF(node, struct sql_job, link));
    }
    pthread_cond_destroy(&worker->wake);
    pthread_mutex_destroy(&worker->lock);
}
