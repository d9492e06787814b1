/* XEP-0030 section 8: disco#info of an account is for those who may see its presence. What it says
 * only the router knows (the features of all services): who may ask is vouched for. */
#include "jid/jid.h"
#include "presence.h"
#include "roster_store.h"
#include "state.h"
#include "states.h"

struct asked {
    unsigned subscription;
    struct state sessions; /* of an anonymous account */
};

/* Anybody may know of an anonymous account that it is one (XEP-0175 section 5). */
static void answer(struct job *job)
{
    const struct asked *asked = job->data;
    if (job->request->is_own || (asked->subscription & STATE_FROM) || asked->sessions.count > 0) {
        job_vouch(job);
        return;
    }
    job_error(job, "service-unavailable", NULL);
}

static void run(struct job *job)
{
    struct asked *asked = arena_calloc(job->arena, 1, sizeof(*asked));
    job->data = asked;
    if (jid_is_anonymous(job->account)) {
        state_read(job, job->account, &asked->sessions);
    } else {
        roster_state(job, job->request->from_bare, &asked->subscription);
    }
    job_go(job, answer);
}

/* The iq came for the account in `to`, whoever asks. */
void xep0030_account(void *ctx, struct service_request *request)
{
    job_start(ctx, request->account, request, run);
}
