/* One bus: opening and closing, and the way of what comes in to the file it is for.
 *
 * Transport: raw REQ dials, raw REP listens (transport.h). What an item costs over both ends, its
 * settlement included, at a linger of 3 ms (tests/bench/bus_bench.c; CPU us per item on 2 virtual
 * cores, quiet to busy): 45 to 76 at 1,000/s, 10 to 17 at 5,000/s, 3 to 5 at 20,000/s. A frame
 * costs 110 to 200, so batching decides.
 */
#include "bus/bus_internal.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rand.h"
#include "loop/loop.h"
#include "metric/metric.h"

#include <stdio.h>

#define DEFAULT_GRACE_MS      2000
#define DEFAULT_RESEND_MS     1000
#define DEFAULT_MESSAGE_BYTES ((size_t)4 << 20)
#define DEFAULT_BACKLOG_BYTES ((size_t)64 << 20)
#define MAX_LINGER_MS         1000
/* How long nobody may be at an address before that is said. */
#define UNREACHABLE_MS 3000
/* How long a closing bus lets its last frames leave. */
#define CLOSE_LINGER_MS 20
/* What a frame with one entry has beyond its message. */
#define FRAME_OVERHEAD 64

static void free_now(struct bus *bus);

void bus_enter(struct bus *bus)
{
    bus->depth++;
}

void bus_leave(struct bus *bus)
{
    ASSERT(bus->depth > 0);
    if (--bus->depth == 0 && bus->closing)
        free_now(bus);
}

uint64_t bus_now_ms(const struct bus *bus)
{
    return loop_now_ms(bus->options.loop);
}

struct bus_kind *bus_kind_get(struct bus *bus, struct span name)
{
    struct bus_kind *kind;

    if (name.len == 0 || name.len > FRAME_NAME_MAX)
        return NULL;
    LIST_FOREACH(node, &bus->kinds)
    {
        kind = CONTAINER_OF(node, struct bus_kind, node);
        if (span_is(name, kind->name))
            return kind;
    }
    kind = mem_calloc(1, sizeof *kind);
    memcpy(kind->name, name.data, name.len);
    list_init(&kind->peers);
    list_init(&kind->waiting_items);
    list_init(&kind->waiting_calls);
    map64_init(&kind->flows);
    list_add_tail(&bus->kinds, &kind->node);
    return kind;
}

int bus_encode(struct bus *bus, const struct wire_msg *msg)
{
    buf_reset(&bus->message);
    wire_encode(msg, &bus->message);
    if (bus->message.len <= bus->options.max_message_bytes)
        return 0;
    LOG_ERROR("message_too_large", "message=%s bytes=%zu limit=%zu", wire_name(msg->id),
              bus->message.len, bus->options.max_message_bytes);
    metric_inc(METRIC_bus_refused);
    return -1;
}

int bus_decode(struct bus *bus, struct span body, enum wire_kind kind, struct wire_msg *msg_out)
{
    arena_reset(&bus->arena);
    if (wire_decode(body, &bus->arena, msg_out, NULL) == 0 && wire_kind_of(msg_out->id) == kind)
        return 0;
    LOG_ERROR("message_not_understood", "bytes=%zu id=%u", body.len,
              body.len < 2 ? 0u : (unsigned char)body.data[0] | (unsigned char)body.data[1] * 256u);
    metric_inc(METRIC_bus_malformed);
    return -1;
}

/* ---- what the transport brings ---- */

/* The endpoint that owns a dialling port; the listener and notice ports have none. */
static struct bus_endpoint *endpoint_of(const struct port *port)
{
    return port_data(port);
}

static bool is_notice_port(const struct bus *bus, const struct port *port)
{
    return port != bus->listener && !endpoint_of(port);
}

static void on_pipe_up(void *ctx, struct port *port, uint32_t pipe)
{
    struct bus *bus = ctx;

    if (bus->closing)
        return;
    if (endpoint_of(port))
        bus_hello_endpoint_up(endpoint_of(port), port, pipe);
    else if (is_notice_port(bus, port))
        bus_notice_pipe_up(bus, port);
}

static void on_pipe_gone(void *ctx, struct port *port, uint32_t pipe)
{
    struct bus *bus = ctx;

    if (bus->closing)
        return;
    if (endpoint_of(port))
        bus_hello_endpoint_gone(endpoint_of(port), port, pipe);
    else if (port == bus->listener)
        bus_hello_pipe_gone(bus, pipe);
    else
        bus_notice_pipe_gone(bus, port);
}

/* The peer at the other end of a pipe, NULL before its hello. */
static struct bus_peer *peer_on(struct bus *bus, struct port *port, uint32_t pipe)
{
    struct bus_endpoint *endpoint = endpoint_of(port);

    if (!endpoint)
        return map64_get(&bus->peers_by_pipe, pipe);
    if (endpoint->pipes[FRAME_LISTENS] != pipe || !endpoint->greeted)
        return NULL;
    return endpoint->peer;
}

static void handle_hello(struct bus *bus, struct port *port, uint32_t pipe,
                         const struct frame *frame)
{
    struct bus_endpoint *endpoint = endpoint_of(port);

    if (!endpoint)
        bus_hello_from_dialler(bus, pipe, &frame->u.hello);
    else if (endpoint->pipes[FRAME_LISTENS] == pipe)
        bus_hello_from_listener(endpoint, &frame->u.hello);
}

/* Before the hello of a new pipe may come what still lay in the old one's queue: not an error. */
static void handle_data(struct bus *bus, struct port *port, uint32_t pipe,
                        const struct frame *frame)
{
    struct bus_peer *peer = peer_on(bus, port, pipe);

    if (peer && frame->u.data.link == peer->local_link)
        bus_link_data(peer, &frame->u.data);
}

static void handle_bye(struct bus *bus, struct port *port, uint32_t pipe, const struct frame *frame)
{
    struct bus_peer *peer = peer_on(bus, port, pipe);

    if (!peer || frame->u.bye_link != peer->local_link)
        return;
    /* A dialler that leaves closes its pipes itself. Hung up on, nng in it would dial again at
     * once, and its leaving in the middle of that handshake would cost us our listener
     * (transport_listen.c). */
    if (!peer->endpoint)
        bus_peer_leave_pipes(peer);
    bus_peer_down(peer, "said goodbye");
}

static void (*const frame_handlers[])(struct bus *bus, struct port *port, uint32_t pipe,
                                      const struct frame *frame) = {
    [FRAME_HELLO] = handle_hello,
    [FRAME_DATA] = handle_data,
    [FRAME_BYE] = handle_bye,
};

static void on_frame(void *ctx, struct port *port, uint32_t pipe, struct span bytes)
{
    struct bus *bus = ctx;
    struct frame frame;
    bool is_notice = is_notice_port(bus, port);

    if (bus->closing)
        return;
    arena_reset(&bus->frame_arena);
    if (frame_decode(bytes, &bus->frame_arena, &frame) != 0 ||
        is_notice != (frame.type == FRAME_NOTICES)) {
        LOG_WARN("frame_not_understood", "bytes=%zu pipe=%u", bytes.len, pipe);
        metric_inc(METRIC_bus_malformed);
        return;
    }
    if (is_notice)
        bus_notice_frame(bus, frame.u.sections);
    else
        frame_handlers[frame.type](bus, port, pipe, &frame);
}

static void on_begin(void *ctx)
{
    bus_enter(ctx);
}

static void on_end(void *ctx)
{
    bus_leave(ctx);
}

static const struct transport_handlers transport_handlers = {
    .pipe_up = on_pipe_up,
    .pipe_gone = on_pipe_gone,
    .frame = on_frame,
    .begin = on_begin,
    .end = on_end,
};

/* ---- opening ---- */

static void fill_defaults(struct bus_options *options)
{
    if (options->peer_grace_ms == 0)
        options->peer_grace_ms = DEFAULT_GRACE_MS;
    if (options->resend_ms == 0)
        options->resend_ms = DEFAULT_RESEND_MS;
    if (options->max_message_bytes == 0)
        options->max_message_bytes = DEFAULT_MESSAGE_BYTES;
    if (options->max_unsettled_bytes == 0)
        options->max_unsettled_bytes = DEFAULT_BACKLOG_BYTES;
    if (options->linger_ms > MAX_LINGER_MS)
        options->linger_ms = MAX_LINGER_MS;
}

static struct bus *make_bus(const struct bus_options *options)
{
    struct bus *bus = mem_calloc(1, sizeof *bus);

    bus->options = *options;
    fill_defaults(&bus->options);
    bus->kind = mem_strdup(options->kind);
    bus->instance = mem_strdup(options->instance);
    bus->boot = rand_u64();
    list_init(&bus->endpoints);
    list_init(&bus->greetings);
    list_init(&bus->kinds);
    list_init(&bus->peers);
    list_init(&bus->gone);
    list_init(&bus->calls_in);
    map64_init(&bus->peers_by_pipe);
    map64_init(&bus->requests);
    arena_init(&bus->frame_arena, 4096);
    arena_init(&bus->arena, 4096);
    bus->transport = transport_new(&(struct transport_options){
        .loop = options->loop,
        .max_bytes = bus->options.max_message_bytes + FRAME_OVERHEAD,
        .handlers = &transport_handlers,
        .ctx = bus,
    });
    return bus;
}

static int open_listener(struct bus *bus, char *error, size_t error_size)
{
    const char *reason = "out of resources";

    if (!bus->options.listen)
        return 0;
    bus->listener = transport_open(bus->transport, PORT_REP, NULL);
    if (!bus->listener || port_listen(bus->listener, bus->options.listen, &reason) != 0) {
        (void)snprintf(error, error_size, "cannot listen on %s: %s", bus->options.listen, reason);
        return -1;
    }
    return 0;
}

/* Nobody there after a while: said once. No answer to our hello: said again. */
static void on_hello_timer(void *arg)
{
    struct bus_endpoint *endpoint = arg;

    bus_hello_greet(endpoint);
    if (!endpoint->greeted && !endpoint->complained) {
        endpoint->complained = true;
        LOG_WARN("peer_unreachable", "address=%s", endpoint->address);
    }
}

static int open_endpoint(struct bus *bus, const char *address, char *error, size_t error_size)
{
    const char *reason = "out of resources";
    struct bus_endpoint *endpoint = mem_calloc(1, sizeof *endpoint);

    endpoint->bus = bus;
    endpoint->address = mem_strdup(address);
    loop_timer_init(&endpoint->hello_timer, bus->options.loop, on_hello_timer, endpoint);
    list_add_tail(&bus->endpoints, &endpoint->node);
    for (int lane = FRAME_SPEAKS; lane <= FRAME_LISTENS; lane++) {
        struct port *port = transport_open(bus->transport, PORT_REQ, endpoint);

        if (!port || port_dial(port, address, &reason) != 0) {
            (void)snprintf(error, error_size, "cannot dial %s: %s", address, reason);
            return -1;
        }
        endpoint->ports[lane] = port;
    }
    loop_timer_start(&endpoint->hello_timer, UNREACHABLE_MS, 0);
    return 0;
}

static int open_ports(struct bus *bus, char *error, size_t error_size)
{
    if (open_listener(bus, error, error_size) != 0)
        return -1;
    for (size_t i = 0; i < bus->options.dial_count; i++) {
        if (open_endpoint(bus, bus->options.dial[i], error, error_size) != 0)
            return -1;
    }
    return bus_notice_open(bus, error, error_size);
}

struct bus *bus_new(const struct bus_options *options, char *error, size_t error_size)
{
    struct bus *bus;

    if (strlen(options->instance) > FRAME_NAME_MAX || strlen(options->kind) > FRAME_NAME_MAX ||
        !*options->instance || !*options->kind) {
        (void)snprintf(error, error_size, "instance names have 1 to %d bytes", FRAME_NAME_MAX);
        return NULL;
    }
    bus = make_bus(options);
    if (open_ports(bus, error, error_size) == 0)
        return bus;
    bus->closing = true;
    free_now(bus);
    return NULL;
}

/* ---- closing ---- */

/* Last entries, then goodbye, to everybody who is there. */
static bool say_goodbye(struct bus *bus)
{
    bool said = false;

    LIST_FOREACH(node, &bus->peers)
    {
        struct bus_peer *peer = CONTAINER_OF(node, struct bus_peer, node);

        if (!peer->pipe)
            continue;
        bus_link_flush(peer);
        buf_reset(&bus->frame);
        frame_write_bye(peer->remote_link, &bus->frame);
        (void)port_send(peer->port, peer->pipe, buf_span(&bus->frame));
        said = true;
    }
    return said;
}

static void free_peers(struct list_node *peers)
{
    LIST_FOREACH_SAFE(node, peers)
    bus_peer_discard(CONTAINER_OF(node, struct bus_peer, node));
}

static void free_kinds(struct bus *bus)
{
    LIST_FOREACH_SAFE(node, &bus->kinds)
    {
        struct bus_kind *kind = CONTAINER_OF(node, struct bus_kind, node);

        bus_item_discard_kind(kind);
        list_remove(&kind->node);
        mem_free(kind);
    }
}

static void free_endpoints(struct bus *bus)
{
    LIST_FOREACH_SAFE(node, &bus->endpoints)
    {
        struct bus_endpoint *endpoint = CONTAINER_OF(node, struct bus_endpoint, node);

        loop_timer_stop(&endpoint->hello_timer);
        mem_free(endpoint->address);
        mem_free(endpoint);
    }
}

static void free_now(struct bus *bus)
{
    bool said = say_goodbye(bus);
    struct list_node *greeting;

    bus_notice_close(bus);
    transport_free(bus->transport, said ? CLOSE_LINGER_MS : 0);
    bus_call_discard(bus);
    free_peers(&bus->peers);
    free_peers(&bus->gone);
    free_kinds(bus);
    free_endpoints(bus);
    while ((greeting = list_pop(&bus->greetings)) != NULL)
        mem_free(CONTAINER_OF(greeting, struct bus_greeting, node));
    map64_deinit(&bus->peers_by_pipe);
    map64_deinit(&bus->requests);
    arena_deinit(&bus->frame_arena);
    arena_deinit(&bus->arena);
    buf_deinit(&bus->frame);
    buf_deinit(&bus->message);
    mem_free(bus->kind);
    mem_free(bus->instance);
    mem_free(bus);
}

void bus_free(struct bus *bus)
{
    if (!bus)
        return;
    bus->closing = true;
    if (bus->depth == 0)
        free_now(bus);
}
