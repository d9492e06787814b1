/* The daemon: what it answers, and its life. */
#include "archive.h"

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "redis/keys.h"
#include "schema.h"
#include "trim.h"
#include "write.h"
#include "xep0160_offline.h"
#include "xep0313_form.h"
#include "xep0313_query.h"
#include "xep0441_prefs.h"
#include "xml/ns.h"

#define THERE_MS 3600000 /* an hour */

/* ---- what is answered ---- */

static const struct service_handler handlers[] = {
    {NS_MAM, "query", SERVICE_SET, SERVICE_OWN, NS_MAM, xep0313_query},
    {NS_MAM, "query", SERVICE_GET, SERVICE_OWN, NULL, xep0313_form},
    {NS_MAM, "metadata", SERVICE_GET, SERVICE_OWN, NS_MAM_EXTENDED, xep0313_metadata},
    {NS_MAM, "prefs", SERVICE_GET, SERVICE_OWN, NULL, xep0441_get},
    {NS_MAM, "prefs", SERVICE_SET, SERVICE_OWN, NULL, xep0441_set},
};

static const struct service_feature features[] = {
    {.feature = NS_MSGOFFLINE, .scopes = SERVICE_SERVER},
    {.feature = NS_MAM_GROUPCHAT, .scopes = SERVICE_ACCOUNT},
    {.feature = NS_FULLTEXT, .scopes = SERVICE_ACCOUNT},
    {.feature = NS_SID, .scopes = SERVICE_ACCOUNT},
};

static void on_cleared(void *arg, bool ok)
{
    service_cleared(arg, ok);
}

static void clear_account(void *ctx, struct service_clear *clear)
{
    struct archive *archive = ctx;

    trim_forget(archive->trim, clear->account, on_cleared, clear);
}

const struct service_table archive_table = {
    .handlers = handlers,
    .handler_count = sizeof(handlers) / sizeof(handlers[0]),
    .features = features,
    .feature_count = sizeof(features) / sizeof(features[0]),
    .clear = clear_account,
    .keeps = true,
    .archives = true,
};

size_t archive_announce(struct arena *arena, const struct span **lines_out)
{
    return service_announce(&archive_table, arena, lines_out);
}

/* ---- items under way ---- */

void archive_begin(struct archive *archive)
{
    archive->busy++;
}

void archive_end(struct archive *archive)
{
    if (--archive->busy == 0 && archive->drained) {
        daemon_done_fn *done = archive->drained;

        archive->drained = NULL;
        done(archive->drained_arg);
    }
}

void *taken_new(struct archive *archive, struct bus_peer *peer, uint64_t token, size_t size)
{
    struct taken *taken = mem_calloc(1, size);

    taken->archive = archive;
    taken->peer = peer;
    taken->token = token;
    list_add_tail(&archive->taken, &taken->node);
    archive_begin(archive);
    return taken;
}

void taken_end(struct taken *taken)
{
    struct archive *archive = taken->archive;

    if (taken->peer)
        bus_settle(taken->peer, taken->token);
    list_remove(&taken->node);
    mem_free(taken);
    archive_end(archive);
}

/* ---- life ---- */

void archive_reload(void *ctx)
{
    struct archive *archive = ctx;
    const struct conf *conf = archive->daemon->conf;

    archive->limits = (struct archive_limits){
        .max_offline = (uint32_t)conf_u64(conf, CONF_archive_max_offline),
        .max_waiting = (uint32_t)conf_u64(conf, CONF_archive_max_waiting),
        .linger_ms = (uint32_t)conf_u64(conf, CONF_archive_linger),
        .retry_for_ms = (uint32_t)conf_u64(conf, CONF_archive_retry_for),
        .page = (uint32_t)conf_u64(conf, CONF_archive_page),
        .max_page = (uint32_t)conf_u64(conf, CONF_archive_max_page),
        .max_count = (uint32_t)conf_u64(conf, CONF_archive_max_count),
        .max_age_ms = conf_u64(conf, CONF_archive_max_age),
        .max_messages = (uint32_t)conf_u64(conf, CONF_archive_max_messages),
    };
}

/* Routers that start wait for us; said again so often that it does not lapse. */
static void say_there(void *arg)
{
    struct archive *archive = arg;
    struct arena arena = {0};

    redis_call(archive->redis, NULL, NULL, SPAN("SET"),
               redis_key(REDIS_KEY_archive, (struct span){0}, (struct span){0}, &arena), SPAN("1"),
               SPAN("EX"), SPAN("86400"));
    arena_deinit(&arena);
}

static void on_redis(void *arg, bool up)
{
    if (up)
        say_there(arg);
}

static int open_stores(struct archive *archive)
{
    char error[256];
    const struct daemon *d = archive->daemon;
    struct sql_options options = {
        .loop = d->loop,
        .url = conf_str(d->conf, CONF_sql_url),
        .name = "archive",
        .migrations = schema_migrations,
        .migration_count = schema_migration_count,
        .workers = (uint32_t)conf_u64(d->conf, CONF_archive_sql_workers),
        .wait_ms = (uint32_t)conf_u64(d->conf, CONF_archive_retry_for),
    };

    archive->redis = redis_new(d->loop, conf_str(d->conf, CONF_redis_url), error, sizeof(error));
    if (!archive->redis) {
        LOG_ERROR("bad-address", "option=redis.url reason=%s", error);
        return -1;
    }
    redis_on_change(archive->redis, on_redis, archive);
    loop_timer_init(&archive->there, d->loop, say_there, archive);
    loop_timer_start(&archive->there, THERE_MS, THERE_MS);
    archive->sql = sql_new(&options, error, sizeof(error));
    if (!archive->sql) {
        LOG_ERROR("bad-address", "option=sql.url reason=%s", error);
        return -1;
    }
    return 0;
}

int archive_open(struct daemon *d, void **ctx_out)
{
    struct archive *archive = mem_calloc(1, sizeof(*archive));
    struct service_options options = {
        .loop = d->loop, .bus = d->bus, .table = &archive_table, .ctx = archive};

    archive->daemon = d;
    list_init(&archive->taken);
    archive->service = service_new(&options);
    archive->writer = writer_new(archive);
    archive->offline = offline_new(archive);
    archive->prefs = prefs_new(archive);
    archive->trim = trim_new(archive);
    archive_reload(archive);
    if (open_stores(archive) != 0) {
        archive_close(archive);
        return -1;
    }
    *ctx_out = archive;
    return 0;
}

bool archive_is_ready(void *ctx, struct buf *why)
{
    const struct archive *archive = ctx;

    if (!redis_is_up(archive->redis))
        buf_append_cstr(why, "redis is away");
    else if (!sql_is_ready(archive->sql))
        buf_append_cstr(why, "the database is away");
    else if (!bus_has_peer(archive->daemon->bus, "router"))
        buf_append_cstr(why, "no router");
    else
        return true;
    return false;
}

void archive_drain(void *ctx, daemon_done_fn *done, void *arg)
{
    struct archive *archive = ctx;

    if (archive->busy == 0) {
        done(arg);
        return;
    }
    archive->drained = done;
    archive->drained_arg = arg;
}

/* Answers of Redis come from within redis_free, those of SQL never after sql_free; then nothing
 * holds an item any more. */
void archive_close(void *ctx)
{
    struct archive *archive = ctx;
    struct list_node *node;

    archive->drained = NULL;
    archive->is_closing = true;
    if (archive->redis)
        loop_timer_stop(&archive->there);
    redis_free(archive->redis);
    sql_free(archive->sql);
    service_free(archive->service);
    offline_free(archive->offline);
    writer_free(archive->writer);
    prefs_free(archive->prefs);
    trim_free(archive->trim);
    while ((node = list_pop(&archive->taken)) != NULL)
        mem_free(CONTAINER_OF(node, struct taken, node));
    mem_free(archive);
}

/* ---- the bus ---- */

void archive_item(void *ctx, struct bus_peer *peer, uint64_t token, const struct wire_msg *msg)
{
    struct archive *archive = ctx;

    if (msg->id == WIRE_ID_keep) {
        writer_item(archive->writer, peer, token, msg);
    } else if (msg->id == WIRE_ID_came) {
        offline_came(archive->offline, peer, token, msg);
    } else if (!service_item(archive->service, peer, token, msg)) {
        LOG_WARN("unexpected-item", "name=%s", wire_name(msg->id));
        bus_settle(peer, token);
    }
}

void archive_peer_down(void *ctx, struct bus_peer *peer)
{
    struct archive *archive = ctx;

    service_peer_down(archive->service, peer);
    LIST_FOREACH(node, &archive->taken)
    {
        struct taken *taken = CONTAINER_OF(node, struct taken, node);

        if (taken->peer == peer)
            taken->peer = NULL;
    }
}

/* Every instance hears it and does this; the second one finds nothing. */
void archive_notice(void *ctx, const struct wire_msg *msg)
{
    struct archive *archive = ctx;

    if (msg->id == WIRE_ID_account_removed)
        trim_forget(archive->trim, msg->u.account_removed.account, NULL, NULL);
}
