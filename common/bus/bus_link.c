/* The stream of numbered entries between two daemons: batching, confirmation, sending again.
 *
 * When to flush: what somebody waits for leaves at the end of this turn of the loop, but not within
 * `linger_ms` of the last batch. Settlements wait longer for something to ride on, mere
 * confirmations longest: they only free memory at the other end.
 */
#include "bus/bus_internal.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "metric/metric.h"

#define NEVER UINT64_MAX
/* Settlements wait this many times the linger. */
#define SETTLE_LINGERS 3
/* Confirmations wait this part of the resend time... */
#define CONFIRM_PART 2
/* ... unless so many frames came in that the sender's window might close. */
#define CONFIRM_FRAMES (LINK_WINDOW / 4)
/* When the port took no frame. */
#define RETRY_MS 2

static void on_flush(void *arg);
static void on_watch(void *arg);

/* ---- entries ---- */

struct bus_entry *bus_link_entry(enum frame_entry_kind kind, struct span body)
{
    struct bus_entry *entry = mem_alloc(sizeof *entry + body.len);

    ASSERT(body.len <= UINT32_MAX);
    memset(entry, 0, sizeof *entry);
    list_init(&entry->node);
    entry->kind = kind;
    entry->len = (uint32_t)body.len;
    if (body.len > 0)
        memcpy(entry->body, body.data, body.len);
    return entry;
}

size_t bus_link_cost(const struct bus_entry *entry)
{
    return sizeof *entry + entry->len;
}

static struct bus_entry *entry_at(struct list_node *node)
{
    return CONTAINER_OF(node, struct bus_entry, node);
}

/* ---- planning ---- */

static void plan(struct bus_peer *peer, uint64_t due_ms)
{
    uint64_t now = bus_now_ms(peer->bus);

    if (!peer->pipe || due_ms >= peer->flush_ms)
        return;
    peer->flush_ms = due_ms;
    if (due_ms <= now) {
        loop_timer_stop(&peer->flush_timer);
        loop_task_schedule(&peer->flush_task);
    } else {
        loop_timer_start(&peer->flush_timer, (uint32_t)(due_ms - now), 0);
    }
}

static void plan_soon(struct bus_peer *peer)
{
    plan(peer, peer->out.flushed_ms + peer->bus->options.linger_ms);
}

static void plan_settlement(struct bus_peer *peer)
{
    plan(peer, bus_now_ms(peer->bus) + (uint64_t)SETTLE_LINGERS * peer->bus->options.linger_ms);
}

static void plan_confirmation(struct bus_peer *peer)
{
    if (peer->in.frames >= CONFIRM_FRAMES)
        plan_soon(peer);
    else
        plan(peer, bus_now_ms(peer->bus) + peer->bus->options.resend_ms / CONFIRM_PART);
}

void bus_link_init(struct bus_peer *peer)
{
    struct loop *loop = peer->bus->options.loop;

    peer->out.next = 1;
    list_init(&peer->out.queue);
    list_init(&peer->out.unsettled);
    map64_init(&peer->out.by_number);
    peer->flush_ms = NEVER;
    loop_task_init(&peer->flush_task, loop, on_flush, peer);
    loop_timer_init(&peer->flush_timer, loop, on_flush, peer);
    loop_timer_init(&peer->watch_timer, loop, on_watch, peer);
}

static void free_entries(struct list_node *list)
{
    struct list_node *node;

    while ((node = list_pop(list)) != NULL)
        mem_free(entry_at(node));
}

void bus_link_deinit(struct bus_peer *peer)
{
    bus_link_pause(peer);
    free_entries(&peer->out.queue);
    free_entries(&peer->out.unsettled);
    map64_deinit(&peer->out.by_number);
    buf_deinit(&peer->in.settled);
}

void bus_link_push(struct bus_peer *peer, struct bus_entry *entry)
{
    struct bus_outgoing *out = &peer->out;

    entry->number = out->next++;
    list_add_tail(&out->queue, &entry->node);
    if (!out->unsent)
        out->unsent = entry;
    out->bytes += bus_link_cost(entry);
    plan_soon(peer);
}

void bus_link_settle(struct bus_peer *peer, uint64_t number)
{
    buf_append_u64(&peer->in.settled, number);
    plan_settlement(peer);
}

/* ---- sending ---- */

/* The numbers to report as one entry, consecutive ones joined. */
static void push_settlements(struct bus_peer *peer)
{
    struct buf *settled = &peer->in.settled;
    struct buf *body = &peer->bus->message;
    struct frame_run run = {0};

    if (settled->len == 0)
        return;
    buf_reset(body);
    for (size_t at = 0; at < settled->len; at += sizeof(uint64_t)) {
        uint64_t number;

        memcpy(&number, settled->data + at, sizeof number);
        if (run.count > 0 && number == run.first + run.count) {
            run.count++;
            continue;
        }
        if (run.count > 0)
            frame_write_run(&run, body);
        run = (struct frame_run){number, 1};
    }
    frame_write_run(&run, body);
    buf_reset(settled);
    bus_link_push(peer, bus_link_entry(FRAME_SETTLE, buf_span(body)));
}

static bool window_is_open(const struct bus_peer *peer)
{
    return peer->out.window_count < (peer->out.probing ? 1 : LINK_WINDOW);
}

static void begin_frame(struct bus_peer *peer)
{
    const struct frame_data data = {
        .link = peer->remote_link,
        .received = peer->in.received,
        .first = peer->out.unsent ? peer->out.unsent->number : peer->out.next,
        .gap = peer->in.gap,
    };

    buf_reset(&peer->bus->frame);
    frame_begin_data(&data, &peer->bus->frame);
}

/* The next entry after `entry` in the queue, or NULL. */
static struct bus_entry *next_entry(struct bus_peer *peer, struct bus_entry *entry)
{
    return entry->node.next == &peer->out.queue ? NULL : entry_at(entry->node.next);
}

/* Appends unsent entries while they fit; *after_out is the first that did not. */
static uint32_t fill_frame(struct bus_peer *peer, struct bus_entry **after_out)
{
    struct buf *frame = &peer->bus->frame;
    struct bus_entry *entry = window_is_open(peer) ? peer->out.unsent : NULL;
    uint32_t count = 0;

    while (entry && (count == 0 || frame->len + entry->len <= LINK_FRAME_BYTES)) {
        const struct frame_entry written = {entry->kind, entry->handle,
                                            span_of(entry->body, entry->len)};

        frame_write_entry(&written, frame);
        entry = next_entry(peer, entry);
        count++;
    }
    frame_end_data(count, frame);
    *after_out = entry;
    return count;
}

static void note_sent(struct bus_peer *peer, uint32_t count, struct bus_entry *after)
{
    struct bus_outgoing *out = &peer->out;
    uint64_t last = out->unsent->number + count - 1;

    if (out->window_count == 0) {
        out->progress_ms = bus_now_ms(peer->bus);
        if (!loop_timer_is_active(&peer->watch_timer))
            loop_timer_start(&peer->watch_timer, peer->bus->options.resend_ms, 0);
    }
    out->window[(out->window_at + out->window_count++) % LINK_WINDOW] = last;
    out->unsent = after;
    if (last > out->sent)
        out->sent = last;
}

/* One frame: entries while there are any, else what is to be confirmed. -1 when the port is full.
 */
static int send_frame(struct bus_peer *peer)
{
    struct bus_entry *after;
    uint32_t count;

    begin_frame(peer);
    count = fill_frame(peer, &after);
    if (port_send(peer->port, peer->pipe, buf_span(&peer->bus->frame)) != 0)
        return -1;
    if (count > 0)
        note_sent(peer, count, after);
    peer->in.gap = false;
    peer->in.frames = 0;
    peer->out.flushed_ms = bus_now_ms(peer->bus);
    return 0;
}

static bool has_to_confirm(const struct bus_peer *peer)
{
    return peer->in.gap || peer->in.frames > 0;
}

void bus_link_flush(struct bus_peer *peer)
{
    loop_task_cancel(&peer->flush_task);
    loop_timer_stop(&peer->flush_timer);
    peer->flush_ms = NEVER;
    if (!peer->pipe)
        return;
    push_settlements(peer);
    loop_task_cancel(&peer->flush_task); /* what that push has planned happens now */
    loop_timer_stop(&peer->flush_timer);
    peer->flush_ms = NEVER;
    while ((peer->out.unsent && window_is_open(peer)) || has_to_confirm(peer)) {
        if (send_frame(peer) != 0) {
            plan(peer, bus_now_ms(peer->bus) + RETRY_MS);
            return;
        }
    }
}

static void on_flush(void *arg)
{
    bus_link_flush(arg);
}

/* ---- confirmation and sending again ---- */

static void rewind_to_unconfirmed(struct bus_peer *peer)
{
    struct list_node *first = list_first(&peer->out.queue);

    peer->out.unsent = first ? entry_at(first) : NULL;
    peer->out.window_count = 0;
}

/* Entries are under way and nothing was heard of them for the resend time. */
static void on_watch(void *arg)
{
    struct bus_peer *peer = arg;
    struct bus *bus = peer->bus;
    uint64_t now = bus_now_ms(bus);
    uint64_t silence_ms = now - peer->in.heard_ms;
    uint32_t resend_ms = bus->options.resend_ms;

    if (!peer->pipe || peer->out.window_count == 0)
        return;
    if (now - peer->out.progress_ms < resend_ms) {
        loop_timer_start(&peer->watch_timer, (uint32_t)(resend_ms - (now - peer->out.progress_ms)),
                         0);
        return;
    }
    /* Where the kernel knows the other process (ipc) it also tells when it dies; a connection over
     * a network may be dead without a sign. */
    if (peer->pid == 0 && silence_ms > resend_ms + bus->options.peer_grace_ms) {
        LOG_WARN("peer_silent", "peer=%s silence_ms=%llu", peer->instance,
                 (unsigned long long)silence_ms);
        port_close_pipe(peer->port, peer->pipe);
        return;
    }
    metric_inc(METRIC_bus_resends);
    rewind_to_unconfirmed(peer);
    peer->out.probing = true;
    bus_link_flush(peer);
    if (!loop_timer_is_active(&peer->watch_timer))
        loop_timer_start(&peer->watch_timer, resend_ms, 0);
}

static void confirm_entry(struct bus_peer *peer, struct bus_entry *entry)
{
    struct bus_outgoing *out = &peer->out;

    if (out->unsent == entry)
        out->unsent = next_entry(peer, entry);
    list_remove(&entry->node);
    if (entry->kind == FRAME_ITEM) {
        list_add_tail(&out->unsettled, &entry->node);
        map64_put(&out->by_number, entry->number, entry);
    } else {
        out->bytes -= bus_link_cost(entry);
        mem_free(entry);
    }
}

/* The peer has everything up to `number`: 0, or -1 when that was never sent. */
static int confirm(struct bus_peer *peer, uint64_t number)
{
    struct bus_outgoing *out = &peer->out;
    struct list_node *first;

    if (number > out->sent)
        return -1;
    if (number <= out->confirmed)
        return 0;
    while ((first = list_first(&out->queue)) != NULL && entry_at(first)->number <= number)
        confirm_entry(peer, entry_at(first));
    while (out->window_count > 0 && out->window[out->window_at] <= number) {
        out->window_at = (out->window_at + 1) % LINK_WINDOW;
        out->window_count--;
    }
    out->confirmed = number;
    out->probing = false;
    out->progress_ms = bus_now_ms(peer->bus);
    if (out->unsent)
        plan_soon(peer);
    return 0;
}

int bus_link_resume(struct bus_peer *peer, uint64_t received)
{
    peer->in.heard_ms = bus_now_ms(peer->bus);
    if (confirm(peer, received) != 0)
        return -1;
    rewind_to_unconfirmed(peer);
    peer->out.probing = false;
    peer->in.frames = 0; /* the hello has told it */
    peer->in.gap = peer->in.gap_known = false;
    if (peer->out.unsent || peer->in.settled.len > 0)
        plan(peer, 0);
    return 0;
}

void bus_link_pause(struct bus_peer *peer)
{
    loop_task_cancel(&peer->flush_task);
    loop_timer_stop(&peer->flush_timer);
    loop_timer_stop(&peer->watch_timer);
    peer->flush_ms = NEVER;
}

/* ---- receiving ---- */

typedef void entry_fn(struct bus_peer *peer, uint64_t number, const struct frame_entry *entry);

static entry_fn *const entry_handlers[] = {
    [FRAME_ITEM] = bus_item_received,
    [FRAME_CALL] = bus_call_received,
    [FRAME_REPLY] = bus_call_replied,
    [FRAME_SETTLE] = bus_item_settled,
};

/* Hands on the entries that were not here yet. Stops when the user closes the bus. */
static void take_entries(struct bus_peer *peer, const struct frame_data *data)
{
    struct span rest = data->entries;
    struct frame_entry entry;
    uint64_t number = data->first;

    for (; !peer->bus->closing && frame_next_entry(&rest, &entry); number++) {
        if (number <= peer->in.received)
            continue;
        peer->in.received = number;
        peer->in.gap_known = false;
        entry_handlers[entry.kind](peer, number, &entry);
    }
}

void bus_link_data(struct bus_peer *peer, const struct frame_data *data)
{
    struct bus_incoming *in = &peer->in;

    in->heard_ms = bus_now_ms(peer->bus);
    if (confirm(peer, data->received) != 0) {
        LOG_WARN("confirmed_unsent", "peer=%s number=%llu sent=%llu", peer->instance,
                 (unsigned long long)data->received, (unsigned long long)peer->out.sent);
        port_close_pipe(peer->port, peer->pipe);
        return;
    }
    if (data->gap && peer->out.window_count > 0) {
        metric_inc(METRIC_bus_resends);
        rewind_to_unconfirmed(peer);
        plan(peer, 0);
    }
    if (data->count == 0)
        return;
    in->frames++;
    if (data->first > in->received + 1) {
        if (!in->gap_known) {
            in->gap = in->gap_known = true;
            plan(peer, 0);
        }
        return;
    }
    if (data->first + data->count - 1 <= in->received)
        plan_soon(peer); /* sent again: what we had said of it was lost */
    take_entries(peer, data);
    if (!peer->bus->closing)
        plan_confirmation(peer);
}
