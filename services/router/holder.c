/* Names of holders to peers, and the queues in front of them. */
#include "holder.h"

#include "base/map.h"
#include "base/mem.h"
#include "bus/bus.h"
#include "loop/loop.h"
#include "parcel.h"

#define ROOM_MS 10 /* a full backlog is tried again after this */

struct holders {
    struct loop *loop;
    uint32_t wait_ms;
    struct map by_name;
};

static void flush(struct holder *holder);

static void on_timer(void *arg)
{
    flush(arg);
}

struct holder *holder_get(struct holders *holders, struct span name)
{
    struct holder *holder = map_get(&holders->by_name, name);

    if (holder)
        return holder;
    holder = mem_calloc(1, sizeof(*holder) + name.len);
    holder->holders = holders;
    memcpy(holder->text, name.data, name.len);
    holder->name = span_of(holder->text, name.len);
    list_init(&holder->waiting);
    list_init(&holder->sending);
    loop_timer_init(&holder->timer, holders->loop, on_timer, holder);
    map_put(&holders->by_name, name, holder);
    return holder;
}

static bool try_send(struct holder *holder, struct parcel *parcel)
{
    if (!holder->peer || parcel_send(parcel, holder->peer) != 0)
        return false;
    list_add_tail(&holder->sending, &parcel->node);
    return true;
}

/* Those that waited longer than a holder is waited for are lost. */
static void lose_old(struct holder *holder)
{
    uint64_t now = loop_now_ms(holder->holders->loop);
    struct list_node *node;

    while ((node = list_first(&holder->waiting)) != NULL) {
        struct parcel *parcel = CONTAINER_OF(node, struct parcel, node);

        if (!holder->is_gone && now - parcel->since_ms < holder->holders->wait_ms)
            return;
        list_remove(node);
        parcel_lost(parcel);
    }
}

static void flush(struct holder *holder)
{
    struct list_node *node;

    while (holder->peer && (node = list_pop(&holder->waiting)) != NULL) {
        if (try_send(holder, CONTAINER_OF(node, struct parcel, node)))
            continue;
        list_add_head(&holder->waiting, node);
        break;
    }
    if (!holder->peer)
        lose_old(holder);
    if (!list_is_empty(&holder->waiting) && !loop_timer_is_active(&holder->timer))
        loop_timer_start(&holder->timer, holder->peer ? ROOM_MS : holder->holders->wait_ms, 0);
}

void holder_send(struct holder *holder, struct parcel *parcel)
{
    if (holder->is_gone) { /* perhaps its peer's end is just being told */
        parcel_lost(parcel);
        return;
    }
    if (list_is_empty(&holder->waiting) && try_send(holder, parcel))
        return;
    parcel->since_ms = loop_now_ms(holder->holders->loop);
    list_add_tail(&holder->waiting, &parcel->node);
    flush(holder);
}

void holder_up(struct holders *holders, struct bus_peer *peer)
{
    struct holder *holder = holder_get(holders, span_cstr(bus_peer_instance(peer)));

    holder->peer = peer;
    holder->is_gone = false;
    flush(holder);
}

void holder_down(struct holders *holders, struct bus_peer *peer)
{
    struct holder *holder = holder_get(holders, span_cstr(bus_peer_instance(peer)));

    if (holder->peer != peer)
        return; /* the next life of that instance was faster */
    holder->peer = NULL;
    holder->is_gone = true;
    flush(holder);
}

struct holders *holders_new(struct loop *loop, uint32_t wait_ms)
{
    struct holders *holders = mem_calloc(1, sizeof(*holders));

    holders->loop = loop;
    holders->wait_ms = wait_ms;
    map_init(&holders->by_name);
    return holders;
}

void holders_set_wait(struct holders *holders, uint32_t wait_ms)
{
    holders->wait_ms = wait_ms;
}

static void free_parcels(struct list_node *list)
{
    struct list_node *node;

    while ((node = list_pop(list)) != NULL)
        mem_free(CONTAINER_OF(node, struct parcel, node));
}

void holders_free(struct holders *holders)
{
    struct map_cursor at = {0};
    void *value;

    while (map_next(&holders->by_name, &at, NULL, &value)) {
        struct holder *holder = value;

        loop_timer_stop(&holder->timer);
        free_parcels(&holder->waiting);
        free_parcels(&holder->sending);
        mem_free(holder);
    }
    map_deinit(&holders->by_name);
    mem_free(holders);
}
