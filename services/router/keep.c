/* Handing messages to the archive daemon, and stamping them (XEP-0359). */
#include "keep.h"

#include "answer.h"
#include "base/codec.h"
#include "base/hash.h"
#include "base/log.h"
#include "jid/jid.h"
#include "metric/metric.h"
#include "parcel.h"
#include "services.h"
#include "xep0359_stanza_id.h"

/* ---- handing over ---- */

static void on_kept(void *arg, enum bus_outcome outcome)
{
    (void)outcome; /* bus_send goes on until a daemon has it */
    job_release(arg);
}

/* -1: there is no room. */
static int send(struct job *job, struct span account, const struct wire_msg *msg)
{
    const struct owner *keeper = services_keeper(job->router->services);

    if (bus_send(job->router->bus, keeper->kind, hash_span(account), msg, on_kept, job) != 0)
        return -1;
    job_hold(job);
    metric_inc(METRIC_router_kept);
    return 0;
}

static int send_keep(struct job *job, const struct stanza_id *id, uint32_t flags,
                     struct span stanza)
{
    struct wire_msg msg = {.id = WIRE_ID_keep};

    msg.u.keep = (struct wire_keep){
        .origin_sid = job->origin_sid,
        .origin_n = job->origin_n,
        .flags = flags,
        .account = id->by,
        .uid = {(const char *)id->bytes, sizeof(id->bytes)},
        .stanza = stanza,
    };
    router_note(job, "given to archive", id->by);
    return send(job, id->by, &msg);
}

void keep_came(struct routing *routing, uint64_t sid)
{
    struct span account = jid_bare(routing->stanza.from);
    struct wire_msg msg = {.id = WIRE_ID_came};

    if (!services_keeper(routing->router->services))
        return;
    msg.u.came = (struct wire_came){.account = account, .sid = sid};
    if (send(routing->job, account, &msg) != 0)
        LOG_WARN("archive-not-told", "account=%.*s", SPAN_ARG(account));
}

/* ---- the archives of both sides ---- */

static bool is_local(const struct router *router, struct span account)
{
    return !span_is_empty(jid_node(account)) && router_is_own_domain(router, jid_domain(account));
}

/* What cannot be handed over is delivered all the same. */
static void archive(struct routing *routing, const struct stanza_id *id, uint32_t flags,
                    struct span stanza)
{
    if (send_keep(routing->job, id, flags | WIRE_KEEP_ARCHIVE, stanza) == 0)
        return;
    metric_inc(METRIC_router_unkept);
    LOG_WARN("not-archived", "account=%.*s origin=%016llx-%llu", SPAN_ARG(id->by),
             (unsigned long long)routing->job->origin_sid,
             (unsigned long long)routing->job->origin_n);
}

/* The sender's own copy, unless he writes to himself: then the recipient's is it. */
static void archive_sent(struct routing *routing, struct span recipient)
{
    struct span account = jid_bare(routing->stanza.from);
    struct stanza_id id;

    if (span_eq(account, recipient) || !is_local(routing->router, account))
        return;
    stanza_id_make(routing->job->origin_sid, routing->job->origin_n, account, &id);
    archive(routing, &id, WIRE_KEEP_SENT, routing->job->stanza);
}

/* Only what comes from a client, and once. */
static bool is_archived(const struct routing *routing)
{
    return routing->job->source == SOURCE_CLIENT && !routing->job->is_kept &&
           services_is_archived(routing->router->services) && keep_in_archive(&routing->stanza);
}

static struct span encode(struct routing *routing, const struct stanza *stanza)
{
    struct buf *encoded = &routing->router->encoded;

    buf_reset(encoded);
    stanza_encode(stanza, encoded);
    return arena_copy(routing->arena, buf_span(encoded));
}

/* ---- delivered now ---- */

/* A job of its own for what differs from the one that came. */
static struct routing *replace(struct routing *routing, const struct stanza *stanza,
                               struct routing *own)
{
    struct job *job = routing->job;

    *own = *routing;
    own->stanza = *stanza;
    own->drafts = NULL;
    own->job = job_new(routing->router, &(struct job_options){.parent = job,
                                                              .origin_sid = job->origin_sid,
                                                              .origin_n = job->origin_n,
                                                              .source = job->source,
                                                              .stanza = encode(routing, stanza)});
    own->job->is_kept = true;
    routing->router->depth++;
    return own;
}

struct routing *keep_live(struct routing *routing, const struct target *target, struct routing *own)
{
    struct stanza stanza = routing->stanza;
    bool is_changed;
    struct stanza_id id;

    if (routing->job->source != SOURCE_CLIENT || routing->job->is_kept ||
        routing->stanza.kind != STANZA_MESSAGE)
        return routing;
    if (keep_in_archive(&stanza) && await_hold(routing->router, routing->job))
        return NULL;
    is_changed = stanza_id_strip(&stanza, target->account, routing->arena);
    if (is_archived(routing)) {
        stanza_id_make(routing->job->origin_sid, routing->job->origin_n, target->account, &id);
        archive(routing, &id, 0, is_changed ? encode(routing, &stanza) : routing->job->stanza);
        archive_sent(routing, target->account);
        routing->job->is_kept = true;
        stanza_id_add(&stanza, &id, routing->arena);
        is_changed = true;
    }
    return is_changed ? replace(routing, &stanza, own) : routing;
}

void keep_end(struct routing *routing, struct routing *filled)
{
    if (filled == routing)
        return;
    route_end(filled);
    job_release(filled->job);
}

/* ---- delivered later ---- */

bool keep_asks_existence(const struct routing *routing, const struct target *target)
{
    return services_keeper(routing->router->services) &&
           keep_offline(&routing->stanza) == KEEP_STORE &&
           !route_cache_is_sure(routing->router->cache, target->entry);
}

/* A stamp that is on it already came from here, unless it is a client's and new. */
static void store(struct routing *routing, const struct target *target)
{
    struct job *job = routing->job;
    struct stanza stanza = routing->stanza;
    bool is_fresh = job->source == SOURCE_CLIENT && !job->is_kept;
    bool was_stamped = stanza_id_strip(&stanza, target->account, routing->arena);
    uint32_t flags = WIRE_KEEP_OFFLINE | (job->source == SOURCE_CLIENT ? 0 : WIRE_KEEP_AGAIN);
    struct stanza_id id;

    stanza_id_make(job->origin_sid, job->origin_n, target->account, &id);
    if (is_archived(routing))
        flags |= WIRE_KEEP_ARCHIVE | WIRE_KEEP_STAMPED;
    else if (was_stamped && !is_fresh)
        flags |= WIRE_KEEP_STAMPED;
    if (send_keep(job, &id, flags, was_stamped ? encode(routing, &stanza) : job->stanza) != 0)
        answer_error(routing, target, "resource-constraint");
    else if (flags & WIRE_KEEP_ARCHIVE)
        archive_sent(routing, target->account);
}

static void refuse(struct routing *routing, struct target *target)
{
    answer_error(routing, target, "service-unavailable");
}

static void drop(struct routing *routing, struct target *target)
{
    (void)target;
    metric_inc(METRIC_router_ignored);
    LOG_DEBUG("ignored", "origin=%016llx-%llu", (unsigned long long)routing->job->origin_sid,
              (unsigned long long)routing->job->origin_n);
}

/* While daemons are still saying hello it may be too early to tell that nobody keeps messages. */
void keep_store(struct routing *routing, struct target *target)
{
    struct router *router = routing->router;
    enum keep_offline keep = keep_offline(&routing->stanza);

    if (!services_keeper(router->services)) {
        if (routing->job->source == SOURCE_CLIENT && await_hold(router, routing->job))
            return;
        if (router->is_early && routing->job->source == SOURCE_CLIENT && !routing->job->is_kept)
            router_keep_early(router, routing->job);
        else
            refuse(routing, target);
    } else if (keep == KEEP_STORE) {
        store(routing, target);
    } else if (keep == KEEP_DROP) {
        drop(routing, target);
    } else {
        refuse(routing, target);
    }
}
