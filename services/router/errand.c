/* Handing over, and keeping what the bus has no room for. */
#include "errand.h"

#include "base/hash.h"
#include "base/mem.h"
#include "loop/timer.h"
#include "metric/metric.h"
#include "order.h"
#include "router.h"

#define ROOM_MS 10 /* a full backlog is tried again after this */

struct errand {
    struct list_node node;
    struct job *job; /* held */
    const struct owner *owner;
    uint64_t hash;
    uint32_t flags;
    bool is_ordered; /* a client's stanza: later ones of its session wait for it */
};

struct errands {
    struct router *router;
    struct list_node sending;
    struct list_node waiting;
    struct loop_timer timer;
};

static void errand_settled(void *arg, enum bus_outcome outcome)
{
    struct errand *errand = arg;
    struct job *job = errand->job;

    (void)outcome; /* bus_send goes on until a service has it */
    list_remove(&errand->node);
    if (errand->is_ordered)
        order_settled(job->router->orders, job);
    mem_free(errand);
    job_release(job);
}

static int try_send(struct errand *errand)
{
    struct job *job = errand->job;
    struct wire_msg msg = {.id = WIRE_ID_handle};

    msg.u.handle = (struct wire_handle){
        .origin_sid = job->origin_sid,
        .origin_n = job->origin_n,
        .flags = errand->flags,
        .stanza = job->stanza,
    };
    return bus_send(job->router->bus, errand->owner->kind, errand->hash, &msg, errand_settled,
                    errand);
}

static void flush(void *arg)
{
    struct errands *errands = arg;
    struct list_node *node;

    while ((node = list_first(&errands->waiting)) != NULL) {
        if (try_send(CONTAINER_OF(node, struct errand, node)) != 0)
            break;
        list_remove(node);
        list_add_tail(&errands->sending, node);
    }
    if (!list_is_empty(&errands->waiting) && !loop_timer_is_active(&errands->timer))
        loop_timer_start(&errands->timer, ROOM_MS, 0);
}

void errand_send(struct job *job, const struct owner *owner, struct span account, bool inbound)
{
    struct errands *errands = job->router->errands;
    struct errand *errand = mem_calloc(1, sizeof(*errand));

    errand->job = job;
    errand->owner = owner;
    errand->hash = hash_span(account);
    errand->flags = inbound ? WIRE_HANDLE_INBOUND : 0;
    errand->is_ordered = job->source == SOURCE_CLIENT;
    job_hold(job);
    metric_inc(METRIC_router_handed_over);
    router_note(job, "handed to", span_cstr(owner->kind));
    if (errand->is_ordered)
        order_taken(job->router->orders, job, owner);
    if (list_is_empty(&errands->waiting) && try_send(errand) == 0) {
        list_add_tail(&errands->sending, &errand->node);
        return;
    }
    list_add_tail(&errands->waiting, &errand->node);
    flush(errands);
}

struct errands *errands_new(struct router *router)
{
    struct errands *errands = mem_calloc(1, sizeof(*errands));

    errands->router = router;
    list_init(&errands->sending);
    list_init(&errands->waiting);
    loop_timer_init(&errands->timer, router->loop, flush, errands);
    return errands;
}

void errands_free(struct errands *errands)
{
    struct list_node *node;

    loop_timer_stop(&errands->timer);
    while ((node = list_pop(&errands->sending)) != NULL)
        mem_free(CONTAINER_OF(node, struct errand, node));
    while ((node = list_pop(&errands->waiting)) != NULL)
        mem_free(CONTAINER_OF(node, struct errand, node));
    mem_free(errands);
}
