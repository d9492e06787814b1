/* Presence probes (RFC 6121 section 4.3). */
#include "contact.h"
#include "jid/jid.h"
#include "presence.h"
#include "roster_store.h"
#include "states.h"
#include "xep0203_delay.h"

struct probe {
    struct state state;
    struct last_activity last;
    unsigned subscription;
};

/* The account is not there; since when, if it ever was. The rest of what it said when it went is not
 * repeated: section 4.3.2 leaves that to the server. */
static void answer_unavailable(struct job *job, const struct last_activity *last, struct span who)
{
    struct stanza gone = {
        .kind = STANZA_PRESENCE,
        .type = STANZA_UNAVAILABLE,
        .from = job->account,
        .id = job->request->stanza.id,
    };
    delay_add(job, last->is_known ? (uint64_t)last->left_ms : 0, &gone);
    job_forward(job, &gone, &who, 1, false);
}

/* Section 4.3.2. Own other resources, and an own client that asks, may see everything. */
static void answer(struct job *job)
{
    struct probe *probe = job->data;
    struct span who = job->request->stanza.from;
    bool may_see = job->request->is_own || (probe->subscription & STATE_FROM);
    if (!may_see) {
        job_send_bare(job, STANZA_UNSUBSCRIBED, who);
    } else if (contact_send_available(job, &probe->state, who) == 0) {
        answer_unavailable(job, &probe->last, who);
    }
    job_finish(job);
}

static void run(struct job *job)
{
    struct probe *probe = arena_calloc(job->arena, 1, sizeof(*probe));
    job->data = probe;
    state_read(job, job->account, &probe->state);
    roster_state(job, job->request->from_bare, &probe->subscription);
    last_load(job, &probe->last);
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
