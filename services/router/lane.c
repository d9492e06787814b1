/* Per session that can change hands: how much is unsettled, at which holder, and what waits. */
#include "lane.h"

#include "base/assert.h"
#include "base/map.h"
#include "base/mem.h"
#include "holder.h"
#include "metric/metric.h"
#include "parcel.h"

struct lanes {
    struct map64 by_sid;
};

struct lane {
    struct list_node waiting; /* struct parcel.node */
    struct holder *holder;
    uint64_t sid;
    uint32_t unsettled;
    bool is_releasing;
    uint32_t account_len;
    char account[];
};

static struct lane *lane_new(struct lanes *lanes, const struct lane_entry *entry)
{
    struct lane *lane = mem_calloc(1, sizeof(*lane) + entry->account.len);

    lane->sid = entry->sid;
    lane->holder = entry->holder;
    lane->account_len = (uint32_t)entry->account.len;
    if (entry->account.len > 0)
        memcpy(lane->account, entry->account.data, entry->account.len);
    list_init(&lane->waiting);
    map64_put(&lanes->by_sid, lane->sid, lane);
    return lane;
}

bool lane_enter(struct lanes *lanes, const struct lane_entry *entry)
{
    struct lane *lane = map64_get(&lanes->by_sid, entry->sid);

    if (!lane)
        lane = lane_new(lanes, entry);
    else if (!entry->is_ahead && (!list_is_empty(&lane->waiting) || lane->holder != entry->holder))
        return false;
    lane->unsettled++;
    return true;
}

void lane_wait(struct lanes *lanes, uint64_t sid, struct parcel *parcel)
{
    struct lane *lane = map64_get(&lanes->by_sid, sid);

    ASSERT(lane);
    metric_inc(METRIC_router_lane_waits);
    list_add_tail(&lane->waiting, &parcel->node);
}

static struct parcel *first(const struct lane *lane)
{
    struct list_node *node = list_first(&lane->waiting);

    return node ? CONTAINER_OF(node, struct parcel, node) : NULL;
}

/* All that wait for the same holder go on together. */
static void release(struct lanes *lanes, struct lane *lane)
{
    struct parcel *parcel;

    lane->is_releasing = true;
    while (lane->unsettled == 0 && (parcel = first(lane)) != NULL) {
        lane->holder = parcel->holder;
        while (parcel && parcel->holder == lane->holder) {
            list_remove(&parcel->node);
            lane->unsettled++;
            holder_send(parcel->holder, parcel);
            parcel = first(lane);
        }
    }
    lane->is_releasing = false;
    if (lane->unsettled > 0)
        return;
    map64_remove(&lanes->by_sid, lane->sid);
    mem_free(lane);
}

void lane_leave(struct lanes *lanes, uint64_t sid)
{
    struct lane *lane = map64_get(&lanes->by_sid, sid);

    ASSERT(lane && lane->unsettled > 0);
    lane->unsettled--;
    if (lane->unsettled == 0 && !lane->is_releasing)
        release(lanes, lane);
}

struct span lane_account(const struct lanes *lanes, uint64_t sid)
{
    const struct lane *lane = map64_get(&lanes->by_sid, sid);

    return lane ? span_of(lane->account, lane->account_len) : (struct span){0};
}

struct lanes *lanes_new(void)
{
    struct lanes *lanes = mem_calloc(1, sizeof(*lanes));

    map64_init(&lanes->by_sid);
    return lanes;
}

void lanes_free(struct lanes *lanes)
{
    struct map_cursor at = {0};
    void *value;

    while (map64_next(&lanes->by_sid, &at, NULL, &value)) {
        struct lane *lane = value;
        struct list_node *node;

        while ((node = list_pop(&lane->waiting)) != NULL)
            mem_free(CONTAINER_OF(node, struct parcel, node));
        mem_free(lane);
    }
    map64_deinit(&lanes->by_sid);
    mem_free(lanes);
}
