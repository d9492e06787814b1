/* XEP-0030 section 8: disco#info of an account is for those who may see its presence. What it says
 * only the router knows (the features of all services): who may ask is vouched for. */
#include "presence.h"
#include "roster_store.h"
#include "states.h"

static void answer(struct job *job)
{
    const unsigned *subscription = job->data;
    if (job->request->is_own || (*subscription & STATE_FROM)) {
        job_vouch(job);
        return;
    }
    job_error(job, "service-unavailable", NULL);
}

static void run(struct job *job)
{
    unsigned *subscription = arena_calloc(job->arena, 1, sizeof(*subscription));
    job->data = subscription;
    roster_state(job, job->request->from_bare, subscription);
    job_go(job, answer);
}

/* The iq came for the account in `to`, whoever asks. */
void xep0030_account(void *ctx, struct service_request *request)
{
    job_start(ctx, request->account, request, run);
}
