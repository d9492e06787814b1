/* The daemon's state, its table of calls, and what its parts share. */
#include "session.h"

#include "account_clear.h"
#include "account_remove.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "jid/jid.h"
#include "keeper.h"
#include "oauth.h"
#include "redis/redis.h"
#include "sweep.h"
#include "token_store.h"
#include "trace/trace.h"
#include "work.h"

#define SECRET_RETRY_MS 500

static const struct {
    enum wire_id id;
    session_call_fn *handle;
} calls[] = {
    {WIRE_ID_sasl_start, sasl_start_call},
    {WIRE_ID_sasl_step, sasl_step_call},
    {WIRE_ID_bind, bind_call},
    {WIRE_ID_unbind, unbind_call},
    {WIRE_ID_account_add, account_add_call},
    {WIRE_ID_account_remove, account_remove_call},
    {WIRE_ID_account_password, account_password_call},
    {WIRE_ID_account_exists, account_exists_call},
    {WIRE_ID_account_list, account_list_call},
    {WIRE_ID_session_list, session_list_call},
    {WIRE_ID_session_flags, session_flags_call},
    {WIRE_ID_detach, detach_call},
    {WIRE_ID_resume, resume_call},
    {WIRE_ID_trace_read, trace_read_call},
};

void session_call(struct session *session, const struct wire_msg *msg, session_reply_fn *reply,
                  void *arg)
{
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        if (calls[i].id == msg->id) {
            calls[i].handle(session, msg, reply, arg);
            return;
        }
    }
    LOG_WARN("unknown_call", "id=%u", (unsigned)msg->id);
    struct wire_msg answer = {.id = WIRE_ID_result};
    answer.u.result.condition = SPAN("feature-not-implemented");
    answer.u.result.text = SPAN("This version of the session daemon does not know the call.");
    reply(arg, &answer);
}

/* ---- the cluster's secret ---- */

static void derive(struct span secret, const char *purpose, uint8_t *key_out)
{
    crypt_hmac(CRYPT_SHA256, secret, span_cstr(purpose), key_out);
}

static void on_secret(void *arg, enum account_status status, struct span secret)
{
    struct session *session = arg;
    if (status != ACCOUNT_OK) {
        loop_timer_start(&session->secret_timer, SECRET_RETRY_MS, 0);
        return;
    }
    derive(secret, "jackdaw sasl state", session->state_key);
    derive(secret, "jackdaw fake verifier", session->fake_key);
    derive(secret, "jackdaw token", session->token_key);
    derive(secret, "jackdaw resource", session->resource_key);
    session->has_secret = true;
}

static void load_secret(void *arg)
{
    struct session *session = arg;
    account_store_secret(session->accounts, on_secret, session);
}

/* ---- life ---- */

static int open_stores(struct session *session, char *error, size_t error_size)
{
    const struct session_options *options = &session->options;
    const struct conf *conf = options->conf;
    session->oauth = oauth_new(conf, error, error_size);
    if (!session->oauth) {
        return -1;
    }
    session->redis = redis_new(options->loop, conf_str(conf, CONF_redis_url), error, error_size);
    if (!session->redis) {
        return -1;
    }
    session->accounts =
        account_store_new(options->loop, conf_str(conf, CONF_sql_url), error, error_size);
    return session->accounts ? 0 : -1;
}

static void close_stores(struct session *session)
{
    oauth_free(session->oauth);
    redis_free(session->redis);
    account_store_free(session->accounts);
}

struct session *session_new(const struct session_options *options, char *error, size_t error_size)
{
    struct session *session = mem_calloc(1, sizeof(*session));
    const struct conf *conf = options->conf;
    session->options = *options;
    list_init(&session->jobs);
    list_init(&session->clearings);
    loop_timer_init(&session->secret_timer, options->loop, load_secret, session);
    if (open_stores(session, error, error_size) != 0) {
        close_stores(session);
        mem_free(session);
        return NULL;
    }
    session->tokens = token_store_new(account_store_sql(session->accounts));
    session->work = work_new(options->loop, (uint32_t)conf_u64(conf, CONF_session_workers),
                             (uint32_t)conf_u64(conf, CONF_session_max_queued_hashes));
    session->keeper = keeper_new(session, options->bus, options->instance);
    session->trace = trace_new(session->redis, options->instance, conf);
    session->sweep = sweep_new(session);
    load_secret(session);
    return session;
}

static void free_job(struct job *job)
{
    list_remove(&job->node);
    if (job->cleanup) {
        job->cleanup(job);
    }
    arena_deinit(&job->arena);
    mem_free(job);
}

void session_free(struct session *session)
{
    loop_timer_stop(&session->secret_timer);
    sweep_stop(session->sweep);
    keeper_stop(session->keeper);
    redis_free(session->redis); /* answers what waits for it, which may start other work */
    work_free(session->work);
    account_store_free(session->accounts);
    oauth_free(session->oauth);
    token_store_free(session->tokens);
    sweep_free(session->sweep);
    trace_free(session->trace);
    keeper_free(session->keeper);
    account_clear_free(session);
    LIST_FOREACH_SAFE(node, &session->jobs)
    {
        free_job(CONTAINER_OF(node, struct job, node));
    }
    crypt_wipe(session->state_key, sizeof(session->state_key));
    crypt_wipe(session->fake_key, sizeof(session->fake_key));
    crypt_wipe(session->token_key, sizeof(session->token_key));
    crypt_wipe(session->resource_key, sizeof(session->resource_key));
    mem_free(session);
}

void session_reload(struct session *session, const struct conf *conf)
{
    trace_configure(session->trace, conf);
    char error[256];
    struct oauth *oauth = oauth_new(conf, error, sizeof(error));
    session->options.conf = conf;
    if (!oauth) {
        LOG_WARN("oauth_keys_not_reloaded", "error=%s", error);
        return;
    }
    oauth_free(session->oauth);
    session->oauth = oauth;
}

bool session_is_ready(const struct session *session, struct buf *why)
{
    if (!redis_is_up(session->redis)) {
        buf_append_cstr(why, "Redis cannot be reached");
    } else if (!account_store_is_ready(session->accounts)) {
        buf_append_cstr(why, "the database cannot be reached");
    } else if (!keeper_is_ready(session->keeper)) {
        buf_append_cstr(why, "no lease in Redis yet");
    } else if (!session->has_secret) {
        buf_append_cstr(why, "the cluster's secret was not read yet");
    } else {
        return true;
    }
    return false;
}

size_t session_pending(const struct session *session)
{
    size_t count = 0;
    LIST_FOREACH(node, &session->jobs)
    {
        count++;
    }
    return count;
}

/* ---- jobs ---- */

void *job_new(struct session *session, size_t size, session_reply_fn *reply, void *arg)
{
    struct job *job = mem_calloc(1, size);
    job->session = session;
    job->reply = reply;
    job->arg = arg;
    arena_init(&job->arena, 512);
    list_add_tail(&session->jobs, &job->node);
    return job;
}

void job_reply(struct job *job, const struct wire_msg *reply)
{
    job->reply(job->arg, reply);
    free_job(job);
}

void job_result(struct job *job, const char *condition, const char *text)
{
    struct wire_msg reply = {.id = WIRE_ID_result};
    reply.u.result.condition = span_cstr(condition);
    reply.u.result.text = span_cstr(text);
    job_reply(job, &reply);
}

/* ---- what the parts share ---- */

bool session_has_domain(const struct session *session, struct span domain)
{
    const struct span *domains;
    size_t count = conf_list(session->options.conf, CONF_cluster_domains, &domains);
    for (size_t i = 0; i < count; i++) {
        if (span_eq(domain, domains[i])) {
            return true;
        }
    }
    return false;
}

void session_end(struct session *session, struct span full_jid, const struct wire_end_session *end)
{
    struct wire_msg msg = {.id = WIRE_ID_end_session, .u.end_session = *end};
    struct span bare = span_head(full_jid, span_find(full_jid, '/'));
    if (session->options.out->send(session->options.out_ctx, hash_span(bare), &msg, NULL, NULL) !=
        0) {
        LOG_WARN("session_not_ended", "jid=%.*s holder=%.*s", SPAN_ARG(full_jid),
                 SPAN_ARG(end->holder));
    }
}

void session_announce(struct session *session, struct span full_jid,
                      const struct wire_session_record *record, bool bound)
{
    struct wire_msg msg = {.id = WIRE_ID_session_changed};
    msg.u.session_changed = (struct wire_session_changed){
        .jid = full_jid,
        .sid = record->sid,
        .holder = record->holder,
        .epoch = record->epoch,
        .bound = bound,
        .flags = record->flags,
        .changes = record->changes,
    };
    session->options.out->notice(session->options.out_ctx, &msg);
    if (!bound && jid_is_anonymous(full_jid)) {
        account_end_anonymous(session, jid_bare(full_jid));
    }
}
