/* Whether an account exists, and lists of accounts. */
#include "account_hash.h"

#include "jid/jid.h"
#include "registry/registry.h"

#define LIST_MAX 1000 /* names in one reply */

/* ---- exists ---- */

static void on_exists(void *arg, enum account_status status)
{
    static const char *const conditions[] = {
        [ACCOUNT_OK] = "",
        [ACCOUNT_EXISTS] = "",
        [ACCOUNT_NOT_FOUND] = "item-not-found",
        [ACCOUNT_DOWN] = "resource-constraint",
    };
    job_result(arg, conditions[status], "");
}

/* An anonymous account is there while it has a session. */
static void on_sessions(void *arg, enum registry_status status,
                        const struct registry_session *sessions, size_t count)
{
    (void)sessions;
    on_exists(arg, status != REGISTRY_OK ? ACCOUNT_DOWN
                   : count > 0           ? ACCOUNT_OK
                                         : ACCOUNT_NOT_FOUND);
}

void account_exists_call(struct session *session, const struct wire_msg *msg,
                         session_reply_fn *reply, void *arg)
{
    struct job *job = job_new(session, sizeof(*job), reply, arg);
    struct span account = msg->u.account_exists.account;
    if (session_has_domain(session, jid_domain(account)) && jid_is_anonymous(account)) {
        registry_read(session->redis, account, on_sessions, job);
    } else if (session_has_domain(session, jid_domain(account))) {
        account_store_exists(session->accounts, account, on_exists, job);
    } else {
        job_result(job, "item-not-found", "");
    }
}

/* ---- list ---- */

static void on_list(void *arg, enum account_status status, const struct span *accounts,
                    size_t count, bool more)
{
    if (status != ACCOUNT_OK) {
        job_result(arg, "resource-constraint", "The database cannot be reached. Try again soon.");
        return;
    }
    struct wire_msg reply = {.id = WIRE_ID_account_list_reply};
    reply.u.account_list_reply.accounts = (struct wire_strs){accounts, (uint32_t)count};
    reply.u.account_list_reply.more = more;
    job_reply(arg, &reply);
}

void account_list_call(struct session *session, const struct wire_msg *msg, session_reply_fn *reply,
                       void *arg)
{
    const struct wire_account_list *asked = &msg->u.account_list;
    struct job *job = job_new(session, sizeof(*job), reply, arg);
    struct account_query query = {
        .domain = asked->domain,
        .after = asked->after,
        .max = asked->max && asked->max < LIST_MAX ? asked->max : LIST_MAX,
    };
    account_store_list(session->accounts, &query, on_list, job);
}
