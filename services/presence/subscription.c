/* Managing subscriptions (RFC 6121 section 3): what clients and contacts send, through the state
 * machine of states.h, in named phases. */
#include "base/buf.h"
#include "bus/wire.h"
#include "contact.h"
#include "jid/jid.h"
#include "presence.h"
#include "push.h"
#include "roster_change.h"
#include "state.h"
#include "xep0175_anonymous.h"

struct subscription {
    bool inbound;
    struct span contact; /* bare */
    enum states_event event;
    struct stanza stanza; /* as it is passed on: bare from and to (section 3.1.2) */
    unsigned actions;     /* DO_* */
    struct state state;
};

/* ---- phases ---- */
/* VALIDATE: false when there is nothing to do. One is always subscribed to oneself. */
static bool phase_validate(struct job *job, struct subscription *sub)
{
    const struct service_request *request = job->request;
    int event = states_event_of(request->stanza.type, request->inbound);
    sub->inbound = request->inbound;
    sub->contact = jid_bare(request->inbound ? request->stanza.from : request->stanza.to);
    if (event < 0 || span_is_empty(sub->contact) || span_eq(sub->contact, job->account)) {
        return false;
    }
    sub->event = (enum states_event)event;
    sub->stanza = request->stanza;
    sub->stanza.from = sub->inbound ? sub->contact : job->account;
    sub->stanza.to = sub->inbound ? job->account : sub->contact;
    return true;
}

/* GATHER and STORE: own sessions are read while the transaction runs. A request is kept as it came,
 * unless it is too large for that (section 3.1.3 asks for the stanza, a bound is ours). */
static void phase_store(struct job *job, struct subscription *sub)
{
    struct roster_change *change = roster_change_new(job, CHANGE_EVENT, sub->contact);
    change->event = sub->event;
    if (sub->event == IN_SUBSCRIBE) {
        struct buf bytes = {0};
        stanza_encode(&sub->stanza, &bytes);
        if (bytes.len > job->presence->limits.max_request) {
            struct stanza bare = {
                .kind = STANZA_PRESENCE,
                .type = STANZA_SUBSCRIBE,
                .from = sub->stanza.from,
                .to = sub->stanza.to,
                .id = sub->stanza.id,
            };
            buf_reset(&bytes);
            stanza_encode(&bare, &bytes);
        }
        change->request = arena_copy(&change->arena, buf_span(&bytes));
        buf_deinit(&bytes);
    }
    state_read(job, job->account, &sub->state);
    roster_change_run(change);
}

static void phase_push(struct job *job, const struct subscription *sub)
{
    const struct roster_change *change = job->change;
    if (change->is_visible) {
        push_item(job, &sub->state, &change->item, change->version);
    }
}

/* A request goes to those who can ask their user, an answer to those who see the roster. */
static void deliver_to_clients(struct job *job, const struct subscription *sub)
{
    const struct span *jids = NULL;
    uint32_t flags =
        sub->event == IN_SUBSCRIBE ? WIRE_PRESENCE_AVAILABLE : WIRE_PRESENCE_INTERESTED;
    size_t count = state_jids(job, &sub->state, flags, &jids);
    if (count) {
        job_forward(job, &sub->stanza, jids, count, false);
    }
}

/* SHOW: what the contact may see from now on, or may not see any more. */
static void show(struct job *job, const struct subscription *sub, unsigned actions)
{
    if (actions & DO_SEND_AVAILABLE) {
        contact_send_available(job, &sub->state, sub->contact);
    }
    if (actions & DO_SEND_UNAVAILABLE) {
        contact_send_unavailable(job, &sub->state, sub->contact);
    }
    job_finish(job);
}

static void show_now(struct job *job)
{
    struct subscription *sub = job->data;
    show(job, sub, sub->actions);
}

/* The second half, when the contact's server knows of the first: it would not know what to do with
 * presence that comes earlier, nor would its users. Own sessions may have changed meanwhile. */
static void show_later(struct job *job)
{
    job->data = job->request->data;
    struct subscription *sub = job->data;
    state_read(job, job->account, &sub->state);
    job_go(job, show_now);
}

static void phase_deliver(struct job *job, struct subscription *sub)
{
    const unsigned both = DO_SEND_AVAILABLE | DO_SEND_UNAVAILABLE;
    struct stanza answer = {
        .kind = STANZA_PRESENCE,
        .type = STANZA_SUBSCRIBED,
        .from = job->account,
        .to = sub->contact,
    };
    bool is_answer = (sub->actions & DO_ANSWER) != 0;
    if (sub->inbound && !is_answer) {
        if (sub->actions & DO_PASS) {
            deliver_to_clients(job, sub);
        }
        phase_push(job, sub);
        show(job, sub, sub->actions);
        return;
    }
    phase_push(job, sub);
    const struct stanza *stanza = is_answer ? &answer : &sub->stanza;
    if (sub->actions & both) {
        job_forward_then(job, stanza, show_later);
        job_leave(job);
        return;
    }
    if (sub->actions & DO_PASS) {
        job_forward(job, stanza, NULL, 0, true);
    }
    job_finish(job);
}

/* ---- steps ---- */
static void stored(struct job *job)
{
    struct subscription *sub = job->data;
    const char *refusal = job->change->refusal;
    if (refusal && !sub->inbound) {
        job_error(job, refusal, NULL);
        return;
    }
    if (refusal) {
        job_finish(job);
        return;
    }
    sub->actions = job->change->actions;
    phase_deliver(job, sub);
}

static void run(struct job *job)
{
    struct subscription *sub = arena_calloc(job->arena, 1, sizeof(*sub));
    job->data = sub;
    job->request->data = sub;
    if (!phase_validate(job, sub)) {
        job_finish(job);
        return;
    }
    phase_store(job, sub);
    job_go(job, stored);
}

void subscription_out(void *ctx, struct service_request *request)
{
    if (!xep0175_refuse(ctx, request)) {
        job_start(ctx, request->account, request, run);
    }
}

void subscription_in(void *ctx, struct service_request *request)
{
    if (!xep0175_refuse(ctx, request)) {
        job_start(ctx, request->account, request, run);
    }
}
