/* Jobs: counted, and settled when nothing is left of them. */
#include "job.h"

#include "base/assert.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "router.h"

struct job *job_new(struct router *router, const struct job_options *options)
{
    struct job *job = mem_alloc(sizeof(*job) + options->stanza.len);

    *job = (struct job){
        .router = router,
        .spoke = options->spoke,
        .parent = options->parent,
        .is_answer = options->is_answer,
        .is_traced = options->parent && options->parent->is_traced,
        .token = options->token,
        .origin_sid = options->origin_sid,
        .origin_n = options->origin_n,
        .since_ms = loop_now_ms(router->loop),
        .holds = 1,
        .source = options->source,
        .stanza = {job->bytes, options->stanza.len},
    };
    if (options->stanza.len > 0)
        memcpy(job->bytes, options->stanza.data, options->stanza.len);
    if (job->spoke)
        job->spoke->refs++;
    if (job->parent)
        job_hold(job->parent);
    list_init(&job->wait);
    list_add_tail(&router->jobs, &job->all);
    router->job_count++;
    return job;
}

void job_hold(struct job *job)
{
    job->holds++;
}

void job_abandon(struct job *job)
{
    list_remove(&job->all);
    list_remove(&job->wait);
    job->router->job_count--;
    if (job->spoke)
        spoke_unref(job->spoke);
    mem_free(job);
}

void job_release(struct job *job)
{
    while (job) {
        struct job *parent = job->parent;
        struct router *router = job->router;

        ASSERT(job->holds > 0);
        if (--job->holds > 0)
            return;
        if (job->spoke && job->spoke->peer)
            bus_settle(job->spoke->peer, job->token);
        job_abandon(job);
        router_job_done(router);
        job = parent;
    }
}

struct spoke *spoke_new(struct router *router, struct bus_peer *peer)
{
    struct spoke *spoke = mem_calloc(1, sizeof(*spoke));

    spoke->peer = peer;
    list_add_tail(&router->spokes, &spoke->all);
    spoke->refs = 1;
    return spoke;
}

void spoke_unref(struct spoke *spoke)
{
    ASSERT(spoke->refs > 0);
    if (--spoke->refs > 0)
        return;
    list_remove(&spoke->all);
    mem_free(spoke);
}
