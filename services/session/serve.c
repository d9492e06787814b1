/* From the bus to the session's calls and handlers, and back. */
#include "serve.h"

#include "base/log.h"
#include "base/mem.h"
#include "keeper.h"
#include "loop/task.h"
#include "loop/timer.h"
#include "service/service.h"
#include "session.h"
#include "xep0077_register.h"
#include "xep0280_carbons.h"
#include "xml/ns.h"

#define DRAIN_LOOK_MS 20

struct serve {
    struct daemon *daemon;
    struct session *session;
    struct service *service;
    struct loop_timer drain_timer;
    struct list_node tellings;
    daemon_done_fn *drained;
    void *drained_arg;
};

static const struct service_handler handlers[] = {
    {NS_REGISTER, "query", SERVICE_GET | SERVICE_SET, SERVICE_SERVER | SERVICE_OWN, NS_REGISTER,
     xep0077_register},
    {NS_CARBONS, "enable", SERVICE_SET, SERVICE_OWN, NULL, xep0280_enable},
    {NS_CARBONS, "disable", SERVICE_SET, SERVICE_OWN, NULL, xep0280_disable},
};

static const struct service_feature features[] = {
    {.feature = NS_CARBONS, .scopes = SERVICE_SERVER},
};

static const struct service_table table = {
    .handlers = handlers,
    .handler_count = sizeof(handlers) / sizeof(handlers[0]),
    .features = features,
    .feature_count = sizeof(features) / sizeof(features[0]),
};

size_t serve_announce(struct arena *arena, const struct span **lines_out)
{
    return service_announce(&table, arena, lines_out);
}

/* ---- what leaves unasked ---- */

static int send_item(void *ctx, uint64_t hash, const struct wire_msg *msg, bus_settled_fn *settled,
                     void *arg)
{
    struct serve *serve = ctx;
    return bus_send(serve->daemon->bus, "router", hash, msg, settled, arg);
}

static void send_notice(void *ctx, const struct wire_msg *msg)
{
    struct serve *serve = ctx;
    bus_notice(serve->daemon->bus, msg);
}

/* An item on its way to every router. */
struct telling {
    struct list_node node;      /* in serve->tellings */
    const struct wire_msg *msg; /* while it is sent */
    void (*done)(void *arg);
    void *arg;
    unsigned open;
    struct loop_task end;
};

static void telling_end(void *arg)
{
    struct telling *telling = arg;
    loop_task_cancel(&telling->end);
    list_remove(&telling->node);
    telling->done(telling->arg);
    mem_free(telling);
}

/* A router that is gone has forgotten everything, one whose backlog is full hears the notice. */
static void telling_settled(void *arg, enum bus_outcome outcome)
{
    struct telling *telling = arg;
    (void)outcome;
    if (--telling->open == 0)
        loop_task_schedule(&telling->end);
}

static void tell_router(void *arg, struct bus_peer *router)
{
    struct telling *telling = arg;
    if (bus_send_to(router, telling->msg, telling_settled, telling) == 0)
        telling->open++;
}

static void tell_routers(void *ctx, const struct wire_msg *msg, void (*done)(void *arg), void *arg)
{
    struct serve *serve = ctx;
    struct telling *telling = mem_calloc(1, sizeof(*telling));
    *telling = (struct telling){.msg = msg, .done = done, .arg = arg, .open = 1};
    list_add_tail(&serve->tellings, &telling->node);
    loop_task_init(&telling->end, serve->daemon->loop, telling_end, telling);
    bus_each_peer(serve->daemon->bus, "router", tell_router, telling);
    telling_settled(telling, BUS_SETTLED); /* this function's own */
}

static const struct session_out out = {send_item, send_notice, tell_routers};

/* ---- what comes in ---- */

static void on_reply(void *arg, const struct wire_msg *reply)
{
    bus_reply(arg, reply);
}

void serve_call(void *ctx, struct bus_call *call, const struct wire_msg *msg)
{
    struct serve *serve = ctx;
    session_call(serve->session, msg, on_reply, call);
}

void serve_item(void *ctx, struct bus_peer *peer, uint64_t token, const struct wire_msg *msg)
{
    struct serve *serve = ctx;
    if (!service_item(serve->service, peer, token, msg) &&
        !keeper_item(serve->session->keeper, peer, token, msg)) {
        LOG_WARN("unexpected_item", "name=%s from=%s", wire_name(msg->id), bus_peer_instance(peer));
        bus_settle(peer, token);
    }
}

void serve_peer_down(void *ctx, struct bus_peer *peer)
{
    struct serve *serve = ctx;
    service_peer_down(serve->service, peer);
    keeper_peer_down(serve->session->keeper, peer);
}

/* ---- life ---- */

static void look_drained(void *arg)
{
    struct serve *serve = arg;
    if (session_pending(serve->session) == 0 && service_pending(serve->service) == 0) {
        loop_timer_stop(&serve->drain_timer);
        serve->drained(serve->drained_arg);
    }
}

int serve_open(struct daemon *d, void **ctx_out)
{
    struct serve *serve = mem_calloc(1, sizeof(*serve));
    char error[256];
    struct session_options options = {
        .loop = d->loop,
        .conf = d->conf,
        .out = &out,
        .out_ctx = serve,
        .bus = d->bus,
        .instance = d->instance,
    };
    serve->daemon = d;
    list_init(&serve->tellings);
    serve->session = session_new(&options, error, sizeof(error));
    if (!serve->session) {
        LOG_ERROR("cannot_start", "reason=%s", error);
        mem_free(serve);
        return -1;
    }
    serve->service = service_new(&(struct service_options){
        .loop = d->loop, .bus = d->bus, .table = &table, .ctx = serve->session});
    loop_timer_init(&serve->drain_timer, d->loop, look_drained, serve);
    *ctx_out = serve;
    return 0;
}

bool serve_is_ready(void *ctx, struct buf *why)
{
    struct serve *serve = ctx;
    if (!bus_has_peer(serve->daemon->bus, "router")) {
        buf_append_cstr(why, "no router can be reached");
        return false;
    }
    return session_is_ready(serve->session, why);
}

void serve_reload(void *ctx)
{
    struct serve *serve = ctx;
    session_reload(serve->session, serve->daemon->conf);
}

/* Every call is short: what was asked is answered, then we go. */
void serve_drain(void *ctx, daemon_done_fn *done, void *arg)
{
    struct serve *serve = ctx;
    serve->drained = done;
    serve->drained_arg = arg;
    loop_timer_start(&serve->drain_timer, DRAIN_LOOK_MS, DRAIN_LOOK_MS);
}

void serve_close(void *ctx)
{
    struct serve *serve = ctx;
    loop_timer_stop(&serve->drain_timer);
    LIST_FOREACH_SAFE(node, &serve->tellings)
    {
        telling_end(CONTAINER_OF(node, struct telling, node));
    }
    session_free(serve->session);
    service_free(serve->service);
    mem_free(serve);
}
