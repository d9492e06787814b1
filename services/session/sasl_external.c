/* EXTERNAL (RFC 4422 appendix A) with the client's certificate, by the rules of XEP-0178 section 2.
 * The stream vouches for the certificate; which of its JIDs are accounts is found out here.
 */
#include "sasl.h"

#include "base/arena.h"
#include "jid/jid.h"

struct external {
    uint32_t next;       /* of the certificate's JIDs */
    uint32_t count;      /* of accounts among them */
    struct span account; /* the latest of these */
};

static void refuse(struct sasl_job *job, const char *condition, const char *text)
{
    job->refusal = condition;
    job->refusal_text = text;
    sasl_judge(job, false);
}

static void judge(struct sasl_job *job)
{
    refuse(job, "not-authorized", "The certificate names no account of this domain.");
}

/* ---- the client says who it wants to be ---- */

static void on_named(void *arg, enum account_status status)
{
    struct sasl_job *job = arg;
    job->state.is_known = status == ACCOUNT_OK;
    if (status == ACCOUNT_DOWN) {
        sasl_unavailable(job);
    } else if (status != ACCOUNT_OK) {
        judge(job);
    } else {
        sasl_judge(job, true);
    }
}

static bool is_certified(const struct wire_sasl_state *state)
{
    for (uint32_t i = 0; i < state->certificate.count; i++) {
        if (span_eq(state->certificate.items[i], state->account)) {
            return true;
        }
    }
    return false;
}

static void try_named(struct sasl_job *job)
{
    if (!is_certified(&job->state) || !span_eq(jid_domain(job->state.account), job->state.domain)) {
        refuse(job, "invalid-authzid", "The certificate is not for that account of this domain.");
        return;
    }
    account_store_exists(job->job.session->accounts, job->state.account, on_named, job);
}

/* ---- it does not: there must be one account only ---- */

static void decide(struct sasl_job *job, const struct external *external)
{
    if (external->count > 1) {
        refuse(job, "invalid-authzid",
               "The certificate names several accounts: say as which you log in.");
    } else if (external->count == 0 || !span_eq(jid_domain(external->account), job->state.domain)) {
        judge(job);
    } else {
        job->state.account = external->account;
        job->state.is_known = true;
        sasl_judge(job, true);
    }
}

static void look_up_next(struct sasl_job *job);

static void on_looked_up(void *arg, enum account_status status)
{
    struct sasl_job *job = arg;
    struct external *external = job->own;
    if (status == ACCOUNT_DOWN) {
        sasl_unavailable(job);
        return;
    }
    if (status == ACCOUNT_OK) {
        external->account = job->state.certificate.items[external->next - 1];
        external->count++;
    }
    look_up_next(job);
}

/* The same JID twice is one account. */
static bool is_repeated(const struct wire_strs *list, uint32_t index)
{
    for (uint32_t i = 0; i < index; i++) {
        if (span_eq(list->items[i], list->items[index])) {
            return true;
        }
    }
    return false;
}

static void look_up_next(struct sasl_job *job)
{
    struct session *session = job->job.session;
    struct external *external = job->own;
    const struct wire_strs *jids = &job->state.certificate;
    while (external->next < jids->count) {
        uint32_t at = external->next++;
        if (session_has_domain(session, jid_domain(jids->items[at])) && !is_repeated(jids, at)) {
            account_store_exists(session->accounts, jids->items[at], on_looked_up, job);
            return;
        }
    }
    decide(job, external);
}

/* The message is the authorization identity, empty when the certificate says it all. */
void sasl_external_first(struct sasl_job *job, struct span message)
{
    struct arena *arena = &job->job.arena;
    if (!(job->state.flags & WIRE_SASL_CERTIFICATE)) {
        sasl_refuse(job, "invalid-mechanism", "There is no certificate of yours.");
        return;
    }
    job->own = arena_calloc(arena, 1, sizeof(struct external));
    if (span_is_empty(message)) {
        sasl_check_limit(job, look_up_next);
    } else if (jid_normalise(message, arena, &job->state.account) != 0) {
        sasl_refuse(job, "invalid-authzid", "This is no JID.");
    } else {
        job->state.account = arena_copy(arena, job->state.account);
        sasl_check_limit(job, try_named);
    }
}
