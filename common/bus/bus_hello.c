/* The first words on new pipes: who is this, and do we go on where we were?
 *
 * A dialler has two pipes to a listener, one for each direction. When both are there it says hello
 * on both; the listener answers on the one it speaks on. Each end names the link it remembers: when
 * both agree the conversation goes on from what each has received, else both start anew.
 */
#include "bus/bus_internal.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/rand.h"

/* So many hellos without an answer, then the pipes are made anew. */
#define HELLO_TRIES 5

/* ---- hello, the dialler's side ---- */

static void send_hello(struct bus *bus, struct port *port, uint32_t pipe,
                       const struct frame_hello *ids)
{
    struct frame_hello hello = *ids;

    hello.boot = bus->boot;
    hello.kind = span_cstr(bus->kind);
    hello.instance = span_cstr(bus->instance);
    hello.announce = bus->options.announce;
    hello.announce_count = (uint32_t)bus->options.announce_count;
    buf_reset(&bus->frame);
    frame_write_hello(&hello, &bus->frame);
    (void)port_send(port, pipe, buf_span(&bus->frame));
}

static uint64_t fresh_link(void)
{
    return rand_u64() | 1;
}

void bus_hello_greet(struct bus_endpoint *endpoint)
{
    struct bus *bus = endpoint->bus;
    struct bus_peer *peer = endpoint->peer;
    struct frame_hello ids = {0};

    if (!endpoint->pipes[FRAME_SPEAKS] || !endpoint->pipes[FRAME_LISTENS] || endpoint->greeted)
        return;
    if (++endpoint->tries > HELLO_TRIES) {
        /* A connection may be dead without a sign: make new ones. */
        endpoint->tries = 0;
        for (int lane = FRAME_SPEAKS; lane <= FRAME_LISTENS; lane++)
            port_close_pipe(endpoint->ports[lane], endpoint->pipes[lane]);
        return;
    }
    if (!endpoint->hello_link)
        endpoint->hello_link = fresh_link();
    ids.link = endpoint->hello_link;
    if (peer) {
        ids.your_link = peer->remote_link;
        ids.received = peer->in.received;
    }
    for (int lane = FRAME_SPEAKS; lane <= FRAME_LISTENS; lane++) {
        ids.lane = (enum frame_lane)lane;
        send_hello(bus, endpoint->ports[lane], endpoint->pipes[lane], &ids);
    }
    loop_timer_start(&endpoint->hello_timer, bus->options.resend_ms, 0);
}

static enum frame_lane lane_of(const struct bus_endpoint *endpoint, const struct port *port)
{
    return port == endpoint->ports[FRAME_SPEAKS] ? FRAME_SPEAKS : FRAME_LISTENS;
}

void bus_hello_endpoint_gone(struct bus_endpoint *endpoint, const struct port *port, uint32_t pipe)
{
    enum frame_lane lane = lane_of(endpoint, port);

    if (endpoint->pipes[lane] != pipe)
        return;
    endpoint->pipes[lane] = 0;
    if (endpoint->peer && endpoint->greeted)
        bus_peer_go_away(endpoint->peer);
    endpoint->greeted = false;
}

void bus_hello_endpoint_up(struct bus_endpoint *endpoint, const struct port *port, uint32_t pipe)
{
    enum frame_lane lane = lane_of(endpoint, port);

    if (endpoint->pipes[lane])
        bus_hello_endpoint_gone(endpoint, port, endpoint->pipes[lane]);
    endpoint->pipes[lane] = pipe;
    bus_hello_greet(endpoint);
}

static void attach(struct bus_peer *peer, struct port *port, const uint32_t pipes[2])
{
    peer->port = port;
    peer->pipe = pipes[0];
    peer->from_pipe = pipes[1];
    peer->pid = port_pipe_pid(port, peer->pipe);
    loop_timer_stop(&peer->away_timer);
}

static void resume(struct bus_peer *peer, uint64_t received)
{
    if (bus_link_resume(peer, received) == 0)
        return;
    LOG_WARN("hello_impossible", "peer=%s", peer->instance);
    port_close_pipe(peer->port, peer->pipe);
}

void bus_hello_from_listener(struct bus_endpoint *endpoint, const struct frame_hello *hello)
{
    struct bus *bus = endpoint->bus;
    struct bus_peer *peer = endpoint->peer;
    bool is_new = false;

    if (endpoint->greeted || hello->your_link != endpoint->hello_link ||
        !endpoint->pipes[FRAME_SPEAKS])
        return;
    loop_timer_stop(&endpoint->hello_timer);
    endpoint->greeted = true;
    endpoint->complained = true;
    endpoint->tries = 0;
    if (peer && (peer->boot != hello->boot || peer->remote_link != hello->link)) {
        bus_peer_down(peer, peer->boot == hello->boot ? "lost track of us" : "restarted");
        if (bus->closing)
            return;
        peer = NULL;
    }
    if (!peer) {
        is_new = true;
        peer = bus_peer_make(bus, hello);
        peer->local_link = endpoint->hello_link = hello->your_link;
        peer->endpoint = endpoint;
        endpoint->peer = peer;
    }
    attach(peer, endpoint->ports[FRAME_SPEAKS], endpoint->pipes);
    resume(peer, hello->received);
    if (is_new)
        bus_peer_announce(peer);
}

/* ---- hello, the listener's side ---- */

static struct bus_peer *find_dialler(struct bus *bus, struct span instance)
{
    LIST_FOREACH(node, &bus->peers)
    {
        struct bus_peer *peer = CONTAINER_OF(node, struct bus_peer, node);

        if (!peer->endpoint && span_is(instance, peer->instance))
            return peer;
    }
    return NULL;
}

/* A dialler that never heard our answer knows no link of ours: then it has had nothing from us. */
static bool is_same_link(const struct bus_peer *peer, const struct frame_hello *hello)
{
    return peer->boot == hello->boot && peer->remote_link == hello->link &&
           (hello->your_link == peer->local_link ||
            (hello->your_link == 0 && peer->out.confirmed == 0));
}

static void answer_hello(struct bus_peer *peer, uint64_t received)
{
    const struct frame_hello ids = {.lane = FRAME_LISTENS,
                                    .link = peer->local_link,
                                    .your_link = peer->remote_link,
                                    .received = peer->in.received};

    send_hello(peer->bus, peer->port, peer->pipe, &ids);
    resume(peer, received);
}

/* We speak where the dialler listens. */
static void move_to_pipes(struct bus_peer *peer, const uint32_t lanes[2])
{
    struct bus *bus = peer->bus;
    const uint32_t pipes[2] = {lanes[FRAME_LISTENS], lanes[FRAME_SPEAKS]};

    if (peer->pipe)
        bus_peer_leave_pipes(peer);
    attach(peer, bus->listener, pipes);
    map64_put(&bus->peers_by_pipe, peer->pipe, peer);
    map64_put(&bus->peers_by_pipe, peer->from_pipe, peer);
}

static void greet_dialler(struct bus *bus, const uint32_t lanes[2], const struct frame_hello *hello)
{
    struct bus_peer *peer = find_dialler(bus, hello->instance);

    if (peer && is_same_link(peer, hello)) {
        move_to_pipes(peer, lanes);
        answer_hello(peer, hello->received);
        return;
    }
    if (peer) {
        /* It may be on the same pipes: a hello that nng still had from an earlier connection came
         * first. */
        if (peer->pipe == lanes[FRAME_LISTENS])
            bus_peer_leave_pipes(peer);
        bus_peer_down(peer, peer->boot == hello->boot ? "lost track of us" : "restarted");
    }
    if (bus->closing)
        return;
    peer = bus_peer_make(bus, hello);
    peer->local_link = fresh_link();
    move_to_pipes(peer, lanes);
    answer_hello(peer, 0); /* what it had of us in an earlier life does not count */
    bus_peer_announce(peer);
}

static struct bus_greeting *greeting_of(struct bus *bus, const struct frame_hello *hello)
{
    struct bus_greeting *greeting;

    LIST_FOREACH(node, &bus->greetings)
    {
        greeting = CONTAINER_OF(node, struct bus_greeting, node);
        if (greeting->boot == hello->boot && greeting->link == hello->link)
            return greeting;
    }
    greeting = mem_calloc(1, sizeof *greeting);
    greeting->boot = hello->boot;
    greeting->link = hello->link;
    list_add_tail(&bus->greetings, &greeting->node);
    return greeting;
}

static void end_greeting(struct bus_greeting *greeting)
{
    list_remove(&greeting->node);
    mem_free(greeting);
}

/* The hello comes on both pipes, in any order; it counts when it has come on both. */
void bus_hello_from_dialler(struct bus *bus, uint32_t pipe, const struct frame_hello *hello)
{
    struct bus_peer *there = map64_get(&bus->peers_by_pipe, pipe);
    struct bus_greeting *greeting;
    uint32_t lanes[2];

    if (there && !span_is(hello->instance, there->instance)) {
        LOG_WARN("second_hello", "peer=%s says=%.*s", there->instance, SPAN_ARG(hello->instance));
        return;
    }
    greeting = greeting_of(bus, hello);
    greeting->pipes[hello->lane] = pipe;
    if (!greeting->pipes[FRAME_SPEAKS] || !greeting->pipes[FRAME_LISTENS])
        return;
    memcpy(lanes, greeting->pipes, sizeof lanes);
    end_greeting(greeting);
    if (lanes[0] != lanes[1])
        greet_dialler(bus, lanes, hello);
}

void bus_hello_pipe_gone(struct bus *bus, uint32_t pipe)
{
    struct bus_peer *peer = map64_get(&bus->peers_by_pipe, pipe);

    if (peer)
        bus_peer_go_away(peer);
    LIST_FOREACH_SAFE(node, &bus->greetings)
    {
        struct bus_greeting *greeting = CONTAINER_OF(node, struct bus_greeting, node);

        if (greeting->pipes[0] == pipe || greeting->pipes[1] == pipe)
            end_greeting(greeting);
    }
}
