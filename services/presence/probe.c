/* Presence probes (RFC 6121 section 4.3). */
#include "contact.h"
#include "jid/jid.h"
#include "presence.h"
#include "roster_store.h"
#include "states.h"

struct probe {
    struct state state;
    unsigned subscription;
};

/* Section 4.3.2. Own other resources, and an own client that asks, may see everything. */
static void answer(struct job *job)
{
    struct probe *probe = job->data;
    struct span who = job->request->stanza.from;
    bool may_see = job->request->is_own || (probe->subscription & STATE_FROM);
    if (!may_see) {
        job_send_bare(job, STANZA_UNSUBSCRIBED, who);
    } else if (contact_send_available(job, &probe->state, who) == 0) {
        struct stanza gone = {
            .kind = STANZA_PRESENCE,
            .type = STANZA_UNAVAILABLE,
            .from = job->account,
        };
        job_forward(job, &gone, &who, 1, false);
    }
    job_finish(job);
}

static void run(struct job *job)
{
    struct probe *probe = arena_calloc(job->arena, 1, sizeof(*probe));
    job->data = probe;
    state_read(job, job->account, &probe->state);
    roster_state(job, job->request->from_bare, &probe->subscription);
    job_go(job, answer);
}

void probe_in(void *ctx, struct service_request *request)
{
    job_start(ctx, request->account, request, run);
}

/* Servers probe, clients have no need to; one that does gets the answer all the same. */
static void pass(struct job *job)
{
    struct stanza stanza = job->request->stanza;
    stanza.to = jid_bare(stanza.to);
    job_forward(job, &stanza, NULL, 0, true);
    job_finish(job);
}

void probe_out(void *ctx, struct service_request *request)
{
    job_start(ctx, request->account, request, pass);
}
