/* Collecting, committing, and what follows a commit. */
#include "write.h"

#include "archive_store.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "loop/timer.h"
#include "metric/metric.h"
#include "offline_store.h"
#include "trim.h"
#include "xep0160_offline.h"
#include "xep0441_prefs.h"

#define MAX_BATCH   256
#define PATIENCE_MS 1000
#define PAUSE_MS    250 /* after a transaction that failed, before it is tried again */
#define LANE        0   /* all transactions go to the same worker, in order */

struct writer {
    struct archive *archive;
    struct list_node waiting; /* struct kept.node */
    struct list_node writing;
    struct list_node alone; /* failed together: each is tried by itself */
    size_t waiting_count;
    bool is_pausing; /* until `timer` ends */
    uint64_t began_ms;
    uint64_t stamped_ms;
    struct loop_timer timer;
    struct loop_timer patience;
};

/* ---- the end of a message ---- */

void kept_finish(struct kept *kept)
{
    list_remove(&kept->node);
    taken_end(&kept->taken);
}

static void on_told(void *arg)
{
    kept_finish(arg);
}

/* The archive of the sender stays silent: the recipient's tells him. */
void kept_refuse(struct kept *kept, const char *condition, const char *text)
{
    struct service_forward forward = {.sent = on_told, .arg = kept};
    struct arena arena = {0};
    struct stanza stanza;
    struct stanza reply;

    metric_inc(METRIC_archive_refused);
    LOG_INFO("not-kept", "account=%.*s origin=%016llx-%llu condition=%s", SPAN_ARG(kept->account),
             (unsigned long long)kept->origin_sid, (unsigned long long)kept->origin_n, condition);
    if ((kept->flags & WIRE_KEEP_SENT) || stanza_decode(kept->stanza, &arena, &stanza) != 0 ||
        !stanza_may_bounce(&stanza)) {
        kept_finish(kept);
    } else {
        if (span_is_empty(stanza.to))
            stanza.to = kept->account;
        stanza_make_error(&stanza, condition, text, &arena, &reply);
        forward.stanza = &reply;
        service_forward(kept->taken.archive->service, &forward);
    }
    arena_deinit(&arena);
}

/* ---- committing ---- */

/* On a worker. */
static int write_one(struct sql_conn *conn, struct kept *kept)
{
    kept->outcome = WRITE_DONE;
    if ((kept->flags & WIRE_KEEP_OFFLINE) && offline_store_put(conn, kept) != 0)
        return -1;
    if (kept->outcome == WRITE_DONE && (kept->flags & WIRE_KEEP_ARCHIVE) &&
        archive_store_put(conn, kept) != 0)
        return -1;
    return 0;
}

static int write_all(struct sql_conn *conn, void *arg)
{
    struct writer *writer = arg;

    LIST_FOREACH(node, &writer->writing)
    {
        if (write_one(conn, CONTAINER_OF(node, struct kept, node)) != 0)
            return -1;
    }
    return 0;
}

static void begin(struct writer *writer);

static void kept_written(struct kept *kept)
{
    struct archive *archive = kept->taken.archive;

    if (kept->flags & WIRE_KEEP_ARCHIVE) {
        prefs_learn(archive->prefs, kept);
        trim_note(archive->trim, kept->account);
    }
    if (kept->outcome == WRITE_FULL) {
        metric_inc(METRIC_archive_offline_full);
        kept_refuse(kept, "service-unavailable", NULL);
    } else if (kept->flags & WIRE_KEEP_OFFLINE) {
        metric_inc(METRIC_archive_offline_stored);
        offline_stored(archive->offline, kept);
    } else {
        kept_finish(kept);
    }
}

static void refuse_down(struct kept *kept)
{
    kept_refuse(kept, "resource-constraint", "The message could not be stored. Try again soon.");
}

/* What failed together may hold one message the database does not like. */
static void part(struct writer *writer, struct list_node *failed)
{
    struct list_node *node = list_first(failed);
    bool is_one = node && node->next == failed;

    while ((node = list_pop(failed)) != NULL) {
        if (is_one)
            kept_refuse(CONTAINER_OF(node, struct kept, node), "internal-server-error", NULL);
        else
            list_add_tail(&writer->alone, node);
    }
}

static void move_all(struct list_node *from, struct list_node *to)
{
    struct list_node *node;

    list_init(to);
    while ((node = list_pop(from)) != NULL)
        list_add_tail(to, node);
}

/* The database could not be reached, or could not commit (a full disk): what has time left goes to the
 * front of what waits, and stays in `failed` otherwise. Written twice is written once. */
static void put_back(struct writer *writer, struct list_node *failed)
{
    const struct archive *archive = writer->archive;
    uint64_t now = loop_now_ms(archive->daemon->loop);
    struct list_node late;
    struct list_node again;
    struct list_node *node;

    list_init(&late);
    list_init(&again);
    while ((node = list_pop(failed)) != NULL) {
        const struct kept *kept = CONTAINER_OF(node, struct kept, node);
        bool has_time = now - kept->since_ms < archive->limits.retry_for_ms;

        list_add_tail(has_time ? &again : &late, node);
        writer->waiting_count += has_time;
    }
    writer->is_pausing = !list_is_empty(&again);
    while ((node = list_pop(&writer->waiting)) != NULL)
        list_add_tail(&again, node);
    move_all(&again, &writer->waiting);
    move_all(&late, failed);
    if (writer->is_pausing)
        loop_timer_start(&writer->timer, PAUSE_MS, 0);
}

static void on_written(void *arg, enum sql_status status)
{
    struct writer *writer = arg;
    struct list_node done;
    struct list_node *node;

    move_all(&writer->writing, &done);
    if (status == SQL_DOWN)
        put_back(writer, &done);
    else if (status != SQL_OK)
        part(writer, &done);
    while ((node = list_pop(&done)) != NULL) {
        struct kept *kept = CONTAINER_OF(node, struct kept, node);

        if (status == SQL_OK)
            kept_written(kept);
        else
            refuse_down(kept);
    }
    offline_stored_all(writer->archive->offline);
    begin(writer);
}

static void collect(struct writer *writer)
{
    struct list_node *node;
    uint32_t count = 0;

    if ((node = list_pop(&writer->alone)) != NULL) {
        list_add_tail(&writer->writing, node);
        return;
    }
    while (count < MAX_BATCH && (node = list_pop(&writer->waiting)) != NULL) {
        list_add_tail(&writer->writing, node);
        writer->waiting_count--;
        count++;
    }
    metric_add(METRIC_archive_written, count);
}

static void begin(struct writer *writer)
{
    uint64_t now = loop_now_ms(writer->archive->daemon->loop);
    uint64_t due = writer->began_ms + writer->archive->limits.linger_ms;

    if (writer->is_pausing || !list_is_empty(&writer->writing) ||
        (list_is_empty(&writer->waiting) && list_is_empty(&writer->alone)))
        return;
    if (now < due && writer->waiting_count < MAX_BATCH) {
        if (!loop_timer_is_active(&writer->timer))
            loop_timer_start(&writer->timer, (uint32_t)(due - now), 0);
        return;
    }
    loop_timer_stop(&writer->timer);
    writer->began_ms = now;
    collect(writer);
    metric_inc(METRIC_archive_commits);
    sql_transaction(writer->archive->sql, LANE, write_all, on_written, writer);
}

static void on_timer(void *arg)
{
    struct writer *writer = arg;

    writer->is_pausing = false;
    begin(writer);
}

/* Who has waited for too long behind a transaction that does not end, waits no longer. */
static void on_patience(void *arg)
{
    struct writer *writer = arg;
    struct archive *archive = writer->archive;
    uint64_t now = loop_now_ms(archive->daemon->loop);

    while (!list_is_empty(&writer->waiting)) {
        struct kept *kept = CONTAINER_OF(list_first(&writer->waiting), struct kept, node);

        if (now - kept->since_ms < archive->limits.retry_for_ms + PATIENCE_MS)
            break;
        list_remove(&kept->node);
        writer->waiting_count--;
        refuse_down(kept);
    }
}

/* ---- taking ---- */

/* The time as messages are stamped with it: it never goes back. */
static uint64_t now_ms(struct writer *writer)
{
    uint64_t now = clock_real_ms();

    if (now > writer->stamped_ms)
        writer->stamped_ms = now;
    return writer->stamped_ms;
}

static struct kept *kept_new(struct archive *archive, struct bus_peer *peer, uint64_t token,
                             const struct wire_keep *item)
{
    size_t size = sizeof(struct kept) + item->account.len + item->uid.len + item->stanza.len;
    struct kept *kept = taken_new(archive, peer, token, size);
    char *at = kept->bytes;
    const struct span *const from[] = {&item->account, &item->uid, &item->stanza};
    struct span *const to[] = {&kept->account, &kept->uid, &kept->stanza};

    for (size_t i = 0; i < sizeof(to) / sizeof(to[0]); i++) {
        *to[i] = span_of(at, from[i]->len);
        if (from[i]->len > 0)
            memcpy(at, from[i]->data, from[i]->len);
        at += from[i]->len;
    }
    list_init(&kept->node);
    kept->origin_sid = item->origin_sid;
    kept->origin_n = item->origin_n;
    kept->flags = item->flags;
    kept->at_ms = now_ms(archive->writer);
    kept->since_ms = loop_now_ms(archive->daemon->loop);
    kept->max_offline = archive->limits.max_offline;
    prefs_recall(archive->prefs, kept);
    return kept;
}

void writer_item(struct writer *writer, struct bus_peer *peer, uint64_t token,
                 const struct wire_msg *msg)
{
    const struct wire_keep *item = &msg->u.keep;
    struct archive *archive = writer->archive;
    struct kept *kept;

    if (item->uid.len != WRITE_UID_SIZE || span_is_empty(item->account)) {
        LOG_ERROR("bad-keep-item", "router=%s", bus_peer_instance(peer));
        bus_settle(peer, token);
        return;
    }
    kept = kept_new(archive, peer, token, item);
    if (writer->waiting_count >= archive->limits.max_waiting) {
        refuse_down(kept);
        return;
    }
    list_add_tail(&writer->waiting, &kept->node);
    writer->waiting_count++;
    begin(writer);
}

uint64_t writer_horizon_ms(const struct writer *writer)
{
    const struct list_node *first = list_first(&writer->writing);

    if (!first)
        first = list_first(&writer->alone);
    if (!first)
        first = list_first(&writer->waiting);
    return (first ? CONTAINER_OF(first, struct kept, node)->at_ms : clock_real_ms()) - 1;
}

/* ---- life ---- */

struct writer *writer_new(struct archive *archive)
{
    struct writer *writer = mem_calloc(1, sizeof(*writer));

    writer->archive = archive;
    list_init(&writer->waiting);
    list_init(&writer->writing);
    list_init(&writer->alone);
    loop_timer_init(&writer->timer, archive->daemon->loop, on_timer, writer);
    loop_timer_init(&writer->patience, archive->daemon->loop, on_patience, writer);
    loop_timer_start(&writer->patience, PATIENCE_MS, PATIENCE_MS);
    return writer;
}

void writer_free(struct writer *writer)
{
    if (!writer)
        return;
    loop_timer_stop(&writer->timer);
    loop_timer_stop(&writer->patience);
    mem_free(writer); /* the messages go with archive->taken */
}
