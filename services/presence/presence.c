/* The daemon: what it answers, its life, and where each presence stanza goes. */
#include "presence.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "jid/jid.h"
#include "roster_store.h"
#include "xml/ns.h"

/* ---- what is answered ---- */
static const struct service_handler handlers[] = {
    {NS_ROSTER, "query", SERVICE_GET, SERVICE_OWN, NS_ROSTER, roster_get},
    {NS_ROSTER, "query", SERVICE_SET, SERVICE_OWN, NULL, roster_set},
    {NS_LAST, "query", SERVICE_GET, SERVICE_ACCOUNT, NS_LAST, xep0012_last},
    {NS_LAST, NULL, SERVICE_GET | SERVICE_SET, SERVICE_FULL, NULL, xep0012_resource},
    {NS_DISCO_INFO, "query", SERVICE_GET, SERVICE_ACCOUNT, NULL, xep0030_account},
    {NS_BLOCKING, "blocklist", SERVICE_GET, SERVICE_OWN, NULL, xep0191_get},
    {NS_BLOCKING, "block", SERVICE_SET, SERVICE_OWN, NULL, xep0191_set},
    {NS_BLOCKING, "unblock", SERVICE_SET, SERVICE_OWN, NULL, xep0191_set},
};

/* XEP-0191 section 3.1: the server is asked for it, though accounts answer. */
static const struct service_feature features[] = {
    {.feature = NS_BLOCKING, .scopes = SERVICE_SERVER},
    {.feature = NS_CAPS_OPTIMIZE, .scopes = SERVICE_SERVER},
};

const struct service_table presence_table = {
    .handlers = handlers,
    .handler_count = sizeof(handlers) / sizeof(handlers[0]),
    .features = features,
    .feature_count = sizeof(features) / sizeof(features[0]),
    .presence = presence_stanza,
    .clear = removal_clear,
};

/* Presence by type: what the account's client sends without and with `to`, what comes for it. */
static const struct {
    service_handler_fn *broadcast;
    service_handler_fn *to;
    service_handler_fn *inbound;
} stanzas[STANZA_TYPE_COUNT] = {
    [STANZA_AVAILABLE] = {available_out, directed_out, NULL},
    [STANZA_UNAVAILABLE] = {unavailable_out, directed_out, NULL},
    [STANZA_ERROR] = {NULL, directed_out, NULL},
    [STANZA_SUBSCRIBE] = {NULL, subscription_out, subscription_in},
    [STANZA_SUBSCRIBED] = {NULL, subscription_out, subscription_in},
    [STANZA_UNSUBSCRIBE] = {NULL, subscription_out, subscription_in},
    [STANZA_UNSUBSCRIBED] = {NULL, subscription_out, subscription_in},
    [STANZA_PROBE] = {NULL, probe_out, probe_in},
};

void presence_stanza(void *ctx, struct service_request *request)
{
    ASSERT(request->stanza.type < STANZA_TYPE_COUNT);
    service_handler_fn *handle = request->inbound ? stanzas[request->stanza.type].inbound
                                 : span_is_empty(request->stanza.to)
                                     ? stanzas[request->stanza.type].broadcast
                                     : stanzas[request->stanza.type].to;
    if (!handle || span_is_empty(request->account)) {
        service_finish(request);
        return;
    }
    handle(ctx, request);
}

bool presence_is_local(const struct presence *presence, struct span jid)
{
    const struct span *domains = NULL;
    size_t count = conf_list(presence->daemon->conf, CONF_cluster_domains, &domains);
    struct span domain = jid_domain(jid);
    for (size_t i = 0; i < count; i++) {
        if (span_eq(domains[i], domain)) {
            return true;
        }
    }
    return false;
}

/* ---- life ---- */
size_t presence_announce(struct arena *arena, const struct span **lines_out)
{
    return service_announce(&presence_table, arena, lines_out);
}

void presence_reload(void *ctx)
{
    struct presence *presence = ctx;
    const struct conf *conf = presence->daemon->conf;
    presence->limits = (struct presence_limits){
        .max_items = (uint32_t)conf_u64(conf, CONF_presence_max_items),
        .max_groups = (uint32_t)conf_u64(conf, CONF_presence_max_groups),
        .max_name = (uint32_t)conf_u64(conf, CONF_presence_max_name),
        .max_requests = (uint32_t)conf_u64(conf, CONF_presence_max_requests),
        .max_blocked = (uint32_t)conf_u64(conf, CONF_presence_max_blocked),
        .max_request = (uint32_t)conf_u64(conf, CONF_presence_max_request),
        .retry_for_ms = (uint32_t)conf_u64(conf, CONF_presence_retry_for),
    };
}

static int open_stores(struct presence *presence)
{
    char error[256];
    const struct daemon *d = presence->daemon;
    struct sql_options options = {
        .loop = d->loop,
        .url = conf_str(d->conf, CONF_sql_url),
        .name = "presence",
        .migrations = roster_migrations,
        .migration_count = roster_migration_count,
        .workers = (uint32_t)conf_u64(d->conf, CONF_presence_sql_workers),
    };
    presence->redis = redis_new(d->loop, conf_str(d->conf, CONF_redis_url), error, sizeof(error));
    if (!presence->redis) {
        LOG_ERROR("bad_address", "option=redis.url reason=%s", error);
        return -1;
    }
    presence->sql = sql_new(&options, error, sizeof(error));
    if (!presence->sql) {
        LOG_ERROR("bad_address", "option=sql.url reason=%s", error);
        return -1;
    }
    return 0;
}

int presence_open(struct daemon *d, void **ctx_out)
{
    struct presence *presence = mem_calloc(1, sizeof(*presence));
    struct service_options options = {
        .loop = d->loop, .bus = d->bus, .table = &presence_table, .ctx = presence};
    presence->daemon = d;
    map_init(&presence->accounts);
    map_init(&presence->clears);
    presence->service = service_new(&options);
    presence_reload(presence);
    if (open_stores(presence) != 0) {
        presence_close(presence);
        return -1;
    }
    *ctx_out = presence;
    return 0;
}

bool presence_is_ready(void *ctx, struct buf *why)
{
    const struct presence *presence = ctx;
    if (!redis_is_up(presence->redis)) {
        buf_append_cstr(why, "redis is away");
    } else if (!sql_is_ready(presence->sql)) {
        buf_append_cstr(why, "the database is away");
    } else if (!bus_has_peer(presence->daemon->bus, "router")) {
        buf_append_cstr(why, "no router");
    } else {
        return true;
    }
    return false;
}

void presence_drain(void *ctx, daemon_done_fn *done, void *arg)
{
    struct presence *presence = ctx;
    if (presence->jobs == 0) {
        done(arg);
        return;
    }
    presence->drained = done;
    presence->drained_arg = arg;
}

/* Answers of Redis come from within redis_free, those of SQL never after sql_free; then nothing
 * holds a job any more. */
void presence_close(void *ctx)
{
    struct presence *presence = ctx;
    presence->drained = NULL;
    redis_free(presence->redis);
    sql_free(presence->sql);
    job_free_all(presence);
    map_deinit(&presence->clears);
    service_free(presence->service);
    mem_free(presence);
}

/* ---- the bus ---- */
void presence_item(void *ctx, struct bus_peer *peer, uint64_t token, const struct wire_msg *msg)
{
    struct presence *presence = ctx;
    if (!service_item(presence->service, peer, token, msg)) {
        LOG_WARN("unexpected_item", "name=%s", wire_name(msg->id));
        bus_settle(peer, token);
    }
}

void presence_peer_down(void *ctx, struct bus_peer *peer)
{
    struct presence *presence = ctx;
    service_peer_down(presence->service, peer);
}

void presence_notice(void *ctx, const struct wire_msg *msg)
{
    if (msg->id == WIRE_ID_account_removed) {
        removal_start(ctx, msg->u.account_removed.account);
    }
}
