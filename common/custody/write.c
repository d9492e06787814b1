/* Queues to Redis: what was added to a queue in this turn of the loop leaves as one XADD, and all
 * queues' commands leave in one write. What Redis has is shown to clients when it says so. An entry's id is never used twice, also when a command has to
 * be sent again: then the stanzas may be there twice, under the same numbers. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "bus/wire.h"
#include "custody/custody_internal.h"
#include "custody/remember.h"
#include "jid/jid.h"
#include "metric/metric.h"
#include "redis/redis.h"
#include "registry/registry.h"

#include <inttypes.h>

#define ENTRY_MAX      128    /* stanzas */
#define ENTRY_BYTES    262144 /* after so many the next stanza begins an entry of its own */
#define WRITE_AGAIN_MS 250
#define WRITES_MAX     64 /* commands of one queue under way: the rest waits for answers */

/* A command under way. */
struct write {
    struct list_node node;       /* in queue->writes */
    struct custody_queue *queue; /* NULL: closed meanwhile */
    uint64_t first;              /* first > last: no stanzas */
    uint64_t last;
    uint64_t handled;
};

static struct span key_of(const struct custody_queue *queue)
{
    return registry_queue_key(jid_bare(span_cstr(queue->account)), queue->sid, queue->epoch,
                              &queue->custody->arena);
}

static void again_later(struct custody *custody)
{
    if (!loop_timer_is_active(&custody->write_again))
        loop_timer_start(&custody->write_again, WRITE_AGAIN_MS, 0);
}

/* ---- answers ---- */

static void succeed(struct custody_queue *queue, const struct write *write)
{
    bool is_news = write->handled > queue->handled_kept;
    if (is_news)
        queue->handled_kept = write->handled;
    /* Behind a command that failed nothing counts: it is written once more. */
    if (write->first <= queue->kept + 1 && write->last > queue->kept)
        queue->kept = write->last;
    queue_settle(queue, queue->kept);
    if (is_news && queue->user->handled)
        queue->user->handled(queue->arg);
}

static void fail(struct custody_queue *queue, const struct redis_reply *reply)
{
    struct custody *custody = queue->custody;
    if (redis_type(reply) == REDIS_ERROR)
        LOG_ERROR("queue-write", "text=\"%.*s\"", SPAN_ARG(redis_text(reply)));
    metric_inc(METRIC_custody_failed_writes);
    queue->written = queue->kept;
    queue->wants_state = true;
    if (queue->is_open && !list_is_linked(&queue->dirty))
        list_add_tail(&custody->dirty, &queue->dirty);
    again_later(custody);
    queue_show(queue, queue->last); /* live delivery goes on */
}

static void on_written(void *arg, const struct redis_reply *reply)
{
    struct write *write = arg;
    struct custody_queue *queue = write->queue;
    struct write done = *write;
    list_remove(&write->node);
    mem_free(write);
    if (!queue)
        return;
    if (redis_failed(reply))
        fail(queue, reply);
    else if (redis_type(reply) == REDIS_NIL)
        queue_lose(queue);
    else
        succeed(queue, &done);
}

void queue_forget_writes(struct custody_queue *queue)
{
    for (struct list_node *node; (node = list_pop(&queue->writes));)
        CONTAINER_OF(node, struct write, node)->queue = NULL;
}

/* ---- commands ---- */

/* An entry being made; the arrays are in custody->arena. */
struct entry {
    uint64_t origin_sids[ENTRY_MAX];
    uint64_t origin_ns[ENTRY_MAX];
    struct span stanzas[ENTRY_MAX];
    uint32_t count;
    size_t bytes;
    uint64_t first;
    uint64_t last;
};

static void gather(const struct custody_queue *queue, struct entry *entry)
{
    entry->first = queue->written + 1;
    entry->last = queue->written;
    LIST_FOREACH(node, &queue->pending)
    {
        const struct custody_pending *pending = CONTAINER_OF(node, struct custody_pending, node);
        const struct delivery *delivery = pending->delivery;
        if (pending->is_marker || pending->number <= queue->written)
            continue;
        if (entry->count == ENTRY_MAX || entry->bytes > ENTRY_BYTES)
            return;
        entry->origin_sids[entry->count] = delivery->origin_sid;
        entry->origin_ns[entry->count] = delivery->origin_n;
        entry->stanzas[entry->count++] = delivery_stanza(delivery);
        entry->bytes += delivery->stanza_len;
        entry->last = pending->number;
    }
}

static void encode(const struct custody_queue *queue, const struct entry *entry, struct buf *out)
{
    struct wire_msg msg = {
        .id = WIRE_ID_queue_record,
        .u.queue_record =
            {
                .handled = queue->handled,
                .acked = queue->acked,
                .at_ms = clock_real_ms(),
                .origin_sids = {entry->origin_sids, entry->count},
                .origin_ns = {entry->origin_ns, entry->count},
                .stanzas = {entry->stanzas, entry->count},
            },
    };
    buf_reset(out);
    wire_encode(&msg, out);
}

static struct write *write_new(struct custody_queue *queue, const struct entry *entry)
{
    struct write *write = mem_calloc(1, sizeof(*write));
    write->queue = queue;
    write->first = entry->first;
    write->last = entry->last;
    write->handled = queue->handled;
    list_add_tail(&queue->writes, &write->node);
    return write;
}

static void next_id(struct custody_queue *queue, uint64_t number)
{
    queue->id_part = number > queue->id_number ? 0 : queue->id_part + 1;
    if (number > queue->id_number)
        queue->id_number = number;
}

static struct span id_text(const struct custody_queue *queue)
{
    return arena_printf(&queue->custody->arena, "%" PRIu64 "-%" PRIu32, queue->id_number,
                        queue->id_part);
}

/* All before the id may go: the client has it, and has for long enough. The latest entry stays. */
static struct span trim_id(struct custody_queue *queue)
{
    uint64_t limit = queue->acked < queue->old_mark ? queue->acked : queue->old_mark;
    if (limit >= queue->id_number) {
        queue->trimmed = queue->id_number;
        return id_text(queue);
    }
    if (limit <= queue->trimmed)
        return (struct span){0};
    queue->trimmed = limit;
    return arena_printf(&queue->custody->arena, "%" PRIu64 "-0", limit + 1);
}

static void write_entry(struct custody_queue *queue, const struct entry *entry)
{
    struct custody *custody = queue->custody;
    next_id(queue, entry->last);
    struct span key = key_of(queue);
    struct span id = id_text(queue);
    struct span trim = trim_id(queue);
    encode(queue, entry, &custody->encoded);
    struct span whole[] = {
        SPAN("XADD"), key,       SPAN("NOMKSTREAM"),         SPAN("MINID"), SPAN("="), trim,
        id,           SPAN("d"), buf_span(&custody->encoded)};
    struct span plain[] = {SPAN("XADD"), key,       SPAN("NOMKSTREAM"),
                           id,           SPAN("d"), buf_span(&custody->encoded)};
    bool trims = trim.len > 0;
    redis_command(custody->options.redis, on_written, write_new(queue, entry), trims ? 9 : 6,
                  trims ? whole : plain);
    metric_inc(METRIC_custody_writes);
    metric_add(METRIC_custody_queued, entry->count);
    queue->written = entry->last;
    queue->acked_written = queue->acked;
    queue->wants_state = false;
    if (!list_is_linked(&queue->active))
        list_add_tail(&custody->active, &queue->active);
}

static bool is_busy(const struct custody_queue *queue)
{
    size_t count = 0;
    LIST_FOREACH(node, &queue->writes)
    {
        if (++count == WRITES_MAX)
            return true;
    }
    return false;
}

/* False when something is left for later. */
static bool write_queue(struct custody_queue *queue)
{
    struct entry entry;
    while (queue->written < queue->last || queue->wants_state) {
        if (is_busy(queue))
            return false;
        entry.count = 0;
        entry.bytes = 0;
        gather(queue, &entry);
        write_entry(queue, &entry);
    }
    return true;
}

/* Live delivery goes on while Redis is away. */
static void show_all(struct custody *custody)
{
    LIST_FOREACH_SAFE(node, &custody->dirty)
    {
        struct custody_queue *queue = CONTAINER_OF(node, struct custody_queue, dirty);
        queue_show(queue, queue->last);
    }
    if (!list_is_empty(&custody->dirty))
        again_later(custody);
}

void custody_write_dirty(void *arg)
{
    struct custody *custody = arg;
    struct list_node later;
    list_init(&later);
    arena_reset(&custody->arena);
    if (!redis_is_up(custody->options.redis)) {
        show_all(custody);
        return;
    }
    for (struct list_node *node; (node = list_pop(&custody->dirty));) {
        if (!write_queue(CONTAINER_OF(node, struct custody_queue, dirty)))
            list_add_tail(&later, node);
    }
    redis_flush(custody->options.redis);
    if (!list_is_empty(&later))
        again_later(custody);
    for (struct list_node *node; (node = list_pop(&later));)
        list_add_tail(&custody->dirty, node);
}

/* ---- trimming what nothing else trims ---- */

static bool has_to_trim(const struct custody_queue *queue)
{
    uint64_t limit = queue->acked < queue->old_mark ? queue->acked : queue->old_mark;
    return limit > queue->trimmed || queue->acked > queue->acked_written;
}

/* What was the last stanza two ticks ago has been kept long enough. The entry that trims also says
 * what is acknowledged. */
void custody_tick(void *arg)
{
    struct custody *custody = arg;
    loop_timer_start(&custody->tick, custody->options.keep_ms, 0);
    LIST_FOREACH_SAFE(node, &custody->active)
    {
        struct custody_queue *queue = CONTAINER_OF(node, struct custody_queue, active);
        queue->old_mark = queue->mark;
        queue->mark = queue->last;
        if (redis_is_up(custody->options.redis))
            remember_write(queue); /* before any of it is trimmed */
        if (has_to_trim(queue)) {
            queue->wants_state = true;
            queue_touch(queue);
        } else if (queue->trimmed >= queue->last) {
            list_remove(&queue->active);
        }
    }
}
