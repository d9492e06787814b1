/* The daemon: what it answers, and its life. */
#include "pubsub.h"

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "forget.h"
#include "store.h"
#include "xml/ns.h"

/* ---- what is answered ---- */
static const struct service_handler handlers[] = {
    {NS_PRIVATE, "query", SERVICE_GET, SERVICE_OWN, NS_PRIVATE, xep0049_get},
    {NS_PRIVATE, "query", SERVICE_SET, SERVICE_OWN, NULL, xep0049_set},
    {NS_VCARD, "vCard", SERVICE_GET, SERVICE_ACCOUNT, NS_VCARD, xep0054_get},
    {NS_VCARD, "vCard", SERVICE_SET, SERVICE_OWN, NULL, xep0054_set},
    {NS_VCARD, "vCard", SERVICE_GET, SERVICE_SERVER, NS_VCARD, xep0054_server},
};

/* Clients look for it at the server (XEP-0054's is there by its handler). */
static const struct service_feature features[] = {
    {.feature = NS_PRIVATE, .scopes = SERVICE_SERVER},
};

const struct service_table pubsub_table = {
    .handlers = handlers,
    .handler_count = sizeof(handlers) / sizeof(handlers[0]),
    .features = features,
    .feature_count = sizeof(features) / sizeof(features[0]),
    .clear = forget_clear,
};

/* ---- life ---- */
size_t pubsub_announce(struct arena *arena, const struct span **lines_out)
{
    return service_announce(&pubsub_table, arena, lines_out);
}

void pubsub_reload(void *ctx)
{
    struct pubsub *pubsub = ctx;
    const struct conf *conf = pubsub->daemon->conf;
    pubsub->limits = (struct pubsub_limits){
        .max_vcard = (size_t)conf_u64(conf, CONF_pubsub_max_vcard),
        .max_private = (size_t)conf_u64(conf, CONF_pubsub_max_private),
        .max_private_elements = (uint32_t)conf_u64(conf, CONF_pubsub_max_private_elements),
    };
}

static int open_stores(struct pubsub *pubsub)
{
    char error[256];
    const struct daemon *d = pubsub->daemon;
    struct sql_options options = {
        .loop = d->loop,
        .url = conf_str(d->conf, CONF_sql_url),
        .name = "pubsub",
        .migrations = store_migrations,
        .migration_count = store_migration_count,
        .workers = (uint32_t)conf_u64(d->conf, CONF_pubsub_sql_workers),
        .wait_ms = (uint32_t)conf_u64(d->conf, CONF_pubsub_retry_for),
    };
    pubsub->redis = redis_new(d->loop, conf_str(d->conf, CONF_redis_url), error, sizeof(error));
    if (!pubsub->redis) {
        LOG_ERROR("bad_address", "option=redis.url reason=%s", error);
        return -1;
    }
    pubsub->sql = sql_new(&options, error, sizeof(error));
    if (!pubsub->sql) {
        LOG_ERROR("bad_address", "option=sql.url reason=%s", error);
        return -1;
    }
    return 0;
}

int pubsub_open(struct daemon *d, void **ctx_out)
{
    struct pubsub *pubsub = mem_calloc(1, sizeof(*pubsub));
    struct service_options options = {
        .loop = d->loop, .bus = d->bus, .table = &pubsub_table, .ctx = pubsub};
    pubsub->daemon = d;
    list_init(&pubsub->forgetting);
    pubsub->service = service_new(&options);
    pubsub_reload(pubsub);
    if (open_stores(pubsub) != 0) {
        pubsub_close(pubsub);
        return -1;
    }
    *ctx_out = pubsub;
    return 0;
}

bool pubsub_is_ready(void *ctx, struct buf *why)
{
    const struct pubsub *pubsub = ctx;
    if (!redis_is_up(pubsub->redis)) {
        buf_append_cstr(why, "redis is away");
    } else if (!sql_is_ready(pubsub->sql)) {
        buf_append_cstr(why, "the database is away");
    } else if (!bus_has_peer(pubsub->daemon->bus, "router")) {
        buf_append_cstr(why, "no router");
    } else {
        return true;
    }
    return false;
}

void pubsub_drain(void *ctx, daemon_done_fn *done, void *arg)
{
    struct pubsub *pubsub = ctx;
    if (pubsub->asks == 0) {
        done(arg);
        return;
    }
    pubsub->drained = done;
    pubsub->drained_arg = arg;
}

/* Answers of Redis come from within redis_free, those of SQL never after sql_free, whose workers
 * look at requests: these go last. */
void pubsub_close(void *ctx)
{
    struct pubsub *pubsub = ctx;
    pubsub->drained = NULL;
    redis_free(pubsub->redis);
    sql_free(pubsub->sql);
    forget_free(pubsub);
    service_free(pubsub->service);
    mem_free(pubsub);
}

/* ---- the bus ---- */
void pubsub_item(void *ctx, struct bus_peer *peer, uint64_t token, const struct wire_msg *msg)
{
    struct pubsub *pubsub = ctx;
    if (!service_item(pubsub->service, peer, token, msg)) {
        LOG_WARN("unexpected_item", "name=%s", wire_name(msg->id));
        bus_settle(peer, token);
    }
}

void pubsub_peer_down(void *ctx, struct bus_peer *peer)
{
    struct pubsub *pubsub = ctx;
    service_peer_down(pubsub->service, peer);
}

/* Every instance hears it and does this; the second one finds nothing. */
void pubsub_notice(void *ctx, const struct wire_msg *msg)
{
    struct pubsub *pubsub = ctx;
    if (msg->id == WIRE_ID_account_removed) {
        forget_account(pubsub, msg->u.account_removed.account, NULL);
    }
}
