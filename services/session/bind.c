/* Resource binding (RFC 6120 section 7): the registry decides, the conflict policy of
 * session.conflict says how, and whoever lost its resource is told to go. */
#include "session.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/log.h"
#include "base/rand.h"
#include "conf/conf.h"
#include "jid/jid.h"
#include "metric/metric.h"
#include "registry/registry.h"

struct bind_job {
    struct job job;
    struct span account;
    struct span jid; /* full */
    struct registry_bind bind;
    bool may_rename;
};

/* In the order of session.conflict's choices. */
static const struct {
    enum registry_conflict conflict;
    bool may_rename;
} policies[] = {
    {REGISTRY_REPLACE, false},
    {REGISTRY_REFUSE, false},
    {REGISTRY_REFUSE, true},
};

static const struct {
    const char *condition;
    const char *text;
} refusals[] = {
    [REGISTRY_OK] = {"", ""},
    [REGISTRY_DOWN] = {"resource-constraint",
                       "Sessions cannot be registered at the moment. Try again soon."},
    [REGISTRY_CONFLICT] = {"conflict", "The resource is in use."},
    [REGISTRY_FULL] = {"resource-constraint",
                       "The account has as many sessions as it may have at a time."},
    [REGISTRY_GONE] = {"not-authorized", "The account was removed."},
};

static void refuse(struct bind_job *job, const char *condition, const char *text)
{
    struct wire_msg reply = {.id = WIRE_ID_bind_reply};
    metric_inc(METRIC_session_binds_refused);
    LOG_INFO("bind_refused", "account=%.*s condition=%s", SPAN_ARG(job->account), condition);
    reply.u.bind_reply.condition = span_cstr(condition);
    reply.u.bind_reply.text = span_cstr(text);
    job_reply(&job->job, &reply);
}

static void send_away(struct bind_job *job, const struct wire_session_record *old)
{
    struct wire_end_session end = {
        .holder = old->holder,
        .sid = old->sid,
        .condition = SPAN("conflict"),
        .text = SPAN("Another session has taken this resource."),
    };
    metric_inc(METRIC_session_replaced);
    session_announce(job->job.session, job->jid, old, false);
    session_end(job->job.session, job->jid, &end);
}

static void confirm(struct bind_job *job)
{
    const struct wire_session_record *record = &job->bind.record;
    struct wire_msg reply = {.id = WIRE_ID_bind_reply};
    metric_inc(METRIC_session_binds);
    LOG_INFO("session_bound", "jid=%.*s sid=%016llx holder=%.*s address=%.*s transport=%.*s",
             SPAN_ARG(job->jid), (unsigned long long)record->sid, SPAN_ARG(record->holder),
             SPAN_ARG(record->address), SPAN_ARG(record->transport));
    session_announce(job->job.session, job->jid, record, true);
    reply.u.bind_reply.jid = job->jid;
    reply.u.bind_reply.sid = record->sid;
    reply.u.bind_reply.epoch = record->epoch;
    job_reply(&job->job, &reply);
}

static void try_resource(struct bind_job *job, struct span resource);

/* Twelve random bytes: nobody can guess the full JID (RFC 6120 section 7.6.1). */
static struct span make_resource(struct bind_job *job)
{
    uint8_t random[12];
    struct buf text = {0};
    rand_bytes(random, sizeof(random));
    hex_encode(span_of((const char *)random, sizeof(random)), &text);
    struct span resource = arena_copy(&job->job.arena, buf_span(&text));
    buf_deinit(&text);
    return resource;
}

static void on_bind(void *arg, enum registry_status status,
                    const struct wire_session_record *replaced)
{
    struct bind_job *job = arg;
    if (status == REGISTRY_CONFLICT && job->may_rename) {
        job->may_rename = false;
        try_resource(job, make_resource(job));
        return;
    }
    if (status != REGISTRY_OK) {
        refuse(job, refusals[status].condition, refusals[status].text);
        return;
    }
    if (replaced) {
        send_away(job, replaced);
    }
    confirm(job);
}

static void try_resource(struct bind_job *job, struct span resource)
{
    struct span node = jid_node(job->account);
    job->bind.resource = resource;
    job->jid = jid_join(node, jid_domain(job->account), resource, &job->job.arena);
    registry_bind(job->job.session->redis, &job->bind, on_bind, job);
}

/* Never 0: that means "no session" elsewhere. */
static uint64_t make_sid(void)
{
    uint64_t sid = rand_u64();
    return sid ? sid : 1;
}

static void prepare(struct bind_job *job, const struct wire_bind *asked)
{
    const struct conf *conf = job->job.session->options.conf;
    struct arena *arena = &job->job.arena;
    struct span domain = jid_domain(asked->account);
    unsigned policy = conf_choice_of(conf, CONF_session_conflict, domain);
    job->account = arena_copy(arena, asked->account);
    job->may_rename = policies[policy].may_rename;
    job->bind = (struct registry_bind){
        .account = job->account,
        .record = {.sid = make_sid(),
                   .epoch = 1,
                   .holder = arena_copy(arena, asked->holder),
                   .since_ms = clock_real_ms(),
                   .address = arena_copy(arena, asked->address),
                   .transport = arena_copy(arena, asked->transport)},
        .conflict = policies[policy].conflict,
        .max_sessions = jid_is_anonymous(job->account)
                            ? 1
                            : (uint32_t)conf_u64_of(conf, CONF_session_max_sessions, domain),
        .lease_ms = (uint32_t)conf_u64(conf, CONF_cluster_lease),
    };
}

void bind_call(struct session *session, const struct wire_msg *msg, session_reply_fn *reply,
               void *arg)
{
    const struct wire_bind *asked = &msg->u.bind;
    struct bind_job *job = job_new(session, sizeof(*job), reply, arg);
    struct span resource = {0};
    prepare(job, asked);
    if (span_is_empty(jid_node(job->account)) || !jid_is_bare(job->account) ||
        span_is_empty(asked->holder)) {
        refuse(job, "bad-request", "There is no account or no holder to bind for.");
    } else if (span_is_empty(asked->resource)) {
        try_resource(job, make_resource(job));
    } else if (jid_normalise_resource(asked->resource, &job->job.arena, &resource) != 0 ||
               span_is_empty(resource)) {
        refuse(job, "bad-request", "This cannot be a resource.");
    } else {
        try_resource(job, arena_copy(&job->job.arena, resource));
    }
}

/* ---- unbind ---- */

struct unbind_job {
    struct job job;
    struct span jid;
    struct wire_session_record record;
};

static void on_unbound(void *arg, enum registry_status status)
{
    struct unbind_job *job = arg;
    if (status != REGISTRY_OK) {
        job_result(&job->job, "resource-constraint", "The registry cannot be reached.");
        return;
    }
    metric_inc(METRIC_session_unbinds);
    LOG_INFO("session_unbound", "jid=%.*s sid=%016llx", SPAN_ARG(job->jid),
             (unsigned long long)job->record.sid);
    session_announce(job->job.session, job->jid, &job->record, false);
    job_result(&job->job, "", "");
}

void unbind_call(struct session *session, const struct wire_msg *msg, session_reply_fn *reply,
                 void *arg)
{
    const struct wire_unbind *asked = &msg->u.unbind;
    struct unbind_job *job = job_new(session, sizeof(*job), reply, arg);
    job->jid = arena_copy(&job->job.arena, asked->jid);
    job->record.sid = asked->sid;
    job->record.holder = arena_copy(&job->job.arena, asked->holder);
    job->record.epoch = asked->epoch ? asked->epoch : 1;
    struct registry_held held = {job->jid, job->record.holder, asked->sid, job->record.epoch};
    registry_unbind(session->redis, &held, on_unbound, job);
}
