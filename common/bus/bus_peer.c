/* Who is there. A peer is known by its hello; it stays the same peer while its process lives and
 * neither end has forgotten the other, over any number of pipes.
 */
#include "bus/bus_internal.h"

#include "base/assert.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rand.h"
#include "metric/metric.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

#define AWAY_FIRST_LOOK_MS 20
#define AWAY_LOOK_MS       50
#define HELLO_TRIES        5

static void on_away_timer(void *arg);

/* ---- the API ---- */

const char *bus_peer_kind(const struct bus_peer *peer)
{
    return peer->kind->name;
}

const char *bus_peer_instance(const struct bus_peer *peer)
{
    return peer->instance;
}

uint64_t bus_peer_boot(const struct bus_peer *peer)
{
    return peer->boot;
}

size_t bus_peer_announced(const struct bus_peer *peer, const struct span **lines_out)
{
    *lines_out = peer->announce;
    return peer->announce_count;
}

void bus_peer_set_data(struct bus_peer *peer, void *data)
{
    peer->data = data;
}

void *bus_peer_data(const struct bus_peer *peer)
{
    return peer->data;
}

/* Rendezvous hashing: each peer draws a number from its name and the hash, the highest wins. */
struct bus_peer *bus_peer_pick(struct bus_kind *kind, uint64_t hash)
{
    struct bus_peer *best = NULL;
    uint64_t best_draw = 0;

    LIST_FOREACH(node, &kind->peers)
    {
        struct bus_peer *peer = CONTAINER_OF(node, struct bus_peer, kind_node);
        uint64_t draw = hash_u64(peer->name_hash, hash);

        if (!best || draw > best_draw) {
            best = peer;
            best_draw = draw;
        }
    }
    return best;
}

struct bus_peer *bus_pick(struct bus *bus, const char *kind, uint64_t hash)
{
    struct bus_kind *found = bus_kind_get(bus, span_cstr(kind));

    return found ? bus_peer_pick(found, hash) : NULL;
}

struct bus_peer *bus_find(struct bus *bus, struct span instance)
{
    uint64_t hash = hash_span(instance);

    LIST_FOREACH(node, &bus->peers)
    {
        struct bus_peer *peer = CONTAINER_OF(node, struct bus_peer, node);

        if (peer->name_hash == hash && span_is(instance, peer->instance))
            return peer;
    }
    return NULL;
}

void bus_each_peer(struct bus *bus, const char *kind,
                   void (*each)(void *arg, struct bus_peer *peer), void *arg)
{
    LIST_FOREACH_SAFE(node, &bus->peers)
    {
        struct bus_peer *peer = CONTAINER_OF(node, struct bus_peer, node);

        if (!kind || strcmp(kind, peer->kind->name) == 0)
            each(arg, peer);
    }
}

bool bus_has_peer(struct bus *bus, const char *kind)
{
    struct bus_kind *found = bus_kind_get(bus, span_cstr(kind));

    return found && !list_is_empty(&found->peers);
}

/* ---- coming and going ---- */

void bus_peer_ref(struct bus_peer *peer)
{
    peer->references++;
}

void bus_peer_discard(struct bus_peer *peer)
{
    loop_timer_stop(&peer->away_timer);
    bus_link_deinit(peer);
    list_remove(&peer->node);
    arena_deinit(&peer->arena);
    mem_free(peer);
}

void bus_peer_unref(struct bus_peer *peer)
{
    ASSERT(peer->references > 0);
    if (--peer->references == 0)
        bus_peer_discard(peer);
}

static const struct span *copy_lines(struct arena *arena, const struct frame_hello *hello)
{
    struct span *lines = arena_calloc(arena, hello->announce_count + 1, sizeof *lines);

    for (uint32_t i = 0; i < hello->announce_count; i++)
        lines[i] = arena_copy(arena, hello->announce[i]);
    return lines;
}

static struct bus_peer *make_peer(struct bus *bus, const struct frame_hello *hello)
{
    struct bus_peer *peer = mem_calloc(1, sizeof *peer);

    peer->bus = bus;
    peer->kind = bus_kind_get(bus, hello->kind);
    memcpy(peer->instance, hello->instance.data, hello->instance.len);
    peer->name_hash = hash_span(hello->instance);
    peer->boot = hello->boot;
    arena_init(&peer->arena, 1024);
    peer->announce = copy_lines(&peer->arena, hello);
    peer->announce_count = hello->announce_count;
    peer->references = 1;
    peer->remote_link = hello->link;
    loop_timer_init(&peer->away_timer, bus->options.loop, on_away_timer, peer);
    bus_link_init(peer);
    return peer;
}

static void announce_up(struct bus_peer *peer)
{
    struct bus *bus = peer->bus;

    peer->is_up = true;
    list_add_tail(&bus->peers, &peer->node);
    list_add_tail(&peer->kind->peers, &peer->kind_node);
    LOG_INFO("peer_up", "kind=%s peer=%s", peer->kind->name, peer->instance);
    metric_change(METRIC_bus_peers, 1);
    bus_item_peer_up(peer->kind);
    bus_call_peer_up(peer->kind);
    if (bus->options.handlers.peer_up)
        bus->options.handlers.peer_up(bus->options.ctx, peer);
}

/* Both directions are off, whichever pipe broke. */
static void leave_pipes(struct bus_peer *peer)
{
    bus_link_pause(peer);
    if (!peer->endpoint) {
        map64_remove(&peer->bus->peers_by_pipe, peer->pipe);
        map64_remove(&peer->bus->peers_by_pipe, peer->from_pipe);
    }
    peer->pipe = 0;
    peer->from_pipe = 0;
}

static void detach(struct bus_peer *peer)
{
    loop_timer_stop(&peer->away_timer);
    if (peer->pipe)
        port_close_pipe(peer->port, peer->pipe);
    leave_pipes(peer);
    if (peer->endpoint) {
        peer->endpoint->peer = NULL;
        peer->endpoint->hello_link = 0;
    }
}

/* The bus is in order again before the user hears of it, because the user may do anything. */
void bus_peer_down(struct bus_peer *peer, const char *why)
{
    struct bus *bus = peer->bus;
    struct list_node lost_items;
    struct list_node lost_calls;

    list_init(&lost_items);
    list_init(&lost_calls);
    peer->is_up = false;
    detach(peer);
    list_remove(&peer->node);
    list_remove(&peer->kind_node);
    list_add_tail(&bus->gone, &peer->node);
    LOG_INFO("peer_down", "kind=%s peer=%s why=%s", peer->kind->name, peer->instance, why);
    metric_change(METRIC_bus_peers, -1);
    metric_inc(METRIC_bus_peers_lost);
    bus_call_peer_down(peer, &lost_calls);
    bus_item_peer_down(peer, &lost_items);
    bus_item_report_lost(bus, &lost_items);
    bus_call_report_lost(bus, &lost_calls);
    if (!bus->closing && bus->options.handlers.peer_down)
        bus->options.handlers.peer_down(bus->options.ctx, peer);
    bus_peer_unref(peer);
}

/* ---- pipes breaking ---- */

static char process_state(int32_t pid)
{
    char path[64];
    char line[256];
    char *name_end = NULL;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    file = fopen(path, "re");
    if (!file)
        return 0;
    if (fgets(line, sizeof line, file))
        name_end = strrchr(line, ')');
    (void)fclose(file);
    return name_end && name_end[1] == ' ' ? name_end[2] : 0;
}

/* Only where the kernel named the process; a dead one that nobody has waited for yet counts. */
static bool has_ended(int32_t pid)
{
    char state;

    if (pid <= 0)
        return false;
    if (kill(pid, 0) != 0)
        return errno == ESRCH;
    state = process_state(pid);
    return state == 'Z' || state == 'X';
}

static void on_away_timer(void *arg)
{
    struct bus_peer *peer = arg;
    struct bus *bus = peer->bus;

    bus_enter(bus);
    if (has_ended(peer->pid))
        bus_peer_down(peer, "its process ended");
    else if (bus_now_ms(bus) - peer->away_ms >= bus->options.peer_grace_ms)
        bus_peer_down(peer, "stayed away");
    bus_leave(bus);
}

static void go_away(struct bus_peer *peer)
{
    leave_pipes(peer);
    peer->away_ms = bus_now_ms(peer->bus);
    loop_timer_start(&peer->away_timer, AWAY_FIRST_LOOK_MS, AWAY_LOOK_MS);
}

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

void bus_peer_greet(struct bus_endpoint *endpoint)
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

void bus_peer_endpoint_gone(struct bus_endpoint *endpoint, const struct port *port, uint32_t pipe)
{
    enum frame_lane lane = lane_of(endpoint, port);

    if (endpoint->pipes[lane] != pipe)
        return;
    endpoint->pipes[lane] = 0;
    if (endpoint->peer && endpoint->greeted)
        go_away(endpoint->peer);
    endpoint->greeted = false;
}

void bus_peer_endpoint_up(struct bus_endpoint *endpoint, const struct port *port, uint32_t pipe)
{
    enum frame_lane lane = lane_of(endpoint, port);

    if (endpoint->pipes[lane])
        bus_peer_endpoint_gone(endpoint, port, endpoint->pipes[lane]);
    endpoint->pipes[lane] = pipe;
    bus_peer_greet(endpoint);
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

void bus_peer_hello_from_listener(struct bus_endpoint *endpoint, const struct frame_hello *hello)
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
        peer = make_peer(bus, hello);
        peer->local_link = endpoint->hello_link = hello->your_link;
        peer->endpoint = endpoint;
        endpoint->peer = peer;
    }
    attach(peer, endpoint->ports[FRAME_SPEAKS], endpoint->pipes);
    resume(peer, hello->received);
    if (is_new)
        announce_up(peer);
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
        leave_pipes(peer);
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
            leave_pipes(peer);
        bus_peer_down(peer, peer->boot == hello->boot ? "lost track of us" : "restarted");
    }
    if (bus->closing)
        return;
    peer = make_peer(bus, hello);
    peer->local_link = fresh_link();
    move_to_pipes(peer, lanes);
    answer_hello(peer, 0); /* what it had of us in an earlier life does not count */
    announce_up(peer);
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
void bus_peer_hello_from_dialler(struct bus *bus, uint32_t pipe, const struct frame_hello *hello)
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

void bus_peer_pipe_gone(struct bus *bus, uint32_t pipe)
{
    struct bus_peer *peer = map64_get(&bus->peers_by_pipe, pipe);

    if (peer)
        go_away(peer);
    LIST_FOREACH_SAFE(node, &bus->greetings)
    {
        struct bus_greeting *greeting = CONTAINER_OF(node, struct bus_greeting, node);

        if (greeting->pipes[0] == pipe || greeting->pipes[1] == pipe)
            end_greeting(greeting);
    }
}
