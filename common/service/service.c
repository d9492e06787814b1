/* Requests of a daemon that owns stanzas: from `handle` item to settled answer. */
#include "service/service.h"

#include "base/assert.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rand.h"
#include "jid/jid.h"
#include "loop/timer.h"
#include "metric/metric.h"
#include "service/clear_internal.h"

#define RETRY_MS 20 /* a full backlog is tried again after this */

struct service {
    struct service_options options;
    struct list_node requests; /* struct work.node */
    struct list_node clears;   /* struct clearing.node */
    size_t request_count;
    struct list_node sending; /* struct outgoing.node: with the bus, not settled */
    struct list_node backlog; /* struct outgoing.node: what the bus had no room for */
    struct loop_timer retry;
    struct buf stanza; /* encoding of what is being sent */
    uint64_t origin_sid;
    uint64_t origin_n;
};

/* A request and what it takes to settle its item. */
struct work {
    struct service_request pub;
    struct list_node node;
    struct bus_peer *peer; /* NULL: gone, there is nobody to settle with */
    uint64_t token;
    uint32_t unsent; /* forwards no router has taken yet */
    bool is_answered;
    bool is_elsewhere; /* some took another way than the one back to the router that asked */
};

/* A forward on its way to a router. */
struct outgoing {
    struct list_node node;
    struct service *service;
    struct work *work;
    service_sent_fn *sent;
    void *arg;
    uint64_t hash;
    struct wire_msg *msg; /* while in the backlog: a copy in `held` */
    struct arena held;
};

/* ---- life of a request ---- */

static void work_free(struct work *work)
{
    list_remove(&work->node);
    work->pub.service->request_count--;
    arena_deinit(&work->pub.arena);
    mem_free(work);
}

/* The item is settled when it was answered and the answers are with a router. */
static void work_check(struct work *work)
{
    if (!work->is_answered || work->unsent > 0)
        return;
    if (work->peer)
        bus_settle(work->peer, work->token);
    work_free(work);
}

static void send_dealt(const struct service_request *request);

static void work_end(struct service_request *request)
{
    struct work *work = CONTAINER_OF(request, struct work, pub);

    ASSERT(!work->is_answered);
    work->is_answered = true;
    if (work->unsent > 0 && !work->is_elsewhere && !request->inbound)
        send_dealt(request);
    work_check(work);
}

static struct work *work_new(struct service *service, struct bus_peer *peer, uint64_t token)
{
    struct work *work = mem_calloc(1, sizeof(*work));

    work->pub.service = service;
    work->peer = peer;
    work->token = token;
    list_add_tail(&service->requests, &work->node);
    service->request_count++;
    return work;
}

/* ---- dispatch ---- */

static unsigned iq_bit(enum stanza_type type)
{
    return type == STANZA_GET ? SERVICE_GET : type == STANZA_SET ? SERVICE_SET : 0;
}

/* Which scope of a handler this request falls under, as bits of which one suffices. */
static unsigned request_scope(const struct service_request *request)
{
    if (!span_is_empty(request->stanza.to) && span_is_empty(jid_node(request->stanza.to)))
        return SERVICE_SERVER;
    if (!span_is_empty(jid_resource(request->stanza.to)))
        return SERVICE_FULL;
    return request->is_own ? SERVICE_ACCOUNT | SERVICE_OWN : SERVICE_ACCOUNT;
}

/* The handler of an iq, or NULL and the condition of the error to answer. */
static const struct service_handler *find_handler(const struct service_table *table,
                                                  const struct service_request *request,
                                                  const char **condition_out)
{
    unsigned scope = request_scope(request);
    bool is_forbidden = false;

    *condition_out = "service-unavailable";
    for (size_t i = 0; i < table->handler_count; i++) {
        const struct service_handler *handler = &table->handlers[i];

        if (!span_is(request->child->ns, handler->ns))
            continue;
        if (handler->element && !span_is(request->child->name, handler->element)) {
            if (!is_forbidden)
                *condition_out = "bad-request";
            continue;
        }
        if (!(handler->types & iq_bit(request->stanza.type)))
            continue;
        if (handler->scopes & scope)
            return handler;
        is_forbidden |= (handler->scopes & SERVICE_OWN) && scope == SERVICE_ACCOUNT;
        if (is_forbidden)
            *condition_out = "forbidden";
    }
    return NULL;
}

static void dispatch_iq(struct service *service, struct service_request *request)
{
    const struct service_handler *handler;
    const char *condition;

    if (iq_bit(request->stanza.type) == 0 || request->stanza.child_count == 0) {
        service_finish(request);
        return;
    }
    request->child = &request->stanza.children[0];
    handler = find_handler(service->options.table, request, &condition);
    if (handler)
        handler->handle(service->options.ctx, request);
    else
        service_reply_error(request, condition, NULL);
}

static void dispatch(struct service *service, struct service_request *request)
{
    metric_inc(METRIC_service_requests);
    if (request->stanza.kind == STANZA_IQ)
        dispatch_iq(service, request);
    else if (request->stanza.kind == STANZA_PRESENCE && service->options.table->presence)
        service->options.table->presence(service->options.ctx, request);
    else
        service_reply_error(request, "service-unavailable", NULL);
}

static void request_fill(struct service_request *request, const struct wire_handle *item)
{
    const struct stanza *stanza = &request->stanza;

    request->origin_sid = item->origin_sid;
    request->origin_n = item->origin_n;
    request->inbound = (item->flags & WIRE_HANDLE_INBOUND) != 0;
    request->from_bare = jid_bare(stanza->from);
    request->account = request->inbound ? jid_bare(stanza->to) : request->from_bare;
    request->is_own = span_eq(request->account, request->from_bare);
}

bool service_item(struct service *service, struct bus_peer *peer, uint64_t token,
                  const struct wire_msg *msg)
{
    struct service_request *request;
    struct span bytes;

    if (msg->id == WIRE_ID_clear_account && service->options.table->clear) {
        clear_item(&service->options, &service->clears,
                   &(struct clear_item){peer, token, msg->u.clear_account.account});
        return true;
    }
    if (msg->id != WIRE_ID_handle)
        return false;
    request = &work_new(service, peer, token)->pub;
    bytes = arena_copy(&request->arena, msg->u.handle.stanza);
    if (stanza_decode(bytes, &request->arena, &request->stanza) != 0 ||
        span_is_empty(request->stanza.from)) {
        LOG_ERROR("bad-handle-item", "bytes=%zu router=%s", bytes.len, bus_peer_instance(peer));
        service_finish(request);
        return true;
    }
    request_fill(request, &msg->u.handle);
    dispatch(service, request);
    return true;
}

/* ---- sending ---- */

static void outgoing_free(struct outgoing *out)
{
    list_remove(&out->node);
    arena_deinit(&out->held);
    mem_free(out);
}

static void outgoing_settled(void *arg, enum bus_outcome outcome)
{
    struct outgoing *out = arg;

    (void)outcome; /* bus_send goes on until a router has it */
    if (out->sent)
        out->sent(out->arg);
    if (out->work) {
        out->work->unsent--;
        work_check(out->work);
    }
    outgoing_free(out);
}

static int outgoing_try(struct outgoing *out, const struct wire_msg *msg)
{
    return bus_send(out->service->options.bus, "router", out->hash, msg, outgoing_settled, out);
}

static void hold_forward(struct arena *held, struct wire_forward *forward)
{
    uint32_t count = forward->recipients.count;
    struct span *recipients = arena_calloc(held, count + 1, sizeof(struct span));

    for (uint32_t i = 0; i < count; i++)
        recipients[i] = arena_copy(held, forward->recipients.items[i]);
    forward->recipients.items = recipients;
    forward->stanza = arena_copy(held, forward->stanza);
}

/* The bus has no room: keep a copy of everything and try again from the timer. */
static void outgoing_keep(struct outgoing *out, const struct wire_msg *msg)
{
    out->msg = arena_alloc(&out->held, sizeof(*out->msg));
    *out->msg = *msg;
    if (msg->id == WIRE_ID_forward)
        hold_forward(&out->held, &out->msg->u.forward);
    list_add_tail(&out->service->backlog, &out->node);
    if (!loop_timer_is_active(&out->service->retry))
        loop_timer_start(&out->service->retry, RETRY_MS, 0);
    metric_inc(METRIC_service_backlog);
}

static void outgoing_send(struct outgoing *out, const struct wire_msg *msg)
{
    if (list_is_empty(&out->service->backlog) && outgoing_try(out, msg) == 0)
        list_add_tail(&out->service->sending, &out->node);
    else
        outgoing_keep(out, msg);
}

static void retry_backlog(void *arg)
{
    struct service *service = arg;
    struct list_node *node;

    while ((node = list_first(&service->backlog)) != NULL) {
        struct outgoing *out = CONTAINER_OF(node, struct outgoing, node);

        if (outgoing_try(out, out->msg) != 0) {
            loop_timer_start(&service->retry, RETRY_MS, 0);
            return;
        }
        list_remove(node);
        list_add_tail(&service->sending, node);
        arena_deinit(&out->held);
    }
}

static void send_forward(struct service *service, const struct service_forward *forward,
                         const struct stanza *stanza)
{
    struct wire_msg msg = {.id = WIRE_ID_forward};
    struct outgoing *out = mem_calloc(1, sizeof(*out));

    out->service = service;
    out->sent = forward->sent;
    out->arg = forward->arg;
    out->hash =
        hash_span(span_is_empty(forward->via) ? jid_bare(stanza->from) : jid_bare(forward->via));
    if (forward->request) {
        out->work = CONTAINER_OF(forward->request, struct work, pub);
        out->work->unsent++;
        out->work->is_elsewhere |= out->hash != hash_span(forward->request->from_bare);
    }
    buf_reset(&service->stanza);
    stanza_encode(stanza, &service->stanza);
    msg.u.forward = (struct wire_forward){
        .origin_sid = forward->origin_sid ? forward->origin_sid : service->origin_sid,
        .origin_n = forward->origin_sid ? forward->origin_n : ++service->origin_n,
        .flags = (forward->inbound ? WIRE_FORWARD_INBOUND : 0) |
                 (forward->vouched ? WIRE_FORWARD_VOUCHED : 0) |
                 (forward->stored ? WIRE_FORWARD_STORED : 0),
        .recipients = {forward->recipients, (uint32_t)forward->recipient_count},
        .stanza = buf_span(&service->stanza),
        .came_sid = forward->came_sid,
    };
    outgoing_send(out, &msg);
}

/* Behind all that was sent for the request, on the same way. */
static void send_dealt(const struct service_request *request)
{
    struct wire_msg msg = {.id = WIRE_ID_dealt};
    struct outgoing *out = mem_calloc(1, sizeof(*out));

    out->service = request->service;
    out->hash = hash_span(request->from_bare);
    msg.u.dealt = (struct wire_dealt){request->origin_sid, request->origin_n};
    outgoing_send(out, &msg);
}

void service_forward(struct service *service, const struct service_forward *forward)
{
    struct stanza named = *forward->stanza;

    /* What had no `to` was for the sender's account: so is the answer's `from`. */
    if (span_is_empty(named.from) && forward->request)
        named.from = forward->request->account;
    ASSERT(!span_is_empty(named.from));
    send_forward(service, forward, &named);
}

/* ---- answers ---- */

void service_reply(struct service_request *request, const struct stanza *reply)
{
    struct service_forward forward = {.stanza = reply, .request = request};

    service_forward(request->service, &forward);
    work_end(request);
}

void service_reply_result(struct service_request *request, struct span payload)
{
    struct stanza reply;

    stanza_make_result(&request->stanza, payload, &request->arena, &reply);
    service_reply(request, &reply);
}

void service_reply_error(struct service_request *request, const char *condition, const char *text)
{
    struct stanza reply;

    if (!stanza_may_bounce(&request->stanza)) {
        service_finish(request);
        return;
    }
    stanza_make_error(&request->stanza, condition, text, &request->arena, &reply);
    service_reply(request, &reply);
}

void service_vouch(struct service_request *request)
{
    struct service_forward forward = {
        .stanza = &request->stanza, .via = request->account, .vouched = true, .request = request};

    service_forward(request->service, &forward);
    work_end(request);
}

void service_pass(struct service_request *request)
{
    struct service_forward forward = {
        .stanza = &request->stanza, .via = request->account, .request = request};

    service_forward(request->service, &forward);
    work_end(request);
}

void service_finish(struct service_request *request)
{
    work_end(request);
}

/* ---- the service ---- */

struct service *service_new(const struct service_options *options)
{
    struct service *service = mem_calloc(1, sizeof(*service));

    service->options = *options;
    list_init(&service->requests);
    list_init(&service->clears);
    list_init(&service->sending);
    list_init(&service->backlog);
    loop_timer_init(&service->retry, options->loop, retry_backlog, service);
    service->origin_sid = rand_u64();
    return service;
}

void service_free(struct service *service)
{
    if (!service)
        return;
    loop_timer_stop(&service->retry);
    LIST_FOREACH_SAFE(node, &service->sending)
    outgoing_free(CONTAINER_OF(node, struct outgoing, node));
    LIST_FOREACH_SAFE(node, &service->backlog)
    outgoing_free(CONTAINER_OF(node, struct outgoing, node));
    LIST_FOREACH_SAFE(node, &service->requests)
    work_free(CONTAINER_OF(node, struct work, node));
    clear_free(&service->clears);
    buf_deinit(&service->stanza);
    mem_free(service);
}

void service_peer_down(struct service *service, struct bus_peer *peer)
{
    LIST_FOREACH(node, &service->requests)
    {
        struct work *work = CONTAINER_OF(node, struct work, node);

        if (work->peer == peer)
            work->peer = NULL;
    }
    clear_peer_down(&service->clears, peer);
}

size_t service_pending(const struct service *service)
{
    return service->request_count;
}
