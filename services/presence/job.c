/* Queues of accounts, steps, and the sending of stanzas. */
#include "job.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "jid/jid.h"
#include "loop/loop.h"
#include "metric/metric.h"
#include "presence.h"
#include "roster_change.h"

#include <inttypes.h>

#define DELAY_FIRST_MS 100
#define DELAY_MAX_MS   2000

/* The jobs of one account; the first one runs. */
struct job_queue {
    struct list_node jobs;
    struct presence *presence;
    size_t name_len;
    char name[];
};

static struct job_queue *queue_of(struct presence *presence, struct span account)
{
    struct job_queue *queue = map_get(&presence->accounts, account);
    if (!queue) {
        queue = mem_alloc(sizeof(*queue) + account.len);
        list_init(&queue->jobs);
        queue->presence = presence;
        queue->name_len = account.len;
        memcpy(queue->name, account.data, account.len);
        map_put(&presence->accounts, account, queue);
    }
    return queue;
}

static void job_free(struct job *job)
{
    loop_timer_stop(&job->retry);
    list_remove(&job->node);
    roster_change_free(job->change);
    arena_deinit(&job->own);
    job->presence->jobs--;
    mem_free(job);
}

static void job_begin(struct job *job)
{
    job->has_failed = false;
    job->run(job);
}

static void on_retry(void *arg)
{
    struct job *job = arg;
    roster_change_free(job->change);
    job->change = NULL;
    metric_inc(METRIC_presence_retries);
    job_begin(job);
}

void job_start(struct presence *presence, struct span account, struct service_request *request,
               job_fn *run)
{
    struct job *job = mem_calloc(1, sizeof(*job));
    struct job_queue *queue = queue_of(presence, account);
    bool is_first = list_is_empty(&queue->jobs);
    list_init(&job->node);
    list_add_tail(&queue->jobs, &job->node);
    job->queue = queue;
    job->presence = presence;
    job->account = span_of(queue->name, queue->name_len);
    job->request = request;
    job->arena = request ? &request->arena : &job->own;
    job->run = run;
    job->since_ms = loop_now_ms(presence->daemon->loop);
    job->delay_ms = DELAY_FIRST_MS;
    loop_timer_init(&job->retry, presence->daemon->loop, on_retry, job);
    presence->jobs++;
    metric_inc(METRIC_presence_jobs);
    if (is_first) {
        job_begin(job);
    }
}

/* ---- steps ---- */
void job_hold(struct job *job)
{
    job->holds++;
}

static void retry_or_give_up(struct job *job)
{
    struct presence *presence = job->presence;
    uint64_t waited = loop_now_ms(presence->daemon->loop) - job->since_ms;
    if (waited < presence->limits.retry_for_ms) {
        loop_timer_start(&job->retry, job->delay_ms, 0);
        job->delay_ms = job->delay_ms * 2 < DELAY_MAX_MS ? job->delay_ms * 2 : DELAY_MAX_MS;
        return;
    }
    LOG_WARN("presence_gave_up", "account=%.*s waited_ms=%llu", SPAN_ARG(job->account),
             (unsigned long long)waited);
    metric_inc(METRIC_presence_gave_up);
    job_error(job, "resource-constraint", "Temporarily out of order");
}

static void step(struct job *job)
{
    job_fn *then = job->then;
    if (job->has_failed) {
        retry_or_give_up(job);
        return;
    }
    ASSERT(then);
    job->then = NULL;
    then(job);
}

void job_release(struct job *job, bool ok)
{
    ASSERT(job->holds > 0);
    job->has_failed = job->has_failed || !ok;
    if (--job->holds == 0) {
        step(job);
    }
}

void job_go(struct job *job, job_fn *then)
{
    job->then = then;
    if (job->holds == 0) {
        step(job);
    }
}

/* ---- the end ---- */
static void tell_drained(struct presence *presence)
{
    if (presence->drained && presence->jobs == 0) {
        daemon_done_fn *done = presence->drained;
        presence->drained = NULL;
        done(presence->drained_arg);
    }
}

/* The next job of the account begins from here: nothing of this one may be touched afterwards. */
static void job_end(struct job *job)
{
    struct job_queue *queue = job->queue;
    struct presence *presence = job->presence;
    ASSERT(job->holds == 0);
    job_free(job);
    struct list_node *next = list_first(&queue->jobs);
    if (next) {
        job_begin(CONTAINER_OF(next, struct job, node));
        return;
    }
    map_remove(&presence->accounts, span_of(queue->name, queue->name_len));
    mem_free(queue);
    tell_drained(presence);
}

/* Before the answer: the request is gone after it. */
static void trace(const struct job *job, const char *outcome)
{
    const struct service_request *request = job->request;
    if (request) {
        LOG_DEBUG("job",
                  "account=%.*s type=%s inbound=%d origin=%016" PRIx64 "-%" PRIu64
                  " outcome=%s ms=%" PRIu64,
                  SPAN_ARG(job->account), stanza_type_name(request->stanza.type), request->inbound,
                  request->origin_sid, request->origin_n, outcome,
                  loop_now_ms(job->presence->daemon->loop) - job->since_ms);
    }
}

void job_finish(struct job *job)
{
    trace(job, "done");
    if (job->request) {
        service_finish(job->request);
    }
    job_end(job);
}

void job_result(struct job *job, struct span payload)
{
    trace(job, "result");
    if (job->request) {
        service_reply_result(job->request, payload);
    }
    job_end(job);
}

void job_vouch(struct job *job)
{
    if (job->request) {
        service_vouch(job->request);
    }
    job_end(job);
}

void job_pass(struct job *job)
{
    if (job->request) {
        service_pass(job->request);
    }
    job_end(job);
}

void job_error(struct job *job, const char *condition, const char *text)
{
    trace(job, condition);
    if (job->request) {
        service_reply_error(job->request, condition, text);
    }
    job_end(job);
}

void job_leave(struct job *job)
{
    trace(job, "passed_on");
    job_end(job);
}

void job_free_all(struct presence *presence)
{
    struct map_cursor at = {0};
    void *value = NULL;
    while (map_next(&presence->accounts, &at, NULL, &value)) {
        struct job_queue *queue = value;
        LIST_FOREACH_SAFE(node, &queue->jobs)
        {
            job_free(CONTAINER_OF(node, struct job, node));
        }
        mem_free(queue);
    }
    map_deinit(&presence->accounts);
}

/* ---- sending ---- */
void job_forward(struct job *job, const struct stanza *stanza, const struct span *recipients,
                 size_t count, bool inbound)
{
    struct service_forward forward = {
        .stanza = stanza,
        .recipients = recipients,
        .recipient_count = count,
        .via = job->account,
        .inbound = inbound,
        .request = job->request,
    };
    service_forward(job->presence->service, &forward);
}

/* What follows a forward; in the request's arena. */
struct sequel {
    struct presence *presence;
    struct service_request *request;
    job_fn *next;
};

static void on_sent(void *arg)
{
    struct sequel *sequel = arg;
    job_start(sequel->presence, sequel->request->account, sequel->request, sequel->next);
}

void job_forward_then(struct job *job, const struct stanza *stanza, job_fn *next)
{
    struct sequel *sequel = arena_calloc(job->arena, 1, sizeof(*sequel));
    struct service_forward forward = {
        .stanza = stanza,
        .via = job->account,
        .inbound = true,
        .sent = on_sent,
        .arg = sequel,
    };
    ASSERT(job->request);
    *sequel = (struct sequel){job->presence, job->request, next};
    service_forward(job->presence->service, &forward);
}

void job_send_bare(struct job *job, enum stanza_type type, struct span to)
{
    struct stanza stanza = {
        .kind = STANZA_PRESENCE,
        .type = type,
        .from = job->account,
        .to = jid_bare(to),
    };
    job_forward(job, &stanza, NULL, 0, true);
}
