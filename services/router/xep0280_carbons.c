/* XEP-0280: which messages are copied, for whom, and what a copy looks like. */
#include "carbons.h"

#include "base/mem.h"
#include "jid/jid.h"
#include "metric/metric.h"
#include "parcel.h"
#include "xml/ns.h"

/* ---- which messages ---- */

enum payload_rule {
    PAYLOAD_REFUSES = 1, /* wherever it stands, no copy is made */
    PAYLOAD_COUNTS = 2,  /* the message is for people */
};

/* Section 6.1. The first line that fits a child decides what it means. */
static const struct {
    const char *ns;
    const char *name; /* NULL: any */
    enum payload_rule rule;
} payloads[] = {
    {NS_CARBONS, NULL, PAYLOAD_REFUSES}, /* <private/>, and what only looks like a copy */
    {NS_HINTS, "no-copy", PAYLOAD_REFUSES},  {NS_CLIENT, "body", PAYLOAD_COUNTS},
    {NS_RECEIPTS, NULL, PAYLOAD_COUNTS},     {NS_CHATSTATES, NULL, PAYLOAD_COUNTS},
    {NS_CHAT_MARKERS, NULL, PAYLOAD_COUNTS}, {NS_CONFERENCE, NULL, PAYLOAD_COUNTS},
    {NS_MUC_USER, NULL, PAYLOAD_COUNTS}, /* a mediated invitation; see is_from_room */
};

static unsigned rules_of(const struct stanza *stanza)
{
    unsigned rules = 0;

    for (uint32_t i = 0; i < stanza->child_count; i++) {
        for (size_t k = 0; k < sizeof(payloads) / sizeof(payloads[0]); k++) {
            if (!span_is(stanza->children[i].ns, payloads[k].ns) ||
                (payloads[k].name && !span_is(stanza->children[i].name, payloads[k].name)))
                continue;
            rules |= payloads[k].rule;
            break;
        }
    }
    return rules;
}

bool carbons_is_eligible(const struct stanza *stanza)
{
    unsigned rules;

    if (stanza->kind != STANZA_MESSAGE || stanza->type == STANZA_GROUPCHAT)
        return false;
    rules = rules_of(stanza);
    if (rules & PAYLOAD_REFUSES)
        return false;
    return stanza->type == STANZA_CHAT || (rules & PAYLOAD_COUNTS);
}

/* A private message of a room's participant: the room sends it to every session that is there. An
 * invitation comes from the room itself. */
static bool is_from_room(const struct stanza *stanza)
{
    return !span_is_empty(jid_resource(stanza->from)) && stanza_child(stanza, NS_MUC_USER, "x");
}

bool carbons_is_copy(const struct stanza *stanza)
{
    return stanza->kind == STANZA_MESSAGE && span_is_empty(jid_resource(stanza->from)) &&
           span_eq(stanza->from, jid_bare(stanza->to)) &&
           (stanza_child(stanza, NS_CARBONS, "sent") ||
            stanza_child(stanza, NS_CARBONS, "received"));
}

/* ---- a copy ---- */

/* What one stanza's copies have in common. */
struct copying {
    struct routing *routing;
    const char *element; /* "sent" or "received" */
    struct span account;
    struct span payload; /* written when first needed */
};

static struct span write_payload(const struct copying *copying, struct span to)
{
    struct routing *routing = copying->routing;
    struct buf *out = &routing->router->encoded;

    buf_reset(out);
    buf_printf(out, "<%s xmlns=\"" NS_CARBONS "\"><forwarded xmlns=\"" NS_FORWARD "\">",
               copying->element);
    stanza_write(&routing->stanza, to, SPAN(NS_CLIENT), out);
    buf_printf(out, "</forwarded></%s>", copying->element);
    return arena_copy(routing->arena, buf_span(out));
}

static void copy_to(struct copying *copying, struct span to, const struct route_session *session)
{
    struct routing *routing = copying->routing;
    struct router *router = routing->router;
    struct job *own;

    if (span_is_empty(copying->payload))
        copying->payload = write_payload(copying, to);
    const struct xml_child child = {.ns = SPAN(NS_CARBONS),
                                    .name = span_cstr(copying->element),
                                    .offset = 0,
                                    .length = (uint32_t)copying->payload.len};
    const struct stanza copy = {
        .kind = STANZA_MESSAGE,
        .type = routing->stanza.type,
        .from = copying->account,
        .to = jid_join(jid_node(copying->account), jid_domain(copying->account), session->resource,
                       routing->arena),
        .children = &child,
        .child_count = 1,
        .payload = copying->payload,
    };
    buf_reset(&router->encoded);
    stanza_encode(&copy, &router->encoded);
    own = job_new(router, &(struct job_options){.parent = routing->job,
                                                .origin_sid = routing->job->origin_sid,
                                                .origin_n = routing->job->origin_n,
                                                .source = SOURCE_SERVICE,
                                                .stanza = buf_span(&router->encoded)});
    metric_inc(METRIC_router_carbons);
    route_job(own);
    job_release(own);
}

static bool wants_copies(const struct route_session *session)
{
    return (session->flags & WIRE_SESSION_CARBONS) != 0;
}

/* ---- for the other sessions of an account that may have to be looked up ---- */

struct others {
    const char *element;
    struct span account; /* whose sessions */
    struct span to;      /* of the stanza, where it names nobody itself */
    uint64_t without_sid;
};

/* Waits for the account. */
struct waiting {
    struct route_waiter waiter;
    struct job *job; /* held */
    struct others others;
    char text[]; /* of its spans */
};

/* Writing a copy routes it, which may change the cache: those who get one are chosen before. */
static void copy_to_others(struct routing *routing, const struct others *others,
                           const struct route_entry *entry)
{
    struct copying copying = {
        .routing = routing, .element = others->element, .account = others->account};
    struct route_session *chosen = arena_calloc(routing->arena, entry->count + 1, sizeof(*chosen));
    uint32_t count = 0;

    for (uint32_t i = 0; i < entry->count; i++) {
        if (!wants_copies(&entry->sessions[i]) || entry->sessions[i].sid == others->without_sid)
            continue;
        chosen[count] = entry->sessions[i];
        chosen[count].resource = arena_copy(routing->arena, entry->sessions[i].resource);
        count++;
    }
    for (uint32_t i = 0; i < count; i++)
        copy_to(&copying, others->to, &chosen[i]);
}

static void account_known(void *arg, enum route_answer answer, const struct route_entry *entry)
{
    struct waiting *waiting = arg;
    struct routing routing;

    if (answer != ROUTE_CLOSED) {
        if (entry && route_begin(&routing, waiting->job->router, waiting->job) == 0) {
            copy_to_others(&routing, &waiting->others, entry);
            route_end(&routing);
        }
        job_release(waiting->job);
    }
    mem_free(waiting);
}

static void wait_for_account(struct routing *routing, const struct others *others)
{
    size_t length = others->account.len + others->to.len;
    struct waiting *waiting = mem_calloc(1, sizeof(*waiting) + length);

    memcpy(waiting->text, others->account.data, others->account.len);
    if (others->to.len > 0)
        memcpy(waiting->text + others->account.len, others->to.data, others->to.len);
    waiting->others = *others;
    waiting->others.account = span_of(waiting->text, others->account.len);
    waiting->others.to = span_of(waiting->text + others->account.len, others->to.len);
    waiting->job = routing->job;
    waiting->waiter.fn = account_known;
    waiting->waiter.arg = waiting;
    if (route_cache_wait(routing->router->cache, waiting->others.account, ROUTE_SESSIONS,
                         &waiting->waiter) == 0)
        job_hold(routing->job);
    else
        mem_free(waiting);
}

static void copy_for(struct routing *routing, const struct others *others)
{
    const struct route_entry *entry =
        route_cache_get(routing->router->cache, others->account, ROUTE_SESSIONS);

    if (entry)
        copy_to_others(routing, others, entry);
    else
        wait_for_account(routing, others);
}

/* Between resources of one account the recipient's copies are all there is to see. */
void carbons_sent(struct routing *routing, const struct target *target)
{
    const struct others others = {
        .element = "sent",
        .account = jid_bare(routing->stanza.from),
        .to = target->jid,
        .without_sid = routing->job->origin_sid,
    };

    if (routing->job->source == SOURCE_CLIENT && carbons_is_eligible(&routing->stanza) &&
        !span_is_empty(target->jid) && !span_eq(jid_bare(target->jid), others.account))
        copy_for(routing, &others);
}

void carbons_answered(struct routing *answering, uint64_t asker_sid)
{
    const struct others others = {
        .element = "received",
        .account = jid_bare(answering->stanza.to),
        .without_sid = asker_sid,
    };

    copy_for(answering, &others);
}

/* ---- received ---- */

void carbons_received(struct routing *routing, const struct target *target)
{
    struct copying copying = {
        .routing = routing, .element = "received", .account = target->account};
    struct route_session *chosen;
    uint32_t count = 0;

    if (routing->job->source != SOURCE_CLIENT || !target->entry ||
        !carbons_is_eligible(&routing->stanza) || is_from_room(&routing->stanza))
        return;
    chosen = arena_calloc(routing->arena, target->entry->count + 1, sizeof(*chosen));
    for (uint32_t i = 0; i < target->entry->count; i++) {
        const struct route_session *session = &target->entry->sessions[i];

        if (!wants_copies(session) || session->sid == routing->job->origin_sid ||
            !route_is_usable(target, session) || parcel_is_for(routing, session))
            continue;
        chosen[count] = *session;
        chosen[count].resource = arena_copy(routing->arena, session->resource);
        count++;
    }
    for (uint32_t i = 0; i < count; i++)
        copy_to(&copying, target->jid, &chosen[i]);
}
