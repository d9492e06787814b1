/* Calls: a request with a deadline, its reply, and what becomes of it when the other end goes. */
#include "bus/bus_internal.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "metric/metric.h"

static struct bus_request *request_at(struct list_node *node)
{
    return CONTAINER_OF(node, struct bus_request, node);
}

/* ---- the caller ---- */

static void free_request(struct bus_request *request)
{
    loop_timer_stop(&request->timer);
    list_remove(&request->node);
    mem_free(request);
}

static void on_deadline(void *arg)
{
    struct bus_request *request = arg;
    struct bus *bus = request->bus;
    enum bus_outcome outcome = request->is_hopeless ? BUS_LOST
                               : request->peer      ? BUS_TIMEOUT
                                                    : BUS_NO_PEER;

    bus_enter(bus);
    map64_remove(&bus->requests, request->handle);
    request->reply(request->arg, outcome, NULL);
    free_request(request);
    bus_leave(bus);
}

/* To the instance the hash chooses, or into the queue until there is one. */
static void dispatch(struct bus_request *request)
{
    struct bus_entry *entry;

    request->peer = bus_peer_pick(request->kind, request->hash);
    if (!request->peer) {
        list_add_tail(&request->kind->waiting_calls, &request->node);
        return;
    }
    entry = bus_link_entry(FRAME_CALL, span_of(request->body, request->len));
    entry->handle = request->handle;
    bus_link_push(request->peer, entry);
    request->number = entry->number;
}

/* What is asked of whom by when, and who wants to know: as bus.h has it. */
/* NOLINTNEXTLINE(readability-function-size) */
uint64_t bus_call(struct bus *bus, const char *kind, uint64_t hash, const struct wire_msg *msg,
                  uint32_t deadline_ms, bus_reply_fn *reply, void *arg)
{
    bool too_large = bus_encode(bus, msg) != 0;
    size_t len = too_large ? 0 : bus->message.len;
    struct bus_request *request = mem_calloc(1, sizeof *request + len);

    ASSERT(wire_kind_of(msg->id) == WIRE_CALL);
    metric_inc(METRIC_bus_calls);
    list_init(&request->node);
    request->bus = bus;
    request->kind = bus_kind_get(bus, span_cstr(kind));
    ASSERT(request->kind);
    request->handle = ++bus->last_handle;
    request->hash = hash;
    request->is_idempotent = wire_is_idempotent(msg->id);
    request->is_hopeless = too_large;
    request->reply = reply;
    request->arg = arg;
    request->len = (uint32_t)len;
    if (len > 0)
        memcpy(request->body, bus->message.data, len);
    map64_put(&bus->requests, request->handle, request);
    loop_timer_init(&request->timer, bus->options.loop, on_deadline, request);
    loop_timer_start(&request->timer, too_large ? 0 : deadline_ms, 0);
    if (!too_large)
        dispatch(request);
    return request->handle;
}

void bus_call_cancel(struct bus *bus, uint64_t handle)
{
    struct bus_request *request = map64_remove(&bus->requests, handle);

    if (request)
        free_request(request);
}

void bus_call_replied(struct bus_peer *peer, uint64_t number, const struct frame_entry *entry)
{
    struct bus *bus = peer->bus;
    struct bus_request *request = map64_get(&bus->requests, entry->handle);
    struct wire_msg msg;

    (void)number;
    if (!request || request->peer != peer)
        return; /* too late, or no longer wanted */
    map64_remove(&bus->requests, request->handle);
    if (bus_decode(bus, entry->body, WIRE_REPLY, &msg) == 0)
        request->reply(request->arg, BUS_SETTLED, &msg);
    else
        request->reply(request->arg, BUS_LOST, NULL);
    free_request(request);
}

void bus_call_peer_up(struct bus_kind *kind)
{
    struct list_node *node;

    while (!list_is_empty(&kind->peers) && (node = list_pop(&kind->waiting_calls)) != NULL)
        dispatch(request_at(node));
}

/* May be made again: it never left, or doing it twice does no harm. */
static bool may_move(const struct bus_request *request, const struct bus_peer *peer)
{
    return request->is_idempotent || request->number > peer->out.sent;
}

void bus_call_peer_down(struct bus_peer *peer, struct list_node *lost)
{
    struct bus *bus = peer->bus;
    struct map_cursor at = {0};
    struct list_node moving;
    struct list_node *node;
    void *value;

    list_init(&moving);
    while (map64_next(&bus->requests, &at, NULL, &value)) {
        struct bus_request *request = value;

        if (request->peer != peer)
            continue;
        request->peer = NULL;
        list_add_tail(may_move(request, peer) ? &moving : lost, &request->node);
    }
    while ((node = list_pop(&moving)) != NULL)
        dispatch(request_at(node));
}

void bus_call_report_lost(struct bus *bus, struct list_node *lost)
{
    struct list_node *node;

    /* A callback may cancel others of them: those leave the list. */
    while (!bus->closing && (node = list_pop(lost)) != NULL) {
        struct bus_request *request = request_at(node);

        map64_remove(&bus->requests, request->handle);
        request->reply(request->arg, BUS_LOST, NULL);
        free_request(request);
    }
    while ((node = list_pop(lost)) != NULL)
        list_init(node); /* bus_call_discard frees them */
}

/* ---- the callee ---- */

static void push_reply(struct bus_peer *peer, uint64_t handle)
{
    struct bus_entry *entry = bus_link_entry(FRAME_REPLY, buf_span(&peer->bus->message));

    entry->handle = handle;
    bus_link_push(peer, entry);
}

/* When the real answer cannot be sent. */
static void push_refusal(struct bus_peer *peer, uint64_t handle, struct span condition)
{
    struct wire_msg msg = {.id = WIRE_ID_result};

    msg.u.result.condition = condition;
    (void)bus_encode(peer->bus, &msg);
    push_reply(peer, handle);
}

void bus_call_received(struct bus_peer *peer, uint64_t number, const struct frame_entry *entry)
{
    struct bus *bus = peer->bus;
    struct bus_call *call;
    struct wire_msg msg;

    (void)number;
    if (bus_decode(bus, entry->body, WIRE_CALL, &msg) != 0 || !bus->options.handlers.call) {
        push_refusal(peer, entry->handle, SPAN("feature-not-implemented"));
        return;
    }
    call = mem_alloc(sizeof *call);
    call->peer = peer;
    call->handle = entry->handle;
    bus_peer_ref(peer);
    list_init(&call->node);
    list_add_tail(&bus->calls_in, &call->node);
    bus->options.handlers.call(bus->options.ctx, call, &msg);
}

void bus_reply(struct bus_call *call, const struct wire_msg *reply)
{
    struct bus_peer *peer = call->peer;

    ASSERT(wire_kind_of(reply->id) == WIRE_REPLY);
    if (peer->is_up) {
        if (bus_encode(peer->bus, reply) == 0)
            push_reply(peer, call->handle);
        else
            push_refusal(peer, call->handle, SPAN("resource-constraint"));
    }
    list_remove(&call->node);
    mem_free(call);
    bus_peer_unref(peer);
}

void bus_call_discard(struct bus *bus)
{
    struct map_cursor at = {0};
    struct list_node *node;
    void *request;

    while (map64_next(&bus->requests, &at, NULL, &request))
        free_request(request);
    while ((node = list_pop(&bus->calls_in)) != NULL)
        mem_free(CONTAINER_OF(node, struct bus_call, node));
}
