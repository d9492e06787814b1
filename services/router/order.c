/* Per session that has something at a service: how much, where, and who waits for it. */
#include "order.h"

#include "base/assert.h"
#include "base/map.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "loop/timer.h"
#include "metric/metric.h"

struct order {
    struct list_node node;    /* in orders->waited_for while somebody waits, oldest first */
    struct list_node waiting; /* struct job.wait */
    struct list_node taken;   /* struct job.wait: at the service, not dealt with */
    uint64_t sid;
    uint64_t since_ms; /* of the wait of the first in line */
    const struct owner *owner;
    uint32_t waiting_count;
    bool is_releasing;
};

struct orders {
    struct orders_options options;
    struct map64 by_sid;
    struct list_node waited_for;
    struct loop_timer timer;
};

static void arm(struct orders *orders)
{
    struct list_node *first = list_first(&orders->waited_for);
    uint64_t now = loop_now_ms(orders->options.loop);
    uint64_t due;

    if (!first || loop_timer_is_active(&orders->timer))
        return;
    due = CONTAINER_OF(first, struct order, node)->since_ms + orders->options.wait_ms;
    loop_timer_start(&orders->timer, due > now ? (uint32_t)(due - now) : 1, 0);
}

static void order_free(struct orders *orders, struct order *order)
{
    map64_remove(&orders->by_sid, order->sid);
    list_remove(&order->node);
    mem_free(order);
}

static struct job *first_waiting(const struct order *order)
{
    struct list_node *first = list_first(&order->waiting);

    return first ? CONTAINER_OF(first, struct job, wait) : NULL;
}

/* Lets everybody go on who need not wait any more; `all`: everybody. */
static void release(struct orders *orders, struct order *order, bool all)
{
    struct job *job;

    if (order->is_releasing)
        return;
    order->is_releasing = true;
    while ((job = first_waiting(order)) != NULL &&
           (all || list_is_empty(&order->taken) || job->owner == order->owner)) {
        list_remove(&job->wait);
        order->waiting_count--;
        metric_observe(METRIC_router_order_seconds,
                       (double)(loop_now_ms(orders->options.loop) - job->since_ms) / 1000);
        orders->options.resume(orders->options.ctx, job);
    }
    order->is_releasing = false;
    list_remove(&order->node);
    if (order->waiting_count > 0) {
        order->since_ms = loop_now_ms(orders->options.loop);
        list_add_tail(&orders->waited_for, &order->node);
        arm(orders);
    } else if (list_is_empty(&order->taken)) {
        order_free(orders, order);
    }
}

static void on_timer(void *arg)
{
    struct orders *orders = arg;
    struct list_node *first;

    while ((first = list_first(&orders->waited_for)) != NULL) {
        struct order *order = CONTAINER_OF(first, struct order, node);

        if (loop_now_ms(orders->options.loop) - order->since_ms < orders->options.wait_ms)
            break;
        metric_inc(METRIC_router_order_given_up);
        release(orders, order, true);
    }
    arm(orders);
}

enum order_answer order_admit(struct orders *orders, struct job *job, const struct owner *owner)
{
    struct order *order = map64_get(&orders->by_sid, job->origin_sid);

    if (!order)
        return ORDER_GO;
    if (order->waiting_count == 0 && owner && owner == order->owner)
        return ORDER_GO;
    if (order->waiting_count >= orders->options.max_waiting)
        return ORDER_TOO_MANY;
    if (order->waiting_count++ == 0) {
        order->since_ms = loop_now_ms(orders->options.loop);
        list_add_tail(&orders->waited_for, &order->node);
        arm(orders);
    }
    job->owner = owner;
    list_add_tail(&order->waiting, &job->wait);
    return ORDER_WAIT;
}

void order_taken(struct orders *orders, struct job *job, const struct owner *owner)
{
    struct order *order = map64_get(&orders->by_sid, job->origin_sid);

    if (!order) {
        order = mem_calloc(1, sizeof(*order));
        order->sid = job->origin_sid;
        list_init(&order->node);
        list_init(&order->waiting);
        list_init(&order->taken);
        map64_put(&orders->by_sid, order->sid, order);
    }
    order->owner = owner;
    list_add_tail(&order->taken, &job->wait);
}

void order_settled(struct orders *orders, struct job *job)
{
    struct order *order = map64_get(&orders->by_sid, job->origin_sid);

    if (!list_is_linked(&job->wait))
        return; /* it was dealt with */
    ASSERT(order);
    list_remove(&job->wait);
    release(orders, order, false);
}

void order_dealt(struct orders *orders, uint64_t sid, uint64_t n)
{
    const struct order *order = map64_get(&orders->by_sid, sid);

    if (!order)
        return;
    LIST_FOREACH(node, &order->taken)
    {
        struct job *job = CONTAINER_OF(node, struct job, wait);

        if (job->origin_n == n) {
            order_settled(orders, job);
            return;
        }
    }
}

struct orders *orders_new(const struct orders_options *options)
{
    struct orders *orders = mem_calloc(1, sizeof(*orders));

    orders->options = *options;
    map64_init(&orders->by_sid);
    list_init(&orders->waited_for);
    loop_timer_init(&orders->timer, options->loop, on_timer, orders);
    return orders;
}

void orders_free(struct orders *orders)
{
    struct map_cursor at = {0};
    void *value;

    while (map64_next(&orders->by_sid, &at, NULL, &value)) {
        struct order *order = value;

        while (list_pop(&order->waiting) != NULL || list_pop(&order->taken) != NULL)
            continue; /* the router frees all jobs */
        list_remove(&order->node);
        mem_free(order);
    }
    loop_timer_stop(&orders->timer);
    map64_deinit(&orders->by_sid);
    mem_free(orders);
}

void orders_set_limits(struct orders *orders, uint32_t wait_ms, uint32_t max_waiting)
{
    orders->options.wait_ms = wait_ms;
    orders->options.max_waiting = max_waiting;
}
