/* Roster sets and subscriptions of anonymous accounts, refused. */
#include "xep0175_anonymous.h"

#include "jid/jid.h"
#include "presence.h"

/* As for an account that is not there (RFC 6121 section 3.1.3). */
static void decline(struct job *job)
{
    struct stanza answer = {
        .kind = STANZA_PRESENCE,
        .type = STANZA_UNSUBSCRIBED,
        .from = job->account,
        .to = jid_bare(job->request->stanza.from),
    };
    if (job->request->stanza.type == STANZA_SUBSCRIBE) {
        job_forward(job, &answer, NULL, 0, true);
    }
    job_finish(job);
}

bool xep0175_refuse(void *ctx, struct service_request *request)
{
    if (!jid_is_anonymous(request->account)) {
        return false;
    }
    if (request->inbound) {
        job_start(ctx, request->account, request, decline);
    } else {
        service_reply_error(request, "not-allowed", "Anonymous users have no contacts here.");
    }
    return true;
}
