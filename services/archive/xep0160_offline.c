/* Deliveries, one account at a time, and what starts them. */
#include "xep0160_offline.h"

#include "awake.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/timer.h"
#include "metric/metric.h"
#include "offline_deliver.h"
#include "offline_store.h"
#include "write.h"

#define SWEEP_MS    2000
#define RETRY_MS    2000   /* while Redis is away */
#define MAX_READERS 100000 /* sessions that have read their archive and not come yet */

/* An account that was stored for in this commit. */
struct check {
    struct list_node node;
    struct offline *offline;
    struct list_node stored; /* struct kept.node */
    struct span account;
    char text[];
};

struct offline {
    struct archive *archive;
    struct deliverer *deliverer;
    struct list_node checks;   /* struct check.node: not asked yet */
    struct list_node asked;    /* struct check.node */
    struct list_node sweeping; /* struct sweep.node */
    struct map64 readers;      /* sid to a horizon_ms of its own */
    struct loop_timer sweep;
};

/* ---- a session came ---- */

static void on_started(void *arg)
{
    taken_end(arg);
}

static uint64_t take_reader(struct offline *offline, uint64_t sid)
{
    uint64_t *horizon = map64_remove(&offline->readers, sid);
    uint64_t horizon_ms = horizon ? *horizon : 0;

    mem_free(horizon);
    return horizon_ms;
}

void offline_came(struct offline *offline, struct bus_peer *peer, uint64_t token,
                  const struct wire_msg *msg)
{
    const struct wire_came *item = &msg->u.came;
    struct taken *came = taken_new(offline->archive, peer, token, sizeof(*came));

    deliverer_start(offline->deliverer, item->account, take_reader(offline, item->sid), on_started,
                    came);
}

static void forget_readers(struct offline *offline)
{
    struct map_cursor at = {0};
    void *value;

    while (map64_next(&offline->readers, &at, NULL, &value))
        mem_free(value);
    map64_deinit(&offline->readers);
    map64_init(&offline->readers);
}

/* Who is forgotten gets its messages twice, which is better than not at all. */
void offline_reader(struct offline *offline, uint64_t sid, uint64_t horizon_ms)
{
    uint64_t *horizon;

    if (map64_count(&offline->readers) >= MAX_READERS)
        forget_readers(offline);
    horizon = mem_alloc(sizeof(*horizon));
    *horizon = horizon_ms;
    mem_free(map64_put(&offline->readers, sid, horizon));
}

/* ---- stored, and perhaps too late ---- */

static struct check *check_find(struct offline *offline, struct span account)
{
    struct check *check;

    LIST_FOREACH(node, &offline->checks)
    {
        check = CONTAINER_OF(node, struct check, node);
        if (span_eq(check->account, account))
            return check;
    }
    check = mem_calloc(1, sizeof(*check) + account.len);
    check->offline = offline;
    memcpy(check->text, account.data, account.len);
    check->account = span_of(check->text, account.len);
    list_init(&check->stored);
    list_add_tail(&offline->checks, &check->node);
    return check;
}

/* One that came back is due by its own transaction. */
void offline_stored(struct offline *offline, struct kept *kept)
{
    if (kept->flags & WIRE_KEEP_AGAIN)
        kept_finish(kept);
    else
        list_add_tail(&check_find(offline, kept->account)->stored, &kept->node);
}

static void check_end(void *arg)
{
    struct check *check = arg;
    struct list_node *node;

    while ((node = list_pop(&check->stored)) != NULL)
        kept_finish(CONTAINER_OF(node, struct kept, node));
    list_remove(&check->node);
    mem_free(check);
}

static void on_due_noted(void *arg, const struct sql_result *result)
{
    (void)result; /* no worse than a user who has not come yet */
    check_end(arg);
}

static void on_awake(void *arg, enum awake awake)
{
    struct check *check = arg;
    struct offline *offline = check->offline;

    if (offline->archive->is_closing)
        return;
    if (awake == AWAKE_YES) {
        metric_inc(METRIC_archive_offline_raced);
        deliverer_start(offline->deliverer, check->account, 0, check_end, check);
    } else if (awake == AWAKE_UNKNOWN) {
        offline_store_due(offline->archive->sql, check->account, clock_real_ms() + RETRY_MS,
                          on_due_noted, check);
    } else {
        check_end(check);
    }
}

void offline_stored_all(struct offline *offline)
{
    struct list_node *node;

    while ((node = list_pop(&offline->checks)) != NULL) {
        struct check *check = CONTAINER_OF(node, struct check, node);

        list_add_tail(&offline->asked, &check->node);
        awake_ask(offline->archive->redis, check->account, on_awake, check);
    }
}

/* ---- accounts that are due ---- */

struct sweep {
    struct list_node node;
    struct offline *offline;
    struct span account;
    char text[];
};

static void sweep_end(void *arg)
{
    struct sweep *sweep = arg;

    list_remove(&sweep->node);
    mem_free(sweep);
}

static void on_swept(void *arg, enum awake awake)
{
    struct sweep *sweep = arg;
    struct offline *offline = sweep->offline;

    if (offline->archive->is_closing)
        return;
    if (awake == AWAKE_YES) {
        deliverer_start(offline->deliverer, sweep->account, 0, sweep_end, sweep);
        return;
    }
    if (awake == AWAKE_NO)
        offline_store_not_due(offline->archive->sql, sweep->account);
    sweep_end(sweep);
}

static void on_due(void *arg, const struct sql_result *result)
{
    struct offline *offline = arg;

    if (sql_status(result) != SQL_OK)
        return;
    for (size_t i = 0; i < sql_rows(result); i++) {
        struct span account = sql_get_span(result, i, 0);
        struct sweep *sweep = mem_calloc(1, sizeof(*sweep) + account.len);

        sweep->offline = offline;
        memcpy(sweep->text, account.data, account.len);
        sweep->account = span_of(sweep->text, account.len);
        list_add_tail(&offline->sweeping, &sweep->node);
        awake_ask(offline->archive->redis, sweep->account, on_swept, sweep);
    }
}

static void on_sweep(void *arg)
{
    struct offline *offline = arg;

    if (list_is_empty(&offline->sweeping) && redis_is_up(offline->archive->redis))
        offline_store_list_due(offline->archive->sql, on_due, offline);
}

/* ---- life ---- */

struct offline *offline_new(struct archive *archive)
{
    struct offline *offline = mem_calloc(1, sizeof(*offline));

    offline->archive = archive;
    offline->deliverer = deliverer_new(archive);
    list_init(&offline->checks);
    list_init(&offline->asked);
    list_init(&offline->sweeping);
    map64_init(&offline->readers);
    loop_timer_init(&offline->sweep, archive->daemon->loop, on_sweep, offline);
    loop_timer_start(&offline->sweep, SWEEP_MS, SWEEP_MS);
    return offline;
}

void offline_free(struct offline *offline)
{
    struct list_node *node;

    if (!offline)
        return;
    loop_timer_stop(&offline->sweep);
    deliverer_free(offline->deliverer);
    while ((node = list_pop(&offline->checks)) != NULL)
        mem_free(CONTAINER_OF(node, struct check, node));
    while ((node = list_pop(&offline->asked)) != NULL)
        mem_free(CONTAINER_OF(node, struct check, node));
    while ((node = list_pop(&offline->sweeping)) != NULL)
        mem_free(CONTAINER_OF(node, struct sweep, node));
    forget_readers(offline);
    map64_deinit(&offline->readers);
    mem_free(offline);
}
