/* To whichever session daemon the account's hash says, so that all for one session meet there. */
#include "adopt.h"

#include "base/hash.h"
#include "base/mem.h"
#include "lane.h"
#include "loop/timer.h"
#include "metric/metric.h"
#include "router.h"

#define ROOM_MS 10 /* a full backlog is tried again after this */

struct adopting {
    struct list_node node;
    struct job *job; /* held */
    struct adoption adoption;
    char text[]; /* of the account */
};

struct adopts {
    struct router *router;
    struct list_node sending;
    struct list_node waiting;
    struct loop_timer timer;
};

static void on_settled(void *arg, enum bus_outcome outcome)
{
    struct adopting *adopting = arg;
    struct job *job = adopting->job;

    (void)outcome; /* bus_send goes on until a session daemon has it */
    lane_leave(job->router->lanes, adopting->adoption.sid);
    list_remove(&adopting->node);
    mem_free(adopting);
    job_release(job);
}

static int try_send(struct adopting *adopting)
{
    const struct adoption *adoption = &adopting->adoption;
    struct job *job = adopting->job;
    struct wire_msg msg = {.id = WIRE_ID_adopt};

    msg.u.adopt = (struct wire_adopt){
        .origin_sid = job->origin_sid,
        .origin_n = job->origin_n,
        .account = adoption->account,
        .sid = adoption->sid,
        .epoch = adoption->epoch,
        .stanza = job->stanza,
    };
    return bus_send(job->router->bus, "session", hash_span(adoption->account), &msg, on_settled,
                    adopting);
}

static void flush(void *arg)
{
    struct adopts *adopts = arg;
    struct list_node *node;

    while ((node = list_first(&adopts->waiting)) != NULL) {
        if (try_send(CONTAINER_OF(node, struct adopting, node)) != 0)
            break;
        list_remove(node);
        list_add_tail(&adopts->sending, node);
    }
    if (!list_is_empty(&adopts->waiting) && !loop_timer_is_active(&adopts->timer))
        loop_timer_start(&adopts->timer, ROOM_MS, 0);
}

void adopt_send(struct job *job, const struct adoption *adoption)
{
    struct adopts *adopts = job->router->adopts;
    struct adopting *adopting = mem_calloc(1, sizeof(*adopting) + adoption->account.len);

    adopting->job = job;
    adopting->adoption = *adoption;
    memcpy(adopting->text, adoption->account.data, adoption->account.len);
    adopting->adoption.account = span_of(adopting->text, adoption->account.len);
    job_hold(job);
    metric_inc(METRIC_router_adoptions);
    list_add_tail(&adopts->waiting, &adopting->node);
    flush(adopts);
}

struct adopts *adopts_new(struct router *router)
{
    struct adopts *adopts = mem_calloc(1, sizeof(*adopts));

    adopts->router = router;
    list_init(&adopts->sending);
    list_init(&adopts->waiting);
    loop_timer_init(&adopts->timer, router->loop, flush, adopts);
    return adopts;
}

void adopts_free(struct adopts *adopts)
{
    struct list_node *node;

    loop_timer_stop(&adopts->timer);
    while ((node = list_pop(&adopts->sending)) != NULL)
        mem_free(CONTAINER_OF(node, struct adopting, node));
    while ((node = list_pop(&adopts->waiting)) != NULL)
        mem_free(CONTAINER_OF(node, struct adopting, node));
    mem_free(adopts);
}
