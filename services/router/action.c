/* What can become of a stanza: a function for each cell of the table. */
#include "answer.h"
#include "base/assert.h"
#include "base/log.h"
#include "carbons.h"
#include "errand.h"
#include "jid/jid.h"
#include "keep.h"
#include "metric/metric.h"
#include "own.h"
#include "parcel.h"
#include "services.h"

typedef void action_fn(struct routing *routing, struct target *target);

/* ---- to sessions ---- */

static void act_ignore(struct routing *routing, struct target *target)
{
    (void)target;
    metric_inc(METRIC_router_ignored);
    router_note(routing->job, "ignored", (struct span){0});
    LOG_DEBUG("ignored", "origin=%016llx-%llu", (unsigned long long)routing->job->origin_sid,
              (unsigned long long)routing->job->origin_n);
}

static void act_deliver(struct routing *routing, struct target *target)
{
    struct routing own;
    struct routing *filled = keep_live(routing, target, &own);

    if (!filled)
        return;
    parcel_add(filled, target->match, target->jid);
    carbons_received(filled, target);
    keep_end(routing, filled);
}

/* Every available session with at least this priority. */
static void deliver_from(struct routing *routing, struct target *target, int priority)
{
    for (uint32_t i = 0; i < target->entry->count; i++) {
        const struct route_session *session = &target->entry->sessions[i];

        if (session->is_available && session->priority >= priority &&
            route_is_usable(target, session))
            parcel_add(routing, session, target->jid);
    }
}

/* The same for messages. */
static void deliver_message(struct routing *routing, struct target *target, int priority)
{
    struct routing own;
    struct routing *filled = keep_live(routing, target, &own);

    if (!filled)
        return;
    deliver_from(filled, target, priority);
    carbons_received(filled, target);
    keep_end(routing, filled);
}

static void act_available(struct routing *routing, struct target *target)
{
    deliver_from(routing, target, INT16_MIN);
}

static void act_non_negative(struct routing *routing, struct target *target)
{
    deliver_message(routing, target, 0);
}

static void act_top(struct routing *routing, struct target *target)
{
    int top = 0;

    for (uint32_t i = 0; i < target->entry->count && !routing->router->bare_to_all; i++) {
        const struct route_session *session = &target->entry->sessions[i];

        if (session->is_available && session->priority > top && route_is_usable(target, session))
            top = session->priority;
    }
    deliver_message(routing, target, top);
}

/* Those of negative priority see it at once, if they want copies. */
static void act_store(struct routing *routing, struct target *target)
{
    keep_store(routing, target);
    carbons_received(routing, target);
}

/* ---- back to the sender ---- */

static void act_unavailable(struct routing *routing, struct target *target)
{
    answer_error(routing, target, "service-unavailable");
}

static void act_no_remote(struct routing *routing, struct target *target)
{
    answer_error(routing, target, "remote-server-not-found");
}

static void act_later(struct routing *routing, struct target *target)
{
    answer_error(routing, target, "resource-constraint");
}

/* ---- to services ---- */

static const struct owner *iq_owner(const struct routing *routing, enum services_scope scope)
{
    if (routing->stanza.child_count == 0)
        return NULL;
    return services_iq(routing->router->services, routing->stanza.children[0].ns, scope);
}

/* Nobody answers this iq; while services are still saying hello it may be too early to tell. */
static void refuse_iq(struct routing *routing, struct target *target, const char *condition)
{
    if (routing->router->is_early && routing->job->source == SOURCE_CLIENT)
        router_keep_early(routing->router, routing->job);
    else
        answer_error(routing, target, condition);
}

static void act_service_server(struct routing *routing, struct target *target)
{
    const struct owner *owner;

    if (own_answer(routing, target, SCOPE_SERVER))
        return;
    owner = iq_owner(routing, SCOPE_SERVER);
    if (owner)
        errand_send(routing->job, owner, jid_bare(routing->stanza.from), false);
    else
        refuse_iq(routing, target, "service-unavailable");
}

static void act_service_own(struct routing *routing, struct target *target)
{
    const struct owner *owner;

    if (own_answer(routing, target, SCOPE_OWN))
        return;
    owner = iq_owner(routing, SCOPE_OWN);
    if (!owner)
        owner = iq_owner(routing, SCOPE_ACCOUNT);
    if (owner)
        errand_send(routing->job, owner, target->account, false);
    else
        refuse_iq(routing, target, "service-unavailable");
}

/* An iq that only the account itself may send is forbidden to others, also when there is no such
 * account: who asks learns nothing. */
static void act_service_account(struct routing *routing, struct target *target)
{
    const struct owner *owner;

    if (target->dest == DEST_OWN) {
        act_service_own(routing, target);
        return;
    }
    owner = iq_owner(routing, SCOPE_ACCOUNT);
    if (owner)
        errand_send(routing->job, owner, target->account, true);
    else if (iq_owner(routing, SCOPE_OWN))
        answer_error(routing, target, "forbidden");
    else if (!own_answer(routing, target, SCOPE_ACCOUNT))
        refuse_iq(routing, target, "service-unavailable");
}

/* Who says whether a request may go on to a full JID, or NULL: it may. */
static const struct owner *guard_of(const struct routing *routing, struct span resource)
{
    if (routing->row != ROW_IQ_REQUEST || span_is_empty(resource))
        return NULL;
    return iq_owner(routing, SCOPE_FULL);
}

bool action_guarded(struct routing *routing, const struct target *target)
{
    const struct owner *guard = guard_of(routing, target->resource);

    if (guard)
        errand_send(routing->job, guard, target->account, true);
    return guard != NULL;
}

static void act_own(struct routing *routing, struct target *target)
{
    if (!own_answer(routing, target, SCOPE_OWN))
        answer_error(routing, target, "service-unavailable");
}

/* What the service will send for it needs to know what the sender blocks: a broadcast that had to
 * wait for that would come apart into one stanza for each contact. */
static void act_presence_out(struct routing *routing, struct target *target)
{
    (void)target;
    route_cache_warm(routing->router->cache, jid_bare(routing->stanza.from));
    errand_send(routing->job, services_presence(routing->router->services),
                jid_bare(routing->stanza.from), false);
}

/* The service finds the account in `to`: one of many recipients gets a stanza of its own. */
static void act_presence_in(struct routing *routing, struct target *target)
{
    struct router *router = routing->router;
    struct stanza copy = routing->stanza;
    struct job *job = routing->job;
    struct job *own;

    if (span_eq(copy.to, target->jid)) {
        errand_send(job, services_presence(router->services), target->account, true);
        return;
    }
    copy.to = target->jid;
    buf_reset(&router->encoded);
    stanza_encode(&copy, &router->encoded);
    own = job_new(router, &(struct job_options){.parent = job,
                                                .origin_sid = job->origin_sid,
                                                .origin_n = job->origin_n,
                                                .source = job->source,
                                                .stanza = buf_span(&router->encoded)});
    errand_send(own, services_presence(router->services), target->account, true);
    job_release(own);
}

/* ---- dispatch ---- */

static action_fn *const actions[ACT_COUNT] = {
    [ACT_IGNORE] = act_ignore,
    [ACT_DELIVER] = act_deliver,
    [ACT_TOP] = act_top,
    [ACT_NON_NEGATIVE] = act_non_negative,
    [ACT_AVAILABLE] = act_available,
    [ACT_STORE] = act_store,
    [ACT_UNAVAILABLE] = act_unavailable,
    [ACT_NO_REMOTE] = act_no_remote,
    [ACT_LATER] = act_later,
    [ACT_SERVICE_ACCOUNT] = act_service_account,
    [ACT_SERVICE_SERVER] = act_service_server,
    [ACT_OWN] = act_own,
    [ACT_PRESENCE_OUT] = act_presence_out,
    [ACT_PRESENCE_IN] = act_presence_in,
};

void action_do(struct routing *routing, struct target *target, enum rules_action action)
{
    ASSERT(action < ACT_COUNT && actions[action]);
    actions[action](routing, target);
}

bool action_asks_existence(const struct routing *routing)
{
    return routing->stanza.kind != STANZA_IQ || iq_owner(routing, SCOPE_ACCOUNT);
}

const struct owner *action_owner(const struct routing *routing)
{
    const struct stanza *stanza = &routing->stanza;
    const struct owner *owner;

    if (stanza->kind == STANZA_PRESENCE)
        return services_presence(routing->router->services);
    if (stanza->kind != STANZA_IQ)
        return NULL;
    if (!span_is_empty(jid_resource(stanza->to)))
        return guard_of(routing, jid_resource(stanza->to));
    if (!span_is_empty(stanza->to) && span_is_empty(jid_node(stanza->to)))
        return iq_owner(routing, SCOPE_SERVER);
    owner = iq_owner(routing, SCOPE_OWN);
    return owner ? owner : iq_owner(routing, SCOPE_ACCOUNT);
}
