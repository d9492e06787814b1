/* XEP-0191 sections 3.3 and 6: who is refused, who is told. */
#include "block.h"

#include "answer.h"
#include "base/map.h"
#include "jid/jid.h"
#include "jid/match.h"
#include "metric/metric.h"
#include "route.h"
#include "xml/ns.h"

bool block_has(const struct map *blocked, struct span jid)
{
    struct span forms[JID_MATCH_FORMS];
    size_t count = blocked ? jid_match_forms(jid, forms) : 0;

    for (size_t i = 0; i < count; i++) {
        if (map_get(blocked, forms[i]))
            return true;
    }
    return false;
}

/* What the router itself answers goes to whoever asked. */
static bool is_answer(const struct routing *routing)
{
    return routing->job->is_answer;
}

static bool is_server(const struct router *router, struct span jid)
{
    return span_is_empty(jid_node(jid)) && router_is_own_domain(router, jid_domain(jid));
}

static bool is_between_own(const struct routing *routing, struct span account)
{
    return span_eq(jid_bare(routing->stanza.from), account);
}

/* ---- what the sender blocks ---- */

static uint64_t *clear_slot(struct router *router, uint64_t sid)
{
    return &router->clear.sids[sid % BLOCK_CLEAR_SLOTS];
}

/* What a service asks the recipient's service to do (subscriptions, probes) was asked here when it
 * came from the client; what follows from a change of the roster keeps both rosters the same. */
bool block_asks_sender(const struct routing *routing, const struct target *target)
{
    struct router *router = routing->router;
    const struct job *job = routing->job;
    struct span from = routing->stanza.from;

    if (routing->is_sender_clear || target->dest == DEST_OWN || target->dest == DEST_SERVER)
        return false;
    if (job->source == SOURCE_CLIENT)
        return *clear_slot(router, job->origin_sid) != job->origin_sid &&
               !is_between_own(routing, jid_bare(target->jid));
    if (job->source != SOURCE_SERVICE || is_answer(routing) || span_is_empty(jid_node(from)))
        return false;
    return router_is_own_domain(router, jid_domain(from)) &&
           !is_between_own(routing, jid_bare(target->jid));
}

void block_remember(struct routing *routing, const struct route_entry *sender)
{
    const struct job *job = routing->job;

    if (sender->blocked)
        return;
    routing->is_sender_clear = true;
    if (job->source == SOURCE_CLIENT)
        *clear_slot(routing->router, job->origin_sid) = job->origin_sid;
}

/* A broadcast of presence says nothing: the user did not mean that one contact. */
bool block_stops_outbound(struct routing *routing, struct target *target,
                          const struct route_entry *sender)
{
    static const struct stanza_error blocked = {
        .condition = "not-acceptable",
        .type = "cancel",
        .detail = "<blocked xmlns=\"" NS_BLOCKING_ERRORS "\"/>",
    };

    if (!sender || !block_has(sender->blocked, target->jid))
        return false;
    metric_inc(METRIC_router_blocked_outbound);
    if (routing->stanza.kind != STANZA_PRESENCE || routing->job->source == SOURCE_CLIENT)
        answer_stanza_error(routing, target, &blocked);
    return true;
}

/* ---- what the recipient blocks ---- */

bool block_stops_inbound(struct routing *routing, struct target *target)
{
    struct span from = routing->stanza.from;

    if (is_answer(routing) || is_between_own(routing, target->account) ||
        is_server(routing->router, from) || !block_has(target->entry->blocked, from))
        return false;
    metric_inc(METRIC_router_blocked_inbound);
    if (routing->stanza.kind != STANZA_PRESENCE)
        answer_error(routing, target, "service-unavailable");
    return true;
}

/* ---- changes ---- */

static void wipe(struct router *router)
{
    router->clear = (struct block_clear){0};
}

void block_changed(struct router *router, struct span account)
{
    route_cache_blocks_changed(router->cache, account);
    wipe(router);
}

void block_forget_all(struct router *router)
{
    wipe(router);
}
