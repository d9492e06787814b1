/* Removing an account, and ending what it has bound. */
#include "account_remove.h"

#include "account_hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "metric/metric.h"
#include "registry/registry.h"

#define CLOSED_MS 60000 /* how long after a login a bind may still come */

/* A removal under way: a job without anybody to answer (its `reply` drops the answer), so that it
 * is freed with the daemon. */
struct removal {
    struct job job;
    struct span account;
    account_done_fn *fn;
    void *arg;
};

static void drop_answer(void *arg, const struct wire_msg *reply)
{
    (void)arg;
    (void)reply;
}

static struct removal *removal_new(struct session *session, struct span account)
{
    struct removal *removal = job_new(session, sizeof(*removal), drop_answer, NULL);
    removal->account = arena_copy(&removal->job.arena, account);
    return removal;
}

static void on_closed(void *arg, enum registry_status status)
{
    struct removal *removal = arg;
    if (status != REGISTRY_OK) {
        LOG_WARN("account_not_closed", "account=%.*s", SPAN_ARG(removal->account));
    }
    removal->fn(removal->arg, ACCOUNT_OK);
    job_result(&removal->job, "", "");
}

static void on_removed(void *arg, enum account_status status)
{
    struct removal *removal = arg;
    if (status == ACCOUNT_OK) {
        metric_inc(METRIC_session_removals);
        LOG_INFO("account_removed", "account=%.*s", SPAN_ARG(removal->account));
        registry_close(removal->job.session->redis, removal->account, CLOSED_MS, on_closed,
                       removal);
        return;
    }
    removal->fn(removal->arg, status);
    job_result(&removal->job, "", "");
}

void account_remove_first(struct session *session, struct span account, account_done_fn *fn,
                          void *arg)
{
    struct removal *removal = removal_new(session, account);
    removal->fn = fn;
    removal->arg = arg;
    account_store_remove(session->accounts, removal->account, on_removed, removal);
}

/* ---- its sessions ---- */

static void on_sessions(void *arg, enum registry_status status,
                        const struct registry_session *sessions, size_t count)
{
    struct removal *removal = arg;
    struct session *session = removal->job.session;
    struct wire_msg notice = {.id = WIRE_ID_account_removed};
    if (status != REGISTRY_OK) {
        LOG_WARN("sessions_of_removed_account_stay", "account=%.*s", SPAN_ARG(removal->account));
    }
    for (size_t i = 0; i < count; i++) {
        struct span jid = arena_printf(&removal->job.arena, "%.*s/%.*s", SPAN_ARG(removal->account),
                                       SPAN_ARG(sessions[i].resource));
        session_end(session, jid,
                    &(struct wire_end_session){.holder = sessions[i].record.holder,
                                               .sid = sessions[i].record.sid,
                                               .condition = SPAN("not-authorized"),
                                               .text = SPAN("The account was removed.")});
    }
    notice.u.account_removed.account = removal->account;
    session->options.out->notice(session->options.out_ctx, &notice);
    job_result(&removal->job, "", "");
}

void account_remove_then(struct session *session, struct span account)
{
    struct removal *removal = removal_new(session, account);
    registry_read(session->redis, removal->account, on_sessions, removal);
}

/* ---- anonymous accounts ---- */

static void tell_ended(void *arg, enum account_status status)
{
    struct removal *removal = arg;
    (void)status; /* not told to Redis: nobody can log in with that name anyway */
    account_remove_then(removal->job.session, removal->account);
}

static void on_left(void *arg, enum registry_status status, const struct registry_session *sessions,
                    size_t count)
{
    struct removal *removal = arg;
    (void)sessions;
    if (status == REGISTRY_OK && count > 0) {
        job_result(&removal->job, "", "");
        return;
    }
    LOG_INFO("anonymous_account_ended", "account=%.*s", SPAN_ARG(removal->account));
    registry_close(removal->job.session->redis, removal->account, CLOSED_MS, on_closed, removal);
}

void account_end_anonymous(struct session *session, struct span account)
{
    struct removal *removal = removal_new(session, account);
    removal->fn = tell_ended;
    removal->arg = removal;
    registry_read(session->redis, removal->account, on_left, removal);
}

/* ---- the operator's call ---- */

struct remove_job {
    struct job job;
    struct span account;
};

static void on_call_removed(void *arg, enum account_status status)
{
    struct remove_job *job = arg;
    if (status == ACCOUNT_NOT_FOUND) {
        job_result(&job->job, "item-not-found", "There is no such account.");
    } else if (status != ACCOUNT_OK) {
        job_result(&job->job, "resource-constraint",
                   "The database cannot be reached at the moment. Try again soon.");
    } else {
        account_remove_then(job->job.session, job->account);
        job_result(&job->job, "", "");
    }
}

void account_remove_call(struct session *session, const struct wire_msg *msg,
                         session_reply_fn *reply, void *arg)
{
    struct remove_job *job = job_new(session, sizeof(*job), reply, arg);
    if (account_name_take(&job->job, msg->u.account_remove.account, &job->account) == 0) {
        account_remove_first(session, job->account, on_call_removed, job);
    }
}
