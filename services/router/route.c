/* From an address to a column of the table, waiting for what must be known.
 *
 * For each recipient the phases are BLOCK for the sender, who blocks (or not) whom he writes to;
 * CARBON for the sender's other sessions; the look-up of the recipient; BLOCK for the recipient, as
 * soon as its account is known; DELIVER, which is the action of the table, be it to sessions, to a
 * service or back; CARBON for the recipient's other sessions. */
#include "route.h"

#include "adopt.h"
#include "base/log.h"
#include "base/mem.h"
#include "carbons.h"
#include "holder.h"
#include "jid/jid.h"
#include "keep.h"
#include "lane.h"
#include "metric/metric.h"
#include "parcel.h"
#include "trace/trace.h"

/* A recipient that waits for the cache. */
struct pending {
    struct route_waiter waiter;
    struct job *job; /* held */
    bool is_sender;  /* for what is to be known of the sender, not of the recipient */
    uint64_t missed; /* a session that was not at `misser`; 0: none */
    struct holder *misser;
    uint32_t excluded_count;
    struct span jid;
    uint64_t excluded[]; /* then the text of `jid` */
};

static void judge(struct routing *routing, struct target *target);
static enum rules_dest address_dest(const struct routing *routing, struct target *target);
static void phase_deliver(struct routing *routing, struct target *target);
static void wait_for(struct routing *routing, struct target *target, unsigned needs,
                     bool is_sender);

/* ---- begin and end ---- */

int route_begin(struct routing *routing, struct router *router, struct job *job)
{
    if (router->depth++ == 0)
        arena_reset(&router->scratch);
    *routing = (struct routing){.router = router, .job = job, .arena = &router->scratch};
    if (stanza_decode(job->stanza, routing->arena, &routing->stanza) == 0)
        routing->row = rules_row(routing->stanza.kind, routing->stanza.type, job->source);
    else
        routing->row = ROW_COUNT;
    if (routing->row <= ROW_MESSAGE_ERROR && job->source != SOURCE_CLIENT &&
        carbons_is_copy(&routing->stanza))
        routing->row = ROW_MESSAGE_COPY;
    if (routing->row != ROW_COUNT && !span_is_empty(routing->stanza.from)) {
        job->is_traced |= trace_wants(router->trace, routing->stanza.from, routing->stanza.to);
        return 0;
    }
    LOG_ERROR("bad-stanza", "origin=%016llx-%llu bytes=%zu", (unsigned long long)job->origin_sid,
              (unsigned long long)job->origin_n, job->stanza.len);
    metric_inc(METRIC_router_bad_items);
    router->depth--;
    return -1;
}

void route_end(struct routing *routing)
{
    parcel_flush(routing);
    routing->router->depth--;
}

void route_job_to(struct job *job, struct span jid, const uint64_t *excluded,
                  uint32_t excluded_count)
{
    struct routing routing;

    if (route_begin(&routing, job->router, job) != 0)
        return;
    route_to(&routing, jid, excluded, excluded_count);
    route_end(&routing);
}

void route_job(struct job *job)
{
    struct routing routing;

    if (route_begin(&routing, job->router, job) != 0)
        return;
    route_to(&routing, routing.stanza.to, NULL, 0);
    route_end(&routing);
}

/* ---- waiting ---- */

static void act_unknown(struct routing *routing, struct target *target)
{
    target->dest = DEST_UNKNOWN;
    action_do(routing, target, rules_action(routing->row, DEST_UNKNOWN));
}

static void sender_known(struct routing *routing, const struct pending *pending,
                         enum route_answer answer, const struct route_entry *entry)
{
    struct target target = {
        .jid = pending->jid,
        .excluded = pending->excluded,
        .excluded_count = pending->excluded_count,
    };

    target.dest = address_dest(routing, &target);
    if (answer == ROUTE_FAILED)
        act_unknown(routing, &target);
    else if (!block_stops_outbound(routing, &target, entry))
        phase_deliver(routing, &target);
}

static void recipient_known(struct routing *routing, const struct pending *pending,
                            enum route_answer answer, const struct route_entry *entry)
{
    struct target target = {
        .jid = pending->jid,
        .account = jid_bare(pending->jid),
        .resource = jid_resource(pending->jid),
        .excluded = pending->excluded,
        .excluded_count = pending->excluded_count,
        .is_verified = pending->waiter.is_fresh,
        .entry = entry,
    };

    if (answer == ROUTE_FAILED)
        act_unknown(routing, &target);
    else
        judge(routing, &target);
}

/* ---- sessions that have moved ---- */

static void adopt(struct routing *routing, const struct route_session *session, struct span account)
{
    struct lane_entry lane = {session->sid, session->holder, account, true};

    (void)lane_enter(routing->router->lanes, &lane);
    adopt_send(routing->job, &(struct adoption){account, session->sid, session->epoch});
}

void route_without(struct routing *routing, const struct wire_u64s *gone)
{
    struct router *router = routing->router;
    struct span to = routing->stanza.to;
    bool is_done = routing->stanza.kind == STANZA_PRESENCE || route_is_covered(router, to, gone);

    for (uint32_t i = 0; i < gone->count; i++)
        route_cache_forget(router->cache, jid_bare(to), gone->items[i]);
    if (!is_done)
        route_to(routing, to, gone->items, gone->count);
}

static const struct route_session *find_session(const struct route_entry *entry, uint64_t sid)
{
    for (uint32_t i = 0; entry && i < entry->count; i++) {
        if (entry->sessions[i].sid == sid)
            return &entry->sessions[i];
    }
    return NULL;
}

static void missed_known(struct routing *routing, const struct pending *pending,
                         enum route_answer answer, const struct route_entry *entry)
{
    const struct route_session *session = find_session(entry, pending->missed);
    bool is_resumable = session && (session->flags & WIRE_SESSION_RESUMABLE);
    struct target target = {.jid = pending->jid, .dest = DEST_UNKNOWN};

    routing->is_ahead = true;
    if (answer == ROUTE_FAILED)
        action_do(routing, &target, rules_action(routing->row, DEST_UNKNOWN));
    else if (!is_resumable)
        route_without(routing, &(struct wire_u64s){pending->excluded, 1});
    else if (session->holder == pending->misser || session->holder->is_gone)
        adopt(routing, session, pending->jid);
    else
        parcel_add(routing, session, pending->jid);
}

static bool is_resumable_for_all_we_know(struct router *router, struct span account, uint64_t sid)
{
    const struct route_entry *entry;
    const struct route_session *session;

    if (span_is_empty(account)) /* one that can be resumed has a lane, which knows it */
        return false;
    entry = route_cache_get(router->cache, account, ROUTE_SESSIONS);
    session = find_session(entry, sid);
    return !entry || (session && (session->flags & WIRE_SESSION_RESUMABLE));
}

bool route_missed(struct routing *routing, struct span account, uint64_t sid, struct holder *misser)
{
    struct target target = {
        .jid = account, .account = account, .excluded = &sid, .excluded_count = 1};

    if (!is_resumable_for_all_we_know(routing->router, account, sid))
        return false;
    target.missed = sid;
    target.misser = misser;
    wait_for(routing, &target, ROUTE_SESSIONS | ROUTE_FRESH, false);
    return true;
}

static void pending_answered(void *arg, enum route_answer answer, const struct route_entry *entry)
{
    struct pending *pending = arg;
    struct routing routing;

    if (answer != ROUTE_CLOSED && route_begin(&routing, pending->job->router, pending->job) == 0) {
        if (pending->missed != 0)
            missed_known(&routing, pending, answer, entry);
        else if (pending->is_sender)
            sender_known(&routing, pending, answer, entry);
        else
            recipient_known(&routing, pending, answer, entry);
        route_end(&routing);
    }
    if (answer != ROUTE_CLOSED)
        job_release(pending->job);
    mem_free(pending);
}

static void wait_for(struct routing *routing, struct target *target, unsigned needs, bool is_sender)
{
    bool by_account = !is_sender && span_is_empty(target->resource);
    struct span account = is_sender ? jid_bare(routing->stanza.from) : target->account;
    struct span jid = by_account ? target->account : target->jid;
    size_t excluded_size = target->excluded_count * sizeof(uint64_t);
    struct pending *pending = mem_alloc(sizeof(*pending) + excluded_size + jid.len);
    char *text = (char *)pending->excluded + excluded_size;

    *pending = (struct pending){
        .waiter = {.fn = pending_answered, .arg = pending},
        .job = routing->job,
        .is_sender = is_sender,
        .missed = target->missed,
        .misser = target->misser,
        .excluded_count = target->excluded_count,
        .jid = {text, jid.len},
    };
    if (excluded_size > 0)
        memcpy(pending->excluded, target->excluded, excluded_size);
    if (jid.len > 0)
        memcpy(text, jid.data, jid.len);
    if (route_cache_wait(routing->router->cache, account, needs, &pending->waiter) == 0) {
        job_hold(routing->job);
        return;
    }
    mem_free(pending);
    act_unknown(routing, target);
}

/* ---- which column ---- */

bool route_is_usable(const struct target *target, const struct route_session *session)
{
    if (session->holder->is_gone && !(session->flags & WIRE_SESSION_RESUMABLE))
        return false;
    for (uint32_t i = 0; i < target->excluded_count; i++) {
        if (target->excluded[i] == session->sid)
            return false;
    }
    return true;
}

static bool is_among(const struct wire_u64s *sids, uint64_t sid)
{
    for (uint32_t i = 0; i < sids->count; i++) {
        if (sids->items[i] == sid)
            return true;
    }
    return false;
}

bool route_is_covered(struct router *router, struct span to, const struct wire_u64s *lost)
{
    struct target others = {.excluded = lost->items, .excluded_count = lost->count};
    const struct route_entry *entry = route_cache_get(router->cache, jid_bare(to), ROUTE_SESSIONS);
    bool was_bare = false; /* else it was for that one resource */
    int priority = 0;

    for (uint32_t i = 0; entry && i < entry->count; i++) {
        const struct route_session *session = &entry->sessions[i];

        if (!is_among(lost, session->sid))
            continue;
        was_bare |= !span_eq(session->resource, jid_resource(to));
        if (session->priority > priority)
            priority = session->priority;
    }
    for (uint32_t i = 0; was_bare && i < entry->count; i++) {
        const struct route_session *session = &entry->sessions[i];

        if (session->is_available && session->priority >= priority &&
            route_is_usable(&others, session))
            return true;
    }
    return false;
}

static enum rules_dest full_dest(struct target *target)
{
    for (uint32_t i = 0; target->entry && i < target->entry->count; i++) {
        const struct route_session *session = &target->entry->sessions[i];

        if (span_eq(session->resource, target->resource) && route_is_usable(target, session)) {
            target->match = session;
            return DEST_FULL_MATCH;
        }
    }
    return DEST_FULL_NONE;
}

static enum rules_dest bare_dest(const struct target *target)
{
    enum rules_dest dest = DEST_BARE_NONE;

    for (uint32_t i = 0; target->entry && i < target->entry->count; i++) {
        const struct route_session *session = &target->entry->sessions[i];

        if (!session->is_available || !route_is_usable(target, session))
            continue;
        if (session->priority >= 0)
            return DEST_BARE_AVAILABLE;
        dest = DEST_BARE_NEGATIVE;
    }
    return dest;
}

static enum rules_dest account_dest(struct target *target)
{
    if (target->entry && !target->entry->exists)
        return DEST_NO_USER;
    return span_is_empty(target->resource) ? bare_dest(target) : full_dest(target);
}

static enum rules_action decide(const struct routing *routing, struct target *target)
{
    enum rules_action action = rules_action(routing->row, target->dest);

    if (action != ACT_AS_BARE)
        return action;
    target->resource = (struct span){0};
    target->dest = account_dest(target);
    return rules_action(routing->row, target->dest);
}

/* All that is needed is known: finds the column, makes sure of bad news, acts. */
static void judge(struct routing *routing, struct target *target)
{
    struct target decided;
    enum rules_action action;
    unsigned needs = 0;

    if (target->entry && target->entry->blocked && block_stops_inbound(routing, target))
        return;
    if (action_guarded(routing, target))
        return;
    target->dest = account_dest(target);
    if (!target->is_verified && rules_is_negative(routing->row, target->dest))
        needs = ROUTE_SESSIONS | ROUTE_FRESH;
    decided = *target;
    action = decide(routing, &decided);
    if (action == ACT_STORE && keep_asks_existence(routing, &decided))
        needs |= ROUTE_SESSIONS | ROUTE_ASKED;
    if (needs != 0)
        wait_for(routing, target, needs, false);
    else
        action_do(routing, &decided, action);
}

static void look_up(struct routing *routing, struct target *target)
{
    bool is_full = !span_is_empty(target->resource);
    unsigned needs = 0;

    if (rules_needs_sessions(routing->row, is_full))
        needs = ROUTE_SESSIONS;
    else if (rules_needs_existence(routing->row, is_full) && action_asks_existence(routing))
        needs = ROUTE_EXISTENCE;
    if (rules_needs_blocks(routing->row))
        needs |= ROUTE_SESSIONS;
    if (needs != 0) {
        target->entry = route_cache_get(routing->router->cache, target->account, needs);
        if (!target->entry) {
            wait_for(routing, target, needs, false);
            return;
        }
    }
    judge(routing, target);
}

/* The column as far as the address alone tells; DEST_COUNT: it takes a look at the account. */
static enum rules_dest address_dest(const struct routing *routing, struct target *target)
{
    if (span_is_empty(target->jid)) {
        target->account = jid_bare(routing->stanza.from);
        return DEST_OWN;
    }
    if (!router_is_own_domain(routing->router, jid_domain(target->jid)))
        return DEST_FOREIGN;
    if (span_is_empty(jid_node(target->jid)))
        return DEST_SERVER;
    target->account = jid_bare(target->jid);
    target->resource = jid_resource(target->jid);
    if (routing->job->source == SOURCE_CLIENT && span_is_empty(target->resource) &&
        span_eq(target->account, jid_bare(routing->stanza.from)))
        return DEST_OWN;
    return DEST_COUNT;
}

static void phase_deliver(struct routing *routing, struct target *target)
{
    enum rules_action action = ACT_AS_BARE;

    if (routing->stanza.kind == STANZA_MESSAGE)
        carbons_sent(routing, target);
    if (target->dest != DEST_COUNT)
        action = rules_action(routing->row, target->dest);
    if (action == ACT_AS_BARE)
        look_up(routing, target);
    else
        action_do(routing, target, action);
}

/* Only a stanza that finds the account known is remembered to have a clear sender: one that has
 * waited may have later ones of its session behind it, which nobody must overtake. */
static void phase_block(struct routing *routing, struct target *target)
{
    struct span account = jid_bare(routing->stanza.from);
    const struct route_entry *sender =
        route_cache_get(routing->router->cache, account, ROUTE_SESSIONS);

    if (!sender) {
        wait_for(routing, target, ROUTE_SESSIONS, true);
        return;
    }
    block_remember(routing, sender);
    if (!block_stops_outbound(routing, target, sender))
        phase_deliver(routing, target);
}

void route_to(struct routing *routing, struct span jid, const uint64_t *excluded,
              uint32_t excluded_count)
{
    struct target target = {.jid = jid, .excluded = excluded, .excluded_count = excluded_count};

    target.dest = address_dest(routing, &target);
    if (block_asks_sender(routing, &target))
        phase_block(routing, &target);
    else
        phase_deliver(routing, &target);
}
