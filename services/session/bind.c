/* Resource binding (RFC 6120 section 7, XEP-0386): the registry decides, the conflict policy of
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

#define MAY_BE_BORN_WITH WIRE_SESSION_CARBONS
#define MADE_BYTES       9 /* of a resource's part that the server makes */

struct bind_job {
    struct job job;
    struct span account;
    struct span made; /* the server's part of the resource (XEP-0386); empty: another resource */
    struct span jid;  /* full */
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

static void reply_bound(void *arg)
{
    struct bind_job *job = arg;
    struct wire_msg reply = {.id = WIRE_ID_bind_reply};
    reply.u.bind_reply.jid = job->jid;
    reply.u.bind_reply.sid = job->bind.record.sid;
    reply.u.bind_reply.epoch = job->bind.record.epoch;
    job_reply(&job->job, &reply);
}

/* What comes from now on must be copied (XEP-0280): a notice may take its time. */
static void tell_routers(struct bind_job *job)
{
    const struct session_options *options = &job->job.session->options;
    struct wire_msg msg = {.id = WIRE_ID_forget_account};
    msg.u.forget_account.account = job->account;
    options->out->tell_routers(options->out_ctx, &msg, reply_bound, job);
}

static void confirm(struct bind_job *job)
{
    const struct wire_session_record *record = &job->bind.record;
    metric_inc(METRIC_session_binds);
    LOG_INFO("session_bound", "jid=%.*s sid=%016llx holder=%.*s address=%.*s transport=%.*s",
             SPAN_ARG(job->jid), (unsigned long long)record->sid, SPAN_ARG(record->holder),
             SPAN_ARG(record->address), SPAN_ARG(record->transport));
    session_announce(job->job.session, job->jid, record, true);
    if (record->flags & WIRE_SESSION_CARBONS) {
        tell_routers(job);
    } else {
        reply_bound(job);
    }
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

/* ---- earlier sessions of the same client (XEP-0386 section "Performing the bind") ---- */

struct earlier {
    struct job job; /* without anybody to answer */
    struct span account;
    struct span made;
    struct wire_session_record record; /* of the newest: only its sid and since_ms */
};

static void drop_answer(void *arg, const struct wire_msg *reply)
{
    (void)arg;
    (void)reply;
}

/* The same server's part behind another tag; of two that bind at a time, one stays. */
static bool is_earlier(const struct earlier *newest, const struct registry_session *other)
{
    size_t len = newest->made.len;
    struct span end = span_from(other->resource, other->resource.len - len);
    bool is_same_client =
        other->resource.len >= len && span_eq(end, newest->made) &&
        (other->resource.len == len || other->resource.data[other->resource.len - len - 1] == '/');
    bool is_older = other->record.since_ms != newest->record.since_ms
                        ? other->record.since_ms < newest->record.since_ms
                        : other->record.sid < newest->record.sid;
    return is_same_client && is_older && other->record.sid != newest->record.sid;
}

static void on_sessions(void *arg, enum registry_status status,
                        const struct registry_session *sessions, size_t count)
{
    struct earlier *newest = arg;
    (void)status; /* none when Redis is away: they end by themselves, later */
    for (size_t i = 0; i < count; i++) {
        if (!is_earlier(newest, &sessions[i])) {
            continue;
        }
        metric_inc(METRIC_session_replaced);
        session_end(newest->job.session,
                    arena_printf(&newest->job.arena, "%.*s/%.*s", SPAN_ARG(newest->account),
                                 SPAN_ARG(sessions[i].resource)),
                    &(struct wire_end_session){.holder = sessions[i].record.holder,
                                               .sid = sessions[i].record.sid,
                                               .condition = SPAN("conflict"),
                                               .text = SPAN("The client has a newer session.")});
    }
    job_result(&newest->job, "", "");
}

static void end_earlier(const struct bind_job *bound)
{
    struct session *session = bound->job.session;
    struct earlier *newest = job_new(session, sizeof(*newest), drop_answer, NULL);
    newest->account = arena_copy(&newest->job.arena, bound->account);
    newest->made = arena_copy(&newest->job.arena, bound->made);
    newest->record.sid = bound->bind.record.sid;
    newest->record.since_ms = bound->bind.record.since_ms;
    registry_read(session->redis, newest->account, on_sessions, newest);
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
    if (!span_is_empty(job->made)) {
        end_earlier(job);
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
                   .transport = arena_copy(arena, asked->transport),
                   .flags = asked->session_flags & MAY_BE_BORN_WITH},
        .conflict = policies[policy].conflict,
        .max_sessions = jid_is_anonymous(job->account)
                            ? 1
                            : (uint32_t)conf_u64_of(conf, CONF_session_max_sessions, domain),
        .lease_ms = (uint32_t)conf_u64(conf, CONF_cluster_lease),
    };
}

/* The server's part of a resource (XEP-0386 section "Resource identifier generation"): the same for
 * the same client, and tells nothing about its id. */
static struct span made_part(struct bind_job *job, struct span client)
{
    const struct session *session = job->job.session;
    struct arena *arena = &job->job.arena;
    uint8_t mac[CRYPT_DIGEST_MAX];
    struct buf text = {0};
    if (span_is_empty(client) || !session->has_secret) {
        return make_resource(job);
    }
    crypt_hmac(CRYPT_SHA256, span_of((const char *)session->resource_key, CRYPT_KEY_SIZE),
               arena_printf(arena, "%.*s %.*s", SPAN_ARG(job->account), SPAN_ARG(client)), mac);
    hex_encode(span_of((const char *)mac, MADE_BYTES), &text);
    struct span part = arena_copy(arena, buf_span(&text));
    buf_deinit(&text);
    return part;
}

/* A client that comes back takes its resource over, whatever session.conflict says. */
static void try_made(struct bind_job *job, const struct wire_bind *asked)
{
    struct arena *arena = &job->job.arena;
    struct span resource;
    struct span part = made_part(job, asked->client);
    struct span tagged = arena_printf(arena, "%.*s/%.*s", SPAN_ARG(asked->tag), SPAN_ARG(part));
    job->bind.conflict = REGISTRY_REPLACE;
    if (!span_is_empty(asked->client)) {
        job->made = part;
    }
    if (span_is_empty(asked->tag) || jid_normalise_resource(tagged, arena, &resource) != 0) {
        resource = part; /* a tag that cannot be in a resource is left out */
    }
    try_resource(job, arena_copy(arena, resource));
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
    } else if (asked->flags & WIRE_BIND_MADE) {
        try_made(job, asked);
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
