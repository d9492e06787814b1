/* Adding an account (by the operator, or by anybody where registration is on) and changing its
 * password. */
#include "account_clear.h"
#include "account_hash.h"

#include "base/log.h"
#include "conf/conf.h"
#include "jid/jid.h"
#include "limit.h"
#include "metric/metric.h"
#include "registry/registry.h"

struct add_job {
    struct hash_job hash; /* first */
    struct span address;
    struct buf given; /* the password while the limit is checked */
    bool by_operator;
};

static const struct {
    const char *condition;
    const char *text;
} answers[] = {
    [ACCOUNT_OK] = {"", ""},
    [ACCOUNT_EXISTS] = {"conflict", "The account exists already."},
    [ACCOUNT_NOT_FOUND] = {"item-not-found", "There is no such account."},
    [ACCOUNT_DOWN] = {"resource-constraint",
                      "The database cannot be reached at the moment. Try again soon."},
};

static void answer(struct job *job, enum account_status status)
{
    job_result(job, answers[status].condition, answers[status].text);
}

/* ---- adding ---- */

static void on_added(void *arg, enum account_status status)
{
    struct add_job *job = arg;
    if (status == ACCOUNT_OK) {
        metric_inc(METRIC_session_registrations);
        LOG_INFO("account_added", "account=%.*s by=%s address=%.*s", SPAN_ARG(job->hash.account),
                 job->by_operator ? "operator" : "registration", SPAN_ARG(job->address));
        registry_reopen(job->hash.job.session->redis, job->hash.account);
    }
    answer(&job->hash.job, status);
}

static void on_add_hashed(struct hash_job *hash)
{
    account_clear_add(hash->job.session, hash->account, &hash->verifiers, on_added, hash);
}

static void hash_given(struct add_job *job)
{
    struct buf given = job->given;
    job->given = (struct buf){0};
    account_hash(&job->hash, buf_span(&given), on_add_hashed); /* may free the job */
    crypt_wipe(given.data, given.len);
    buf_deinit(&given);
}

static void on_limit(void *arg, enum limit_verdict verdict, uint64_t wait_ms)
{
    struct add_job *job = arg;
    struct job *base = &job->hash.job;
    if (verdict == LIMIT_FINE) {
        hash_given(job);
    } else if (verdict == LIMIT_UNKNOWN) {
        job_result(base, "resource-constraint",
                   "Accounts cannot be registered at the moment. Try again soon.");
    } else {
        struct span text = limit_text("registrations", wait_ms, &base->arena);
        LOG_WARN("registration_limited", "address=%.*s", SPAN_ARG(job->address));
        job_result(base, "resource-constraint", text.data);
    }
}

static void cleanup_add(struct job *base)
{
    struct add_job *job = (struct add_job *)base;
    crypt_wipe(job->given.data, job->given.len);
    buf_deinit(&job->given);
    account_hash_cleanup(base);
}

static void add(struct add_job *job)
{
    const struct conf *conf = job->hash.job.session->options.conf;
    struct limit limit = {
        .key = REDIS_KEY_registrations,
        .max = (uint32_t)conf_u64(conf, CONF_session_max_registrations),
        .window_ms = (uint32_t)conf_u64(conf, CONF_session_registration_window),
        .address = job->address,
    };
    if (job->by_operator) {
        hash_given(job);
    } else {
        limit_check(job->hash.job.session->redis, &limit, true, on_limit, job);
    }
}

void account_add_call(struct session *session, const struct wire_msg *msg, session_reply_fn *reply,
                      void *arg)
{
    const struct wire_account_add *asked = &msg->u.account_add;
    struct add_job *job = job_new(session, sizeof(*job), reply, arg);
    struct job *base = &job->hash.job;
    base->cleanup = cleanup_add;
    job->by_operator = asked->flags & WIRE_ACCOUNT_BY_OPERATOR;
    job->address = arena_copy(&base->arena, asked->address);
    if (account_name_take(base, asked->account, &job->hash.account) != 0) {
        return;
    }
    if (!job->by_operator && !conf_bool_of(session->options.conf, CONF_session_registration,
                                           jid_domain(job->hash.account))) {
        job_result(base, "not-allowed", "Accounts are not registered this way here.");
        return;
    }
    if (!session_has_domain(session, jid_domain(job->hash.account))) {
        job_result(base, "item-not-found",
                   "This cluster does not serve that domain (option cluster.domains).");
        return;
    }
    if (jid_is_anonymous(job->hash.account)) {
        job_result(base, "not-acceptable", "Such names are for anonymous users.");
        return;
    }
    buf_append_span(&job->given, asked->password);
    add(job);
}

/* ---- changing the password ---- */

static void on_changed(void *arg, enum account_status status)
{
    struct hash_job *job = arg;
    if (status == ACCOUNT_OK) {
        LOG_INFO("password_changed", "account=%.*s", SPAN_ARG(job->account));
    }
    answer(&job->job, status);
}

static void on_change_hashed(struct hash_job *job)
{
    account_store_set(job->job.session->accounts, job->account, &job->verifiers, on_changed, job);
}

void account_password_call(struct session *session, const struct wire_msg *msg,
                           session_reply_fn *reply, void *arg)
{
    struct hash_job *job = job_new(session, sizeof(*job), reply, arg);
    job->job.cleanup = account_hash_cleanup;
    if (account_name_take(&job->job, msg->u.account_password.account, &job->account) == 0) {
        account_hash(job, msg->u.account_password.password, on_change_hashed);
    }
}
