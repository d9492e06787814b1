/* Statements that remove up to ARCHIVE_CHUNK rows, repeated until one finds less. */
#include "trim.h"

#include "archive_store.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/timer.h"
#include "metric/metric.h"
#include "offline_store.h"
#include "xep0441_prefs.h"

#define RUN_MS    600000 /* ten minutes */
#define MAX_GROWN 10000  /* accounts; more make it run early */

struct trim {
    struct archive *archive;
    struct map grown; /* accounts; the value is of no use */
    struct loop_timer timer;
    struct list_node shorter; /* struct chore.node: the first one is at the database */
    struct list_node forgetting;
    bool is_expiring;
};

/* An account with too much, or all of it to go. */
struct chore {
    struct list_node node;
    struct trim *trim;
    void (*done)(void *arg, bool ok);
    void *arg;
    struct span account;
    char text[];
};

static struct chore *chore_new(struct trim *trim, struct list_node *list, struct span account)
{
    struct chore *chore = mem_calloc(1, sizeof(*chore) + account.len);

    chore->trim = trim;
    memcpy(chore->text, account.data, account.len);
    chore->account = span_of(chore->text, account.len);
    list_add_tail(list, &chore->node);
    return chore;
}

static void chore_free(struct chore *chore)
{
    list_remove(&chore->node);
    mem_free(chore);
}

static bool is_more(const struct sql_result *result)
{
    if (sql_status(result) != SQL_OK)
        return false;
    metric_add(METRIC_archive_removed, (uint64_t)sql_affected(result));
    return sql_affected(result) >= ARCHIVE_CHUNK;
}

/* ---- too old ---- */

static void expire(struct trim *trim);

static void on_expired(void *arg, const struct sql_result *result)
{
    struct trim *trim = arg;

    trim->is_expiring = false;
    if (is_more(result))
        expire(trim);
}

static void expire(struct trim *trim)
{
    uint64_t now = clock_real_ms();
    uint64_t max_age_ms = trim->archive->limits.max_age_ms;

    if (max_age_ms == 0 || max_age_ms > now || trim->is_expiring)
        return;
    trim->is_expiring = true;
    archive_store_expire(trim->archive->sql, now - max_age_ms, on_expired, trim);
}

/* ---- too many ---- */

static void shorten(struct chore *chore);

static void on_shorter(void *arg, const struct sql_result *result)
{
    struct chore *chore = arg;
    struct trim *trim = chore->trim;
    struct list_node *next;

    if (is_more(result)) {
        shorten(chore);
        return;
    }
    chore_free(chore);
    next = list_first(&trim->shorter);
    if (next)
        shorten(CONTAINER_OF(next, struct chore, node));
}

static void shorten(struct chore *chore)
{
    struct archive *archive = chore->trim->archive;

    archive_store_shorten(archive->sql, chore->account, archive->limits.max_messages, on_shorter,
                          chore);
}

static void shorten_all(struct trim *trim)
{
    bool is_idle = list_is_empty(&trim->shorter);
    struct map_cursor at = {0};
    struct span account;

    while (map_next(&trim->grown, &at, &account, NULL))
        chore_new(trim, &trim->shorter, account);
    map_deinit(&trim->grown);
    map_init(&trim->grown);
    if (is_idle && !list_is_empty(&trim->shorter))
        shorten(CONTAINER_OF(list_first(&trim->shorter), struct chore, node));
}

void trim_note(struct trim *trim, struct span account)
{
    if (trim->archive->limits.max_messages == 0)
        return;
    map_put(&trim->grown, account, trim);
    if (map_count(&trim->grown) >= MAX_GROWN && list_is_empty(&trim->shorter))
        shorten_all(trim);
}

void trim_run(struct trim *trim)
{
    expire(trim);
    shorten_all(trim);
}

static void on_timer(void *arg)
{
    trim_run(arg);
}

/* ---- everything ---- */

static void on_forgotten(void *arg, const struct sql_result *result)
{
    struct chore *chore = arg;
    struct archive *archive = chore->trim->archive;
    bool ok = sql_status(result) == SQL_OK;

    if (is_more(result)) {
        archive_store_forget(archive->sql, chore->account, on_forgotten, chore);
        return;
    }
    if (!ok)
        LOG_ERROR("rows-of-removed-account-stay", "table=archive");
    if (chore->done)
        chore->done(chore->arg, ok);
    chore_free(chore);
    archive_end(archive);
}

static void on_rest_forgotten(void *arg, enum sql_status status)
{
    struct chore *chore = arg;
    struct archive *archive = chore->trim->archive;

    if (status == SQL_OK) {
        archive_store_forget(archive->sql, chore->account, on_forgotten, chore);
        return;
    }
    LOG_ERROR("rows-of-removed-account-stay", "table=offline");
    if (chore->done)
        chore->done(chore->arg, false);
    chore_free(chore);
    archive_end(archive);
}

/* On a worker. */
static int forget_rest(struct sql_conn *conn, void *arg)
{
    const struct chore *chore = arg;

    return offline_store_forget(conn, chore->account) == 0 &&
                   prefs_remove(conn, chore->account) == 0
               ? 0
               : -1;
}

void trim_forget(struct trim *trim, struct span account, void (*done)(void *arg, bool ok),
                 void *arg)
{
    struct chore *chore = chore_new(trim, &trim->forgetting, account);

    chore->done = done;
    chore->arg = arg;
    archive_begin(trim->archive);
    prefs_forget(trim->archive->prefs, account);
    sql_transaction(trim->archive->sql, offline_key(account), forget_rest, on_rest_forgotten,
                    chore);
}

/* ---- life ---- */

struct trim *trim_new(struct archive *archive)
{
    struct trim *trim = mem_calloc(1, sizeof(*trim));

    trim->archive = archive;
    map_init(&trim->grown);
    list_init(&trim->shorter);
    list_init(&trim->forgetting);
    loop_timer_init(&trim->timer, archive->daemon->loop, on_timer, trim);
    loop_timer_start(&trim->timer, RUN_MS, RUN_MS);
    return trim;
}

void trim_free(struct trim *trim)
{
    if (!trim)
        return;
    loop_timer_stop(&trim->timer);
    LIST_FOREACH_SAFE(node, &trim->shorter)
    {
        mem_free(CONTAINER_OF(node, struct chore, node));
    }
    LIST_FOREACH_SAFE(node, &trim->forgetting)
    {
        mem_free(CONTAINER_OF(node, struct chore, node));
    }
    map_deinit(&trim->grown);
    mem_free(trim);
}
