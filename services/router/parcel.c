/* Collecting by holder, sending, and what happens when a holder dies with a parcel in its hands. */
#include "parcel.h"

#include "base/mem.h"
#include "holder.h"
#include "metric/metric.h"

/* What the stanza being routed has for one holder so far; in the routing's arena. */
struct parcel_draft {
    struct parcel_draft *next;
    struct holder *holder;
    uint64_t *sids;
    struct span *jids;
    uint32_t count;
    uint32_t room;
};

static struct parcel_draft *draft_for(struct routing *routing, struct holder *holder)
{
    struct parcel_draft *draft = routing->drafts;

    while (draft && draft->holder != holder)
        draft = draft->next;
    if (draft)
        return draft;
    draft = arena_calloc(routing->arena, 1, sizeof(*draft));
    draft->holder = holder;
    draft->next = routing->drafts;
    routing->drafts = draft;
    return draft;
}

static void draft_grow(struct routing *routing, struct parcel_draft *draft)
{
    uint32_t room = draft->room == 0 ? 1 : draft->room * 8;
    uint64_t *sids = arena_calloc(routing->arena, room, sizeof(*sids));
    struct span *jids = arena_calloc(routing->arena, room, sizeof(*jids));

    if (draft->count > 0) {
        memcpy(sids, draft->sids, draft->count * sizeof(*sids));
        memcpy(jids, draft->jids, draft->count * sizeof(*jids));
    }
    draft->sids = sids;
    draft->jids = jids;
    draft->room = room;
}

void parcel_add(struct routing *routing, const struct route_session *session, struct span jid)
{
    struct parcel_draft *draft = draft_for(routing, session->holder);

    if (draft->count == draft->room)
        draft_grow(routing, draft);
    draft->sids[draft->count] = session->sid;
    draft->jids[draft->count] = jid;
    draft->count++;
}

bool parcel_is_for(const struct routing *routing, const struct route_session *session)
{
    for (const struct parcel_draft *draft = routing->drafts; draft; draft = draft->next) {
        for (uint32_t i = 0; i < draft->count; i++) {
            if (draft->sids[i] == session->sid)
                return true;
        }
    }
    return false;
}

/* Presence for a session that is gone is for nobody; anything else is routed anew, so the parcel
 * remembers to whom it went. */
static struct parcel *parcel_new(const struct routing *routing, const struct parcel_draft *draft)
{
    bool has_jids = routing->stanza.kind != STANZA_PRESENCE;
    size_t size = sizeof(struct parcel) + draft->count * sizeof(uint64_t);
    struct parcel *parcel;
    struct span *jids;
    char *text;

    for (uint32_t i = 0; has_jids && i < draft->count; i++)
        size += sizeof(struct span) + draft->jids[i].len;
    parcel = mem_alloc(size);
    *parcel = (struct parcel){
        .holder = draft->holder, .job = routing->job, .count = draft->count, .has_jids = has_jids};
    memcpy(parcel->sids, draft->sids, draft->count * sizeof(uint64_t));
    jids = (struct span *)(void *)(parcel->sids + draft->count);
    text = (char *)(jids + draft->count);
    for (uint32_t i = 0; has_jids && i < draft->count; i++) {
        jids[i] = span_of(text, draft->jids[i].len);
        if (jids[i].len > 0)
            memcpy(text, draft->jids[i].data, jids[i].len);
        text += jids[i].len;
    }
    list_init(&parcel->node);
    job_hold(routing->job);
    return parcel;
}

void parcel_flush(struct routing *routing)
{
    for (struct parcel_draft *draft = routing->drafts; draft; draft = draft->next) {
        metric_add(METRIC_router_delivered, draft->count);
        holder_send(draft->holder, parcel_new(routing, draft));
    }
    routing->drafts = NULL;
}

static void parcel_free(struct parcel *parcel)
{
    list_remove(&parcel->node);
    mem_free(parcel);
}

static void parcel_settled(void *arg, enum bus_outcome outcome)
{
    struct parcel *parcel = arg;
    struct job *job = parcel->job;

    if (outcome != BUS_SETTLED) {
        if (parcel->holder->peer == parcel->peer)
            parcel->holder->is_gone = true;
        list_remove(&parcel->node);
        parcel_lost(parcel);
        return;
    }
    parcel_free(parcel);
    job_release(job);
}

int parcel_send(struct parcel *parcel, struct bus_peer *peer)
{
    struct wire_msg msg = {.id = WIRE_ID_deliver};

    msg.u.deliver = (struct wire_deliver){
        .origin_sid = parcel->job->origin_sid,
        .origin_n = parcel->job->origin_n,
        .sids = {parcel->sids, parcel->count},
        .stanza = parcel->job->stanza,
    };
    parcel->peer = peer;
    return bus_send_to(peer, &msg, parcel_settled, parcel);
}

void parcel_lost(struct parcel *parcel)
{
    const struct span *jids = (const struct span *)(const void *)(parcel->sids + parcel->count);
    struct job *job = parcel->job;

    metric_add(METRIC_router_lost, parcel->count);
    for (uint32_t i = 0; parcel->has_jids && i < parcel->count; i++) {
        struct wire_u64s lost = {&parcel->sids[i], 1};

        if (!route_is_covered(job->router, jids[i], &lost))
            route_job_to(job, jids[i], lost.items, lost.count);
    }
    parcel_free(parcel);
    job_release(job);
}
