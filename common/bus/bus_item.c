/* Items: to one instance, or to whoever owns a hash; kept until their receiver takes custody.
 *
 * Items of one hash keep their order although owners come and go: while any of them is unsettled,
 * all go to the peer that has them (struct bus_flow); when it goes for good, they move together.
 */
#include "bus/bus_internal.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "metric/metric.h"

static struct bus_entry *entry_at(struct list_node *node)
{
    return CONTAINER_OF(node, struct bus_entry, node);
}

/* ---- sending ---- */

/* An entry with bus->message; NULL when `used` bytes are too much already. */
static struct bus_entry *make_item(struct bus *bus, size_t used, bus_settled_fn *settled, void *arg)
{
    struct bus_entry *entry;

    if (used + bus->message.len > bus->options.max_unsettled_bytes) {
        metric_inc(METRIC_bus_refused);
        return NULL;
    }
    entry = bus_link_entry(FRAME_ITEM, buf_span(&bus->message));
    entry->settled = settled;
    entry->arg = arg;
    metric_inc(METRIC_bus_items_out);
    return entry;
}

int bus_send_to(struct bus_peer *peer, const struct wire_msg *msg, bus_settled_fn *settled,
                void *arg)
{
    struct bus_entry *entry;

    ASSERT(wire_kind_of(msg->id) == WIRE_ITEM);
    if (!peer->is_up || bus_encode(peer->bus, msg) != 0)
        return -1;
    entry = make_item(peer->bus, peer->out.bytes, settled, arg);
    if (!entry)
        return -1;
    bus_link_push(peer, entry);
    return 0;
}

static struct bus_flow *flow_get(struct bus_kind *kind, uint64_t hash, struct bus_peer *peer)
{
    struct bus_flow *flow = map64_get(&kind->flows, hash);

    if (!flow) {
        flow = mem_alloc(sizeof *flow);
        *flow = (struct bus_flow){hash, 0, peer};
        map64_put(&kind->flows, hash, flow);
    }
    flow->count++;
    return flow;
}

static void flow_release(struct bus_kind *kind, struct bus_entry *entry)
{
    struct bus_flow *flow = entry->flow;

    entry->flow = NULL;
    if (!flow || --flow->count > 0)
        return;
    map64_remove(&kind->flows, flow->hash);
    mem_free(flow);
}

static void push_or_wait(struct bus_kind *kind, struct bus_entry *entry)
{
    if (entry->flow->peer) {
        bus_link_push(entry->flow->peer, entry);
        return;
    }
    list_add_tail(&kind->waiting_items, &entry->node);
    kind->waiting_bytes += bus_link_cost(entry);
}

int bus_send(struct bus *bus, const char *kind_name, uint64_t hash, const struct wire_msg *msg,
             bus_settled_fn *settled, void *arg)
{
    struct bus_kind *kind = bus_kind_get(bus, span_cstr(kind_name));
    struct bus_flow *flow;
    struct bus_peer *peer;
    struct bus_entry *entry;

    ASSERT(kind && wire_kind_of(msg->id) == WIRE_ITEM);
    if (bus_encode(bus, msg) != 0)
        return -1;
    flow = map64_get(&kind->flows, hash);
    peer = flow ? flow->peer : bus_peer_pick(kind, hash);
    entry = make_item(bus, peer ? peer->out.bytes : kind->waiting_bytes, settled, arg);
    if (!entry)
        return -1;
    entry->flow = flow_get(kind, hash, peer);
    push_or_wait(kind, entry);
    return 0;
}

/* ---- settlement ---- */

void bus_item_settled(struct bus_peer *peer, uint64_t number, const struct frame_entry *entry)
{
    struct span rest = entry->body;
    struct frame_run run;

    (void)number;
    while (frame_next_run(&rest, &run) && run.first + run.count - 1 <= peer->out.confirmed) {
        for (uint32_t i = 0; i < run.count && !peer->bus->closing; i++) {
            struct bus_entry *item = map64_remove(&peer->out.by_number, run.first + i);

            if (!item)
                continue;
            list_remove(&item->node);
            peer->out.bytes -= bus_link_cost(item);
            flow_release(peer->kind, item);
            if (item->settled)
                item->settled(item->arg, BUS_SETTLED);
            mem_free(item);
        }
    }
}

/* ---- receiving ---- */

void bus_item_received(struct bus_peer *peer, uint64_t number, const struct frame_entry *entry)
{
    struct bus *bus = peer->bus;
    struct wire_msg msg;

    metric_inc(METRIC_bus_items_in);
    /* An item nobody here can read will not become readable by keeping it. */
    if (bus_decode(bus, entry->body, WIRE_ITEM, &msg) != 0 || !bus->options.handlers.item) {
        bus_link_settle(peer, number);
        return;
    }
    bus_peer_ref(peer);
    bus->options.handlers.item(bus->options.ctx, peer, number, &msg);
}

void bus_settle(struct bus_peer *peer, uint64_t token)
{
    if (peer->is_up)
        bus_link_settle(peer, token);
    bus_peer_unref(peer);
}

/* ---- peers that come and go ---- */

/* Gives the items that wait to the peers that are there. */
static void move_waiting(struct bus_kind *kind)
{
    struct list_node *node;

    if (list_is_empty(&kind->peers))
        return;
    while ((node = list_pop(&kind->waiting_items)) != NULL) {
        struct bus_entry *entry = entry_at(node);

        kind->waiting_bytes -= bus_link_cost(entry);
        if (!entry->flow->peer)
            entry->flow->peer = bus_peer_pick(kind, entry->flow->hash);
        bus_link_push(entry->flow->peer, entry);
    }
}

void bus_item_peer_up(struct bus_kind *kind)
{
    move_waiting(kind);
}

static void take_list(struct bus_peer *peer, struct list_node *from, struct list_node *lost)
{
    struct list_node *node;

    while ((node = list_pop(from)) != NULL) {
        struct bus_entry *entry = entry_at(node);

        if (entry->flow) {
            entry->flow->peer = NULL;
            push_or_wait(peer->kind, entry);
        } else if (entry->kind == FRAME_ITEM) {
            list_add_tail(lost, &entry->node);
        } else {
            mem_free(entry);
        }
    }
}

void bus_item_peer_down(struct bus_peer *peer, struct list_node *lost)
{
    /* Confirmed items are older than what is in the queue: so they stay in order. */
    take_list(peer, &peer->out.unsettled, lost);
    take_list(peer, &peer->out.queue, lost);
    map64_deinit(&peer->out.by_number);
    peer->out.unsent = NULL;
    peer->out.bytes = 0;
    move_waiting(peer->kind);
}

void bus_item_report_lost(struct bus *bus, struct list_node *lost)
{
    struct list_node *node;

    while ((node = list_pop(lost)) != NULL) {
        struct bus_entry *entry = entry_at(node);

        if (!bus->closing && entry->settled)
            entry->settled(entry->arg, BUS_LOST);
        mem_free(entry);
    }
}

void bus_item_discard_kind(struct bus_kind *kind)
{
    struct map_cursor at = {0};
    struct list_node *node;
    void *flow;

    while ((node = list_pop(&kind->waiting_items)) != NULL)
        mem_free(entry_at(node));
    while (map64_next(&kind->flows, &at, NULL, &flow))
        mem_free(flow);
    map64_deinit(&kind->flows);
}
