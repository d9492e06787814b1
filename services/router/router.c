/* Items and notices in, jobs made of them; and the life of the router's state. */
#include "router.h"

#include "adopt.h"
#include "answer.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rand.h"
#include "caps.h"
#include "conf/conf.h"
#include "errand.h"
#include "holder.h"
#include "jid/jid.h"
#include "keep.h"
#include "lane.h"
#include "loop/loop.h"
#include "metric/metric.h"
#include "order.h"
#include "own.h"
#include "route.h"
#include "services.h"
#include "trace/trace.h"
#include "xep0203_delay.h"

#define SCRATCH_BYTES 65536u
#define EARLY_MS      10000 /* how long iqs nobody answers wait for services to say hello */

/* ---- items ---- */

void router_job_done(struct router *router)
{
    metric_set(METRIC_router_jobs, (int64_t)router->job_count);
    if (router->job_count == 0 && router->idle)
        loop_timer_start(&router->drain_timer, 0, 0);
}

void router_note(const struct job *job, const char *what, struct span detail)
{
    if (job->is_traced)
        trace_note(job->router->trace, (struct trace_id){job->origin_sid, job->origin_n}, what,
                   detail);
}

/* What a client asks the server itself keeps no order with what it sends to people. */
static bool is_ordered(const struct stanza *stanza)
{
    return stanza->kind != STANZA_IQ || span_is_empty(stanza->to) ||
           !span_is_empty(jid_node(stanza->to));
}

/* NULL: it was no stanza, and is settled. What a client may not say is taken off before the job has
 * its copy for good. */
static struct job *begin_client(struct router *router, struct job_options *options,
                                struct routing *routing)
{
    struct job *job = job_new(router, options);

    if (route_begin(routing, router, job) != 0) {
        job_release(job);
        return NULL;
    }
    if (!delay_drop_forged(router, &routing->stanza, routing->arena))
        return job;
    buf_reset(&router->encoded);
    stanza_encode(&routing->stanza, &router->encoded);
    route_end(routing);
    job_abandon(job);
    options->stanza = buf_span(&router->encoded);
    job = job_new(router, options);
    if (route_begin(routing, router, job) == 0)
        return job;
    job_release(job);
    return NULL;
}

static void item_route(struct router *router, struct job_options *options,
                       const struct wire_msg *msg)
{
    const struct wire_route *item = &msg->u.route;
    enum order_answer answer = ORDER_GO;
    struct routing routing;
    struct job *job;

    options->origin_sid = item->origin_sid;
    options->origin_n = item->origin_n;
    options->source = SOURCE_CLIENT;
    options->stanza = item->stanza;
    metric_inc(METRIC_router_routed);
    job = begin_client(router, options, &routing);
    if (!job)
        return;
    if (is_ordered(&routing.stanza))
        answer = order_admit(router->orders, job, action_owner(&routing));
    if (answer == ORDER_GO)
        route_to(&routing, routing.stanza.to, NULL, 0);
    else if (answer == ORDER_TOO_MANY)
        answer_error(&routing, &(struct target){.jid = routing.stanza.to}, "resource-constraint");
    route_end(&routing);
    if (answer != ORDER_WAIT)
        job_release(job);
}

/* A job that waited in its session's order goes on. */
static void resume_job(void *ctx, struct job *job)
{
    (void)ctx;
    route_job(job);
    job_release(job);
}

static enum rules_source source_of(uint32_t forward_flags)
{
    if (forward_flags & WIRE_FORWARD_INBOUND)
        return SOURCE_SERVICE_INBOUND;
    if (forward_flags & WIRE_FORWARD_STORED)
        return SOURCE_STORE;
    return forward_flags & WIRE_FORWARD_VOUCHED ? SOURCE_SERVICE_VOUCHED : SOURCE_SERVICE;
}

static void item_forward(struct router *router, struct job_options *options,
                         const struct wire_msg *msg)
{
    const struct wire_forward *item = &msg->u.forward;
    struct routing routing;
    struct job *job;

    options->origin_sid = item->origin_sid;
    options->origin_n = item->origin_n;
    options->source = source_of(item->flags);
    options->stanza = item->stanza;
    job = job_new(router, options);
    metric_inc(METRIC_router_forwarded);
    if (route_begin(&routing, router, job) == 0) {
        if (item->came_sid != 0)
            keep_came(&routing, item->came_sid);
        if (item->recipients.count == 0)
            route_to(&routing, routing.stanza.to, NULL, 0);
        for (uint32_t i = 0; i < item->recipients.count; i++)
            route_to(&routing, item->recipients.items[i], NULL, 0);
        route_end(&routing);
    }
    job_release(job);
}

/* Who misses a session may not know whose it is: a fan-out has no `to`. */
static struct span account_of(const struct router *router, const struct routing *routing,
                              uint64_t sid)
{
    struct span account = lane_account(router->lanes, sid);

    return span_is_empty(account) ? jid_bare(routing->stanza.to) : account;
}

/* Those of the sessions that are nowhere else, into `gone`; how many. */
static uint32_t find_missed(struct routing *routing, const struct wire_missed *item, uint64_t *gone)
{
    struct router *router = routing->router;
    struct span peer = span_cstr(bus_peer_instance(routing->job->spoke->peer));
    bool has_ended = (item->flags & WIRE_MISSED_ENDED) != 0;
    uint32_t count = 0;

    for (uint32_t i = 0; i < item->sids.count; i++) {
        uint64_t sid = item->sids.items[i];
        struct span account = account_of(router, routing, sid);

        if (has_ended || !route_missed(routing, account, sid, holder_get(router->holders, peer)))
            gone[count++] = sid;
    }
    return count;
}

/* To where the sessions are now; of those that have ended, presence is for nobody, and anything else
 * goes where its `to` says without them. */
static void item_missed(struct router *router, struct job_options *options,
                        const struct wire_msg *msg)
{
    const struct wire_missed *item = &msg->u.missed;
    struct routing routing;
    struct job *job;

    options->origin_sid = item->origin_sid;
    options->origin_n = item->origin_n;
    options->source = SOURCE_SERVICE;
    options->stanza = item->stanza;
    job = job_new(router, options);
    metric_add(METRIC_router_lost, item->sids.count);
    if (route_begin(&routing, router, job) == 0) {
        uint64_t *gone = arena_calloc(routing.arena, item->sids.count, sizeof(*gone));
        uint32_t count;

        /* Nobody refuses it on its second way. */
        job->is_answer = routing.stanza.type == STANZA_ERROR;
        count = find_missed(&routing, item, gone);

        if (count > 0)
            route_without(&routing, &(struct wire_u64s){gone, count});
        route_end(&routing);
    }
    job_release(job);
}

static void end_session_settled(void *arg, enum bus_outcome outcome)
{
    (void)outcome; /* a holder that is gone has no session to end */
    job_release(arg);
}

static void item_end_session(struct router *router, struct job_options *options,
                             const struct wire_msg *msg)
{
    struct bus_peer *holder = bus_find(router->bus, msg->u.end_session.holder);
    struct job *job = job_new(router, options);

    if (!holder || bus_send_to(holder, msg, end_session_settled, job) != 0)
        job_release(job);
}

static void item_forget_account(struct router *router, struct job_options *options,
                                const struct wire_msg *msg)
{
    block_changed(router, msg->u.forget_account.account);
    bus_settle(options->spoke->peer, options->token);
}

static void item_dealt(struct router *router, struct job_options *options,
                       const struct wire_msg *msg)
{
    order_dealt(router->orders, msg->u.dealt.origin_sid, msg->u.dealt.origin_n);
    bus_settle(options->spoke->peer, options->token);
}

/* ---- an account is about to be made ---- */

static void clearing_settled(void *arg, enum bus_outcome outcome)
{
    (void)outcome; /* bus_send goes on until a daemon has done it */
    job_release(arg);
}

static void clear_at(void *arg, const struct owner *owner)
{
    struct job *job = arg;
    struct wire_msg msg = {.id = WIRE_ID_clear_account, .u.clear_account.account = job->stanza};

    if (bus_send(job->router->bus, owner->kind, hash_span(job->stanza), &msg, clearing_settled,
                 job) == 0)
        job_hold(job);
    else
        LOG_WARN("account-not-cleared", "kind=%s account=%.*s", owner->kind, SPAN_ARG(job->stanza));
}

/* The job's stanza is the account's name. */
static void item_clear_account(struct router *router, struct job_options *options,
                               const struct wire_msg *msg)
{
    struct job *job;

    options->stanza = msg->u.clear_account.account;
    job = job_new(router, options);
    services_each_account_owner(router->services, clear_at, job);
    job_release(job);
}

typedef void item_fn(struct router *router, struct job_options *options,
                     const struct wire_msg *msg);

static const struct {
    enum wire_id id;
    item_fn *fn;
} items[] = {
    {WIRE_ID_route, item_route},
    {WIRE_ID_forward, item_forward},
    {WIRE_ID_missed, item_missed},
    {WIRE_ID_end_session, item_end_session},
    {WIRE_ID_dealt, item_dealt},
    {WIRE_ID_forget_account, item_forget_account},
    {WIRE_ID_clear_account, item_clear_account},
};

void router_item(void *ctx, struct bus_peer *peer, uint64_t token, const struct wire_msg *msg)
{
    struct router *router = ctx;
    struct job_options options = {.spoke = bus_peer_data(peer), .token = token};

    for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++) {
        if (items[i].id == msg->id) {
            items[i].fn(router, &options, msg);
            return;
        }
    }
    LOG_WARN("item-not-for-router", "name=%s peer=%s", wire_name(msg->id), bus_peer_instance(peer));
    bus_settle(peer, token);
}

/* ---- before the services have said hello ---- */

void router_keep_early(struct router *router, struct job *job)
{
    job_hold(job);
    list_add_tail(&router->early, &job->wait);
}

static void end_early(void *arg)
{
    struct router *router = arg;
    struct list_node *node;

    router->is_early = false;
    loop_timer_stop(&router->early_timer);
    while ((node = list_pop(&router->early)) != NULL)
        resume_job(router, CONTAINER_OF(node, struct job, wait));
}

/* ---- peers ---- */

void router_peer_up(void *ctx, struct bus_peer *peer)
{
    struct router *router = ctx;
    const struct span *lines;
    size_t count = bus_peer_announced(peer, &lines);

    bus_peer_set_data(peer, spoke_new(router, peer));
    services_up(router->services, bus_peer_kind(peer), lines, count);
    caps_touch(router->caps);
    holder_up(router->holders, peer);
    if (router->is_early && services_is_complete(router->services))
        end_early(router);
    await_check(router);
}

void router_peer_down(void *ctx, struct bus_peer *peer)
{
    struct router *router = ctx;
    struct spoke *spoke = bus_peer_data(peer);

    ASSERT(spoke);
    spoke->peer = NULL;
    spoke_unref(spoke);
    bus_peer_set_data(peer, NULL);
    services_down(router->services, bus_peer_kind(peer));
    caps_touch(router->caps);
    holder_down(router->holders, peer);
}

/* ---- notices ---- */

static void notice_session(struct router *router, const struct wire_msg *msg)
{
    route_cache_session(router->cache, &msg->u.session_changed);
}

static void notice_presence(struct router *router, const struct wire_msg *msg)
{
    route_cache_presence(router->cache, &msg->u.presence_changed);
}

static void notice_removed(struct router *router, const struct wire_msg *msg)
{
    route_cache_removed(router->cache, msg->u.account_removed.account);
}

static void notice_blocks(struct router *router, const struct wire_msg *msg)
{
    block_changed(router, msg->u.block_changed.account);
}

static const struct {
    enum wire_id id;
    void (*fn)(struct router *router, const struct wire_msg *msg);
} notices[] = {
    {WIRE_ID_session_changed, notice_session},
    {WIRE_ID_presence_changed, notice_presence},
    {WIRE_ID_account_removed, notice_removed},
    {WIRE_ID_block_changed, notice_blocks},
};

void router_notice(void *ctx, const struct wire_msg *msg)
{
    struct router *router = ctx;
    for (size_t i = 0; i < sizeof(notices) / sizeof(notices[0]); i++) {
        if (notices[i].id == msg->id)
            notices[i].fn(router, msg);
    }
}

void router_notice_gap(void *ctx)
{
    struct router *router = ctx;
    LOG_INFO("notice-gap", "accounts=%zu", route_cache_accounts(router->cache));
    metric_inc(METRIC_router_notice_gaps);
    route_cache_gap(router->cache);
    block_forget_all(router);
}

/* ---- configuration ---- */

static void configure_domains(struct router *router, const struct conf *conf)
{
    const struct span *names;
    size_t count = conf_list(conf, CONF_cluster_domains, &names);

    arena_reset(&router->domain_arena);
    router->domains = arena_calloc(&router->domain_arena, count, sizeof(struct span));
    router->domain_count = 0;
    for (size_t i = 0; i < count; i++) {
        struct span *domain = &router->domains[router->domain_count];

        if (jid_normalise_domain(names[i], &router->domain_arena, domain) == 0)
            router->domain_count++;
        else
            LOG_ERROR("bad-domain", "domain=%.*s", SPAN_ARG(names[i]));
    }
}

bool router_is_own_domain(const struct router *router, struct span domain)
{
    for (size_t i = 0; i < router->domain_count; i++) {
        if (span_eq(router->domains[i], domain))
            return true;
    }
    return false;
}

void router_configure(struct router *router, const struct conf *conf)
{
    router->conf = conf;
    configure_domains(router, conf);
    xep0157_check(router);
    caps_touch(router->caps);
    router->bare_to_all = conf_choice(conf, CONF_router_bare_messages) == 1;
    route_cache_set_limits(router->cache, conf_u64(conf, CONF_router_cache_accounts),
                           conf_u64(conf, CONF_router_max_waiting));
    holders_set_wait(router->holders, (uint32_t)conf_u64(conf, CONF_router_holder_wait));
    orders_set_limits(router->orders, (uint32_t)conf_u64(conf, CONF_router_order_wait),
                      (uint32_t)conf_u64(conf, CONF_router_session_waiting));
}

/* ---- life ---- */

struct router *router_new(const struct router_options *options)
{
    struct router *router = mem_calloc(1, sizeof(*router));
    struct orders_options orders = {.loop = options->loop, .resume = resume_job, .ctx = router};
    struct route_cache_options cache = {.loop = options->loop, .source = options->source};

    router->loop = options->loop;
    router->bus = options->bus;
    router->daemon = options->daemon;
    list_init(&router->jobs);
    list_init(&router->early);
    await_init(router);
    list_init(&router->spokes);
    loop_timer_init(&router->early_timer, router->loop, end_early, router);
    arena_init(&router->scratch, SCRATCH_BYTES);
    router->holders = cache.holders = holders_new(router->loop, 0);
    router->cache = route_cache_new(&cache);
    router->services = services_new(router->loop);
    router->orders = orders_new(&orders);
    router->errands = errands_new(router);
    router->adopts = adopts_new(router);
    router->lanes = lanes_new();
    router->caps = caps_new(router);
    router->origin_sid = rand_u64();
    router->started_ms = loop_now_ms(router->loop);
    router->is_early = true;
    loop_timer_start(&router->early_timer, EARLY_MS, 0);
    router_configure(router, options->conf);
    return router;
}

void router_free(struct router *router)
{
    struct list_node *node;

    if (!router)
        return;
    loop_timer_stop(&router->early_timer);
    await_deinit(router);
    router->idle = NULL;
    caps_free(router->caps);
    route_cache_free(router->cache);
    errands_free(router->errands);
    adopts_free(router->adopts);
    lanes_free(router->lanes);
    orders_free(router->orders);
    holders_free(router->holders);
    services_free(router->services);
    while ((node = list_first(&router->jobs)) != NULL)
        job_abandon(CONTAINER_OF(node, struct job, all));
    while ((node = list_first(&router->spokes)) != NULL)
        spoke_unref(CONTAINER_OF(node, struct spoke, all));
    arena_deinit(&router->scratch);
    arena_deinit(&router->domain_arena);
    buf_deinit(&router->encoded);
    mem_free(router);
}
