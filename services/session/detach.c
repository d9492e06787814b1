/* The calls of holders about sessions that change hands (XEP-0198): detach and resume. */
#include "base/log.h"
#include "conf/conf.h"
#include "jid/jid.h"
#include "keeper_internal.h"
#include "metric/metric.h"
#include "redis/keys.h"
#include "redis/redis.h"

#include <inttypes.h>

/* ---- detach ---- */

struct detach_job {
    struct job job;
    struct span jid;
    uint64_t sid;
    uint64_t epoch;
    bool ends;
};

static void on_detached(void *arg, enum registry_status status)
{
    struct detach_job *job = arg;
    struct keeper *keeper = job->job.session->keeper;
    struct kept *kept = kept_find(keeper, job->sid);
    if (status == REGISTRY_DOWN) {
        job_result(&job->job, "resource-constraint", "The registry cannot be reached.");
        return;
    }
    if (status == REGISTRY_OK && kept && job->ends) {
        kept->must_end = true;
        if (kept->state == KEPT_READY)
            kept_end(kept);
    }
    /* Another session has its place: what its client has not got must find another way. */
    if (status == REGISTRY_GONE && !kept)
        kept_take_orphan(keeper, job->jid, job->sid, job->epoch);
    job_result(&job->job, status == REGISTRY_CONFLICT ? "item-not-found" : "", "");
}

void detach_call(struct session *session, const struct wire_msg *msg, session_reply_fn *reply,
                 void *arg)
{
    const struct wire_detach *asked = &msg->u.detach;
    struct detach_job *job = job_new(session, sizeof(*job), reply, arg);
    struct kept *kept = kept_find(session->keeper, asked->sid);
    job->jid = arena_copy(&job->job.arena, asked->jid);
    job->sid = asked->sid;
    job->epoch = asked->epoch;
    job->ends = asked->ends != 0;
    struct registry_change change = {
        .account = jid_bare(job->jid),
        .sid = job->sid,
        .epoch = job->epoch,
    };
    if (kept && kept->state == KEPT_TAKING) /* asked twice, or a router was faster */
        job_result(&job->job, "resource-constraint", "The session is being taken.");
    else if (kept)
        on_detached(job, REGISTRY_OK);
    else
        (void)kept_take(session->keeper, &change, on_detached, job);
}

/* ---- resume ---- */

struct resume_job {
    struct job job;
    struct span account;
    uint64_t sid;
};

static void refuse(struct resume_job *job, const char *condition, const struct redis_reply *handled)
{
    struct wire_msg reply = {.id = WIRE_ID_resume_reply};
    metric_inc(METRIC_session_resumes_refused);
    reply.u.resume_reply.condition = span_cstr(condition);
    if (handled && redis_type(handled) == REDIS_STRING) {
        reply.u.resume_reply.handled = (uint64_t)redis_integer(handled);
        reply.u.resume_reply.is_known = 1;
    }
    job_reply(&job->job, &reply);
}

static void on_handled(void *arg, const struct redis_reply *reply)
{
    refuse(arg, "item-not-found", reply);
}

/* It may have been there: then it is known how much was handled. */
static void refuse_unknown(struct resume_job *job)
{
    struct arena *arena = &job->job.arena;
    struct span sid = arena_printf(arena, "%016" PRIx64, job->sid);
    redis_call(job->job.session->redis, on_handled, job, SPAN("GET"),
               redis_key(REDIS_KEY_handled, job->account, sid, arena));
}

static void send_away(struct resume_job *job, struct span jid, const struct registry_session *now,
                      const struct wire_session_record *before)
{
    struct session *session = job->job.session;
    struct kept *kept = kept_find(session->keeper, job->sid);
    struct wire_end_session end = {
        .holder = before->holder,
        .sid = job->sid,
        .condition = SPAN("conflict"),
        .text = SPAN("The session was resumed elsewhere."),
        .epoch = now->record.epoch,
    };
    if (kept && kept->state != KEPT_TAKING)
        kept_drop(kept);
    else if (!span_eq(before->holder, now->record.holder))
        session_end(session, jid, &end);
}

static void on_resumed(void *arg, enum registry_status status, const struct registry_session *now,
                       const struct wire_session_record *before)
{
    struct resume_job *job = arg;
    struct wire_msg reply = {.id = WIRE_ID_resume_reply};
    if (status == REGISTRY_GONE) {
        refuse_unknown(job);
        return;
    }
    if (status != REGISTRY_OK) {
        refuse(job, "internal-server-error", NULL);
        return;
    }
    struct span jid =
        jid_join(jid_node(job->account), jid_domain(job->account), now->resource, &job->job.arena);
    metric_inc(METRIC_session_resumes);
    LOG_INFO("session_resumed", "jid=%.*s sid=%016" PRIx64 " epoch=%" PRIu64 " from=%.*s to=%.*s",
             SPAN_ARG(jid), job->sid, now->record.epoch, SPAN_ARG(before->holder),
             SPAN_ARG(now->record.holder));
    send_away(job, jid, now, before);
    session_announce(job->job.session, jid, &now->record, true);
    reply.u.resume_reply = (struct wire_resume_reply){
        .jid = jid,
        .epoch = now->record.epoch,
        .resume_s = now->record.resume_s,
    };
    job_reply(&job->job, &reply);
}

void resume_call(struct session *session, const struct wire_msg *msg, session_reply_fn *reply,
                 void *arg)
{
    const struct wire_resume *asked = &msg->u.resume;
    struct resume_job *job = job_new(session, sizeof(*job), reply, arg);
    job->account = arena_copy(&job->job.arena, asked->account);
    job->sid = asked->sid;
    struct registry_change change = {
        .account = job->account,
        .sid = job->sid,
        .need = WIRE_SESSION_RESUMABLE,
        .needs_resume = true,
        .holder = asked->holder,
        .address = asked->address,
        .transport = asked->transport,
        .lease_ms = (uint32_t)conf_u64(session->options.conf, CONF_cluster_lease),
    };
    registry_change(session->redis, &change, on_resumed, job);
}
