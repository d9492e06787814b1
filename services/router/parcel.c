/* Collecting by holder, sending, and what happens when a holder dies with a parcel in its hands. */
#include "parcel.h"

#include "adopt.h"
#include "base/mem.h"
#include "holder.h"
#include "jid/jid.h"
#include "lane.h"
#include "metric/metric.h"

/* What the stanza being routed has for one holder so far; in the routing's arena. */
struct parcel_draft {
    struct parcel_draft *next;
    struct holder *holder;
    uint64_t *sids;
    struct parcel_part *parts;
    uint32_t count;
    uint32_t room;
    bool waits; /* one session, in its lane */
    bool has_resumable;
};

static struct parcel_draft *draft_for(struct routing *routing, struct holder *holder, bool waits)
{
    struct parcel_draft *draft = routing->drafts;

    while (draft && (draft->holder != holder || draft->waits))
        draft = draft->next;
    if (draft && !waits)
        return draft;
    draft = arena_calloc(routing->arena, 1, sizeof(*draft));
    draft->holder = holder;
    draft->waits = waits;
    draft->next = routing->drafts;
    routing->drafts = draft;
    return draft;
}

static void draft_grow(struct routing *routing, struct parcel_draft *draft)
{
    uint32_t room = draft->room == 0 ? 1 : draft->room * 8;
    uint64_t *sids = arena_calloc(routing->arena, room, sizeof(*sids));
    struct parcel_part *parts = arena_calloc(routing->arena, room, sizeof(*parts));

    if (draft->count > 0) {
        memcpy(sids, draft->sids, draft->count * sizeof(*sids));
        memcpy(parts, draft->parts, draft->count * sizeof(*parts));
    }
    draft->sids = sids;
    draft->parts = parts;
    draft->room = room;
}

void parcel_add(struct routing *routing, const struct route_session *session, struct span jid)
{
    bool is_resumable = (session->flags & WIRE_SESSION_RESUMABLE) != 0;
    struct lane_entry entry = {
        .sid = session->sid,
        .holder = session->holder,
        .account = jid_bare(jid),
        .is_ahead = routing->is_ahead,
    };
    bool waits = is_resumable && !lane_enter(routing->router->lanes, &entry);
    struct parcel_draft *draft = draft_for(routing, session->holder, waits);

    if (draft->count == draft->room)
        draft_grow(routing, draft);
    draft->sids[draft->count] = session->sid;
    draft->parts[draft->count] = (struct parcel_part){jid, session->epoch, is_resumable};
    draft->has_resumable |= is_resumable;
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

static void copy_parts(struct parcel *parcel, const struct parcel_draft *draft)
{
    struct parcel_part *parts = (struct parcel_part *)(void *)(parcel->sids + parcel->count);
    char *text = (char *)(parts + parcel->count);

    parcel->parts = parts;
    for (uint32_t i = 0; i < draft->count; i++) {
        parts[i] = draft->parts[i];
        parts[i].jid.data = text;
        if (parts[i].jid.len > 0)
            memcpy(text, draft->parts[i].jid.data, parts[i].jid.len);
        text += parts[i].jid.len;
    }
}

/* Presence for a session that is gone for good is for nobody; for anything else the parcel
 * remembers to whom it went. */
static struct parcel *parcel_new(const struct routing *routing, const struct parcel_draft *draft)
{
    bool is_rerouted = routing->stanza.kind != STANZA_PRESENCE;
    bool has_parts = is_rerouted || draft->has_resumable;
    size_t size = sizeof(struct parcel) + draft->count * sizeof(uint64_t);
    struct parcel *parcel;

    for (uint32_t i = 0; has_parts && i < draft->count; i++)
        size += sizeof(struct parcel_part) + draft->parts[i].jid.len;
    parcel = mem_alloc(size);
    *parcel = (struct parcel){
        .holder = draft->holder,
        .job = routing->job,
        .count = draft->count,
        .is_rerouted = is_rerouted,
    };
    memcpy(parcel->sids, draft->sids, draft->count * sizeof(uint64_t));
    if (has_parts)
        copy_parts(parcel, draft);
    list_init(&parcel->node);
    job_hold(routing->job);
    return parcel;
}

void parcel_flush(struct routing *routing)
{
    struct lanes *lanes = routing->router->lanes;

    for (struct parcel_draft *draft = routing->drafts; draft; draft = draft->next) {
        struct parcel *parcel = parcel_new(routing, draft);

        metric_add(METRIC_router_delivered, draft->count);
        router_note(routing->job, draft->waits ? "waits for" : "sent to", draft->holder->name);
        if (draft->waits)
            lane_wait(lanes, draft->sids[0], parcel);
        else
            holder_send(draft->holder, parcel);
    }
    routing->drafts = NULL;
}

static void parcel_free(struct parcel *parcel)
{
    list_remove(&parcel->node);
    mem_free(parcel);
}

static void leave_lanes(const struct parcel *parcel)
{
    for (uint32_t i = 0; parcel->parts && i < parcel->count; i++) {
        if (parcel->parts[i].is_resumable)
            lane_leave(parcel->job->router->lanes, parcel->sids[i]);
    }
}

static void parcel_settled(void *arg, enum bus_outcome outcome)
{
    struct parcel *parcel = arg;
    struct job *job = parcel->job;

    list_remove(&parcel->node);
    if (outcome != BUS_SETTLED) {
        if (parcel->holder->peer == parcel->peer)
            parcel->holder->is_gone = true;
        parcel_lost(parcel);
        return;
    }
    leave_lanes(parcel);
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

static void part_lost(struct parcel *parcel, uint32_t i)
{
    const struct parcel_part *part = &parcel->parts[i];
    struct job *job = parcel->job;
    struct wire_u64s lost = {&parcel->sids[i], 1};

    if (part->is_resumable)
        adopt_send(job, &(struct adoption){jid_bare(part->jid), parcel->sids[i], part->epoch});
    else if (parcel->is_rerouted && !route_is_covered(job->router, part->jid, &lost))
        route_job_to(job, part->jid, lost.items, lost.count);
}

void parcel_lost(struct parcel *parcel)
{
    struct job *job = parcel->job;

    metric_add(METRIC_router_lost, parcel->count);
    for (uint32_t i = 0; parcel->parts && i < parcel->count; i++)
        part_lost(parcel, i);
    parcel_free(parcel);
    job_release(job);
}
