/* Deliveries: settled when nobody holds them any more, or when the router has taken back what was
 * missed. */
#include "base/mem.h"
#include "custody/custody_internal.h"

#define RETRY_MS 20

static void delivery_free(struct delivery *delivery)
{
    list_remove(&delivery->node);
    mem_free(delivery->missed);
    mem_free(delivery);
}

struct delivery *delivery_new(struct custody *custody, struct bus_peer *peer, uint64_t token,
                              const struct wire_deliver *item)
{
    struct delivery *delivery = mem_calloc(1, sizeof(*delivery) + item->stanza.len);
    list_init(&delivery->node);
    delivery->custody = custody;
    delivery->peer = peer;
    delivery->token = token;
    delivery->origin_sid = item->origin_sid;
    delivery->origin_n = item->origin_n;
    delivery->room = item->sids.count;
    delivery->refs = 1;
    delivery->stanza_len = (uint32_t)item->stanza.len;
    if (item->stanza.len > 0)
        memcpy(delivery->stanza, item->stanza.data, item->stanza.len);
    if (peer) /* where custody_peer_down finds it */
        list_add_tail(&custody->held, &delivery->node);
    return delivery;
}

void delivery_ref(struct delivery *delivery)
{
    delivery->refs++;
}

void delivery_missed(struct delivery *delivery, uint64_t sid)
{
    if (!delivery->peer)
        return;
    if (!delivery->missed)
        delivery->missed = mem_calloc(delivery->room, sizeof(*delivery->missed));
    if (delivery->missed_count < delivery->room)
        delivery->missed[delivery->missed_count++] = sid;
}

/* ---- told back: the delivery is settled only when the router has the `missed` item ---- */

static void on_told(void *arg, enum bus_outcome outcome)
{
    struct delivery *delivery = arg;
    if (outcome == BUS_SETTLED && delivery->peer)
        bus_settle(delivery->peer, delivery->token);
    delivery_free(delivery);
}

static void tell(struct delivery *delivery)
{
    struct custody *custody = delivery->custody;
    struct wire_msg item = {
        .id = WIRE_ID_missed,
        .u.missed =
            {
                .origin_sid = delivery->origin_sid,
                .origin_n = delivery->origin_n,
                .sids = {delivery->missed, delivery->missed_count},
                .stanza = delivery_stanza(delivery),
                .flags = delivery->flags,
            },
    };
    list_remove(&delivery->node);
    if (bus_send_to(delivery->peer, &item, on_told, delivery) == 0) {
        list_add_tail(&custody->told, &delivery->node);
        return;
    }
    list_add_tail(&custody->untold, &delivery->node);
    if (!loop_timer_is_active(&custody->tell_again))
        loop_timer_start(&custody->tell_again, RETRY_MS, 0);
}

void delivery_release(struct delivery *delivery)
{
    if (--delivery->refs > 0)
        return;
    if (delivery->peer && delivery->missed_count > 0) {
        tell(delivery);
        return;
    }
    if (delivery->peer)
        bus_settle(delivery->peer, delivery->token);
    delivery_free(delivery);
}

void custody_tell_again(void *arg)
{
    struct custody *custody = arg;
    struct list_node todo;
    list_init(&todo);
    for (struct list_node *node; (node = list_pop(&custody->untold));)
        list_add_tail(&todo, node);
    for (struct list_node *node; (node = list_pop(&todo));)
        tell(CONTAINER_OF(node, struct delivery, node));
}

/* ---- peers that go: their items come again by themselves ---- */

static void let_go(struct list_node *list, struct bus_peer *peer)
{
    LIST_FOREACH_SAFE(node, list)
    {
        struct delivery *delivery = CONTAINER_OF(node, struct delivery, node);
        if (delivery->peer != peer)
            continue;
        bus_settle(peer, delivery->token); /* nobody hears it, but the bus counts */
        delivery->peer = NULL;
    }
}

void custody_peer_down(struct custody *custody, struct bus_peer *peer)
{
    let_go(&custody->held, peer);
    let_go(&custody->told, peer);
    LIST_FOREACH_SAFE(node, &custody->untold)
    {
        struct delivery *delivery = CONTAINER_OF(node, struct delivery, node);
        if (delivery->peer != peer)
            continue;
        bus_settle(peer, delivery->token);
        delivery_free(delivery);
    }
}

/* Those that are held belong to queues, which are closed by now; the bus's are nobody's. */
void custody_deliveries_free(struct custody *custody)
{
    struct list_node *const lists[] = {&custody->untold, &custody->told};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        for (struct list_node *node; (node = list_pop(lists[i]));)
            delivery_free(CONTAINER_OF(node, struct delivery, node));
}
