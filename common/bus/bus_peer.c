/* Who is there. A peer is known by its hello; it stays the same peer while its process lives and
 * neither end has forgotten the other, over any number of pipes.
 */
#include "bus/bus_internal.h"

#include "base/assert.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "metric/metric.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

#define AWAY_FIRST_LOOK_MS 20
#define AWAY_LOOK_MS       50

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

struct bus_peer *bus_peer_make(struct bus *bus, const struct frame_hello *hello)
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

void bus_peer_announce(struct bus_peer *peer)
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
void bus_peer_leave_pipes(struct bus_peer *peer)
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
    bus_peer_leave_pipes(peer);
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

    (void)snprintf(path, sizeof path, "/proc/%d/stat", pid);
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

void bus_peer_go_away(struct bus_peer *peer)
{
    bus_peer_leave_pipes(peer);
    peer->away_ms = bus_now_ms(peer->bus);
    loop_timer_start(&peer->away_timer, AWAY_FIRST_LOOK_MS, AWAY_LOOK_MS);
}
