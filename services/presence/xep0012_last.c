/* XEP-0012 last activity of an account: how long ago its last resource went, and who may ask
 * its sessions: those who may see its presence. */
#include "base/buf.h"
#include "base/clock.h"
#include "presence.h"
#include "roster_store.h"
#include "state.h"
#include "states.h"
#include "xml/ns.h"

struct asking {
    struct state state;
    struct last_activity last;
    unsigned subscription;
};

static void answer(struct job *job)
{
    struct asking *asking = job->data;
    bool is_online = state_available_count(&asking->state) > 0;
    int64_t ago_ms = (int64_t)clock_real_ms() - asking->last.left_ms;
    struct buf out = {0};
    if (!job->request->is_own && (asking->subscription & STATE_FROM) == 0) {
        job_error(job, "forbidden", NULL);
        return;
    }
    if (!is_online && !asking->last.is_known) {
        job_error(job, "item-not-found", "Has never been online");
        return;
    }
    buf_printf(&out, "<query xmlns=\"" NS_LAST "\" seconds=\"%lld\">",
               is_online || ago_ms < 0 ? 0LL : (long long)(ago_ms / 1000));
    if (!is_online) {
        xml_escape(asking->last.status, &out);
    }
    buf_append_cstr(&out, "</query>");
    struct span payload = arena_copy(job->arena, buf_span(&out));
    buf_deinit(&out);
    job_result(job, payload);
}

static void run(struct job *job)
{
    struct asking *asking = arena_calloc(job->arena, 1, sizeof(*asking));
    job->data = asking;
    state_read(job, job->account, &asking->state);
    roster_state(job, job->request->from_bare, &asking->subscription);
    last_load(job, &asking->last);
    job_go(job, answer);
}

/* The iq came for the account in `to`, whoever asks. */
void xep0012_last(void *ctx, struct service_request *request)
{
    job_start(ctx, request->account, request, run);
}

/* Section 4: only who may see the presence of the account may ask its sessions. Others are refused
 * alike whether there is such a session, such an account, or not. */
static void let_pass(struct job *job)
{
    const unsigned *subscription = job->data;
    if (job->request->is_own || (*subscription & STATE_FROM)) {
        job_pass(job);
        return;
    }
    job_error(job, "forbidden", NULL);
}

static void run_resource(struct job *job)
{
    unsigned *subscription = arena_calloc(job->arena, 1, sizeof(*subscription));
    job->data = subscription;
    roster_state(job, job->request->from_bare, subscription);
    job_go(job, let_pass);
}

void xep0012_resource(void *ctx, struct service_request *request)
{
    job_start(ctx, request->account, request, run_resource);
}
