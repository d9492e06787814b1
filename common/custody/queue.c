/* A queue's numbers, and what waits for Redis or for the queue to be open. */
#include "custody/queue.h"

#include "base/mem.h"
#include "custody/custody_internal.h"
#include "metric/metric.h"

void custody_queue_init(struct custody_queue *queue, struct custody *custody,
                        const struct custody_user *user, void *arg)
{
    *queue = (struct custody_queue){.custody = custody, .user = user, .arg = arg};
    list_init(&queue->dirty);
    list_init(&queue->active);
    list_init(&queue->pending);
    list_init(&queue->writes);
}

void custody_queue_name(struct custody_queue *queue, const char *account, uint64_t sid,
                        uint64_t epoch)
{
    queue->account = account;
    queue->sid = sid;
    queue->epoch = epoch;
}

static struct seen_delivery seen_key(const struct custody_queue *queue,
                                     const struct delivery *delivery)
{
    return (struct seen_delivery){delivery->origin_sid, delivery->origin_n, queue->sid};
}

/* ---- pending ---- */

static struct custody_pending *pending_new(struct custody_queue *queue, struct delivery *delivery,
                                           uint64_t number)
{
    struct custody_pending *pending = mem_calloc(1, sizeof(*pending));
    pending->delivery = delivery;
    pending->number = number;
    delivery_ref(delivery);
    list_add_tail(&queue->pending, &pending->node);
    return pending;
}

static void pending_free(struct custody_pending *pending)
{
    struct delivery *delivery = pending->delivery;
    list_remove(&pending->node);
    mem_free(pending);
    delivery_release(delivery);
}

void queue_touch(struct custody_queue *queue)
{
    struct custody *custody = queue->custody;
    if (!queue->is_open || queue->is_closed)
        return;
    if (!list_is_linked(&queue->dirty))
        list_add_tail(&custody->dirty, &queue->dirty);
    loop_task_schedule_first(&custody->flush); /* before what is written to clients in this turn */
}

static void show(struct custody_queue *queue, struct custody_pending *pending)
{
    if (pending->is_marker || pending->is_delivered)
        return;
    pending->is_delivered = true;
    queue->sent = pending->number;
    if (queue->user->deliver)
        queue->user->deliver(queue->arg, pending->delivery);
}

void queue_show(struct custody_queue *queue, uint64_t number)
{
    LIST_FOREACH(node, &queue->pending)
    {
        struct custody_pending *pending = CONTAINER_OF(node, struct custody_pending, node);
        if (pending->number == 0 || pending->number > number)
            return;
        show(queue, pending);
    }
}

void queue_settle(struct custody_queue *queue, uint64_t number)
{
    for (struct list_node *node; (node = list_first(&queue->pending));) {
        struct custody_pending *pending = CONTAINER_OF(node, struct custody_pending, node);
        if (pending->number == 0 || pending->number > number)
            return;
        show(queue, pending);
        pending_free(pending);
    }
}

void queue_lose(struct custody_queue *queue)
{
    if (queue->is_closed)
        return;
    metric_inc(METRIC_custody_lost);
    queue->is_open = false; /* nothing is written any more */
    list_remove(&queue->dirty);
    queue->user->lost(queue->arg);
}

/* What was not kept is new to whoever gets it next, us included. */
void custody_queue_close(struct custody_queue *queue)
{
    queue->is_closed = true;
    list_remove(&queue->dirty);
    list_remove(&queue->active);
    queue_forget_writes(queue);
    queue_forget_load(queue);
    for (struct list_node *node; (node = list_first(&queue->pending));) {
        struct custody_pending *pending = CONTAINER_OF(node, struct custody_pending, node);
        struct seen_delivery key = seen_key(queue, pending->delivery);
        if (pending->number != 0)
            seen_remove(&queue->custody->seen, &key);
        delivery_missed(pending->delivery, queue->sid);
        pending_free(pending);
    }
}

/* ---- adding ---- */

static void number_it(struct custody_queue *queue, struct custody_pending *pending)
{
    struct seen_delivery key = seen_key(queue, pending->delivery);
    pending->number = ++queue->last;
    queue->bytes += pending->delivery->stanza_len;
    seen_add(&queue->custody->seen, &key);
    queue_touch(queue);
}

static bool is_seen(const struct custody_queue *queue, const struct delivery *delivery)
{
    struct seen_delivery key = seen_key(queue, delivery);
    return seen_has(&queue->custody->seen, &key);
}

enum custody_added custody_queue_add(struct custody_queue *queue, struct delivery *delivery)
{
    if (!queue->is_open) {
        (void)pending_new(queue, delivery, 0);
        return CUSTODY_HELD;
    }
    if (is_seen(queue, delivery)) {
        metric_inc(METRIC_stream_duplicates);
        if (queue->kept < queue->last) /* the first copy may not be kept yet */
            pending_new(queue, delivery, queue->last)->is_marker = true;
        return CUSTODY_SEEN;
    }
    number_it(queue, pending_new(queue, delivery, 0));
    return CUSTODY_NEW;
}

void custody_queue_open(struct custody_queue *queue)
{
    queue->is_open = true;
    LIST_FOREACH_SAFE(node, &queue->pending)
    {
        struct custody_pending *pending = CONTAINER_OF(node, struct custody_pending, node);
        if (is_seen(queue, pending->delivery)) {
            metric_inc(METRIC_stream_duplicates);
            pending->is_marker = true;
            pending->number = queue->last;
            continue;
        }
        number_it(queue, pending);
    }
    queue_settle(queue, queue->kept); /* copies of what was kept long ago */
}

/* ---- acknowledging ---- */

int custody_queue_number(const struct custody_queue *queue, uint32_t h, uint64_t *number_out)
{
    int32_t behind = (int32_t)((uint32_t)queue->sent - h);
    if (behind < 0)
        return -1;
    *number_out = (uint64_t)behind > queue->sent ? 0 : queue->sent - (uint64_t)behind;
    return 0;
}

void custody_queue_ack(struct custody_queue *queue, uint64_t number)
{
    uint64_t before = custody_queue_unacked(queue);
    if (number <= queue->acked || number > queue->last)
        return;
    queue->acked = number;
    queue->bytes = queue->bytes / before * custody_queue_unacked(queue);
    if (queue->kept < number)
        queue->kept = number; /* Redis may have it or not: nobody will ask for it */
    if (queue->written < number)
        queue->written = number;
    queue_settle(queue, queue->kept);
    if (!list_is_linked(&queue->active))
        list_add_tail(&queue->custody->active, &queue->active);
}

void custody_queue_save(struct custody_queue *queue)
{
    if (queue->handled_kept >= queue->handled && queue->acked_written >= queue->acked)
        return;
    queue->wants_state = true;
    queue_touch(queue);
}

void custody_queue_handled(struct custody_queue *queue, uint64_t handled, bool now)
{
    if (handled > queue->handled)
        queue->handled = handled;
    if (!now || queue->handled_kept >= queue->handled)
        return;
    queue->wants_state = true;
    queue_touch(queue);
}
