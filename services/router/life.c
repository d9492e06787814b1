/* Redis, loader and router put together, and taken apart. */
#include "life.h"

#include "base/log.h"
#include "loader.h"
#include "redis/redis.h"
#include "router.h"
#include "services.h"
#include "trace/trace.h"

#define DRAIN_MS 2000 /* for what is on its way when the daemon is to end */

int life_open(struct daemon *d, void **ctx_out)
{
    struct router_options options = {.loop = d->loop, .bus = d->bus, .daemon = d};
    struct redis *redis;
    struct loader *loader;
    struct router *router;
    char error[256];

    redis = redis_new(d->loop, conf_str(d->conf, CONF_redis_url), error, sizeof(error));
    if (!redis) {
        LOG_ERROR("redis-url", "error=%s", error);
        return -1;
    }
    loader = loader_new(redis, d->bus);
    options.source = loader_source(loader);
    options.conf = d->conf;
    router = router_new(&options);
    router->redis = redis;
    router->trace = trace_new(redis, d->instance, d->conf);
    router->loader = loader;
    loader_set_cache(loader, router->cache);
    await_begin(router);
    *ctx_out = router;
    return 0;
}

bool life_is_ready(void *ctx, struct buf *why)
{
    const struct router *router = ctx;

    if (!redis_is_up(router->redis))
        buf_append_cstr(why, "no Redis");
    else if (!services_is_complete(router->services))
        buf_append_cstr(why, "no presence or session daemon has said hello");
    else if (!bus_has_peer(router->bus, "presence"))
        buf_append_cstr(why, "no presence daemon");
    else if (!bus_has_peer(router->bus, "session"))
        buf_append_cstr(why, "no session daemon");
    else
        return true;
    return false;
}

void life_reload(void *ctx)
{
    struct router *router = ctx;

    router_configure(router, router->daemon->conf);
    trace_configure(router->trace, router->daemon->conf);
}

static void end_drain(void *arg)
{
    struct router *router = arg;
    void (*idle)(void *) = router->idle;

    loop_timer_stop(&router->drain_timer);
    router->idle = NULL;
    if (idle)
        idle(router->idle_arg);
}

/* What is on its way is given a moment to arrive; what is not settled then its sender still has. */
void life_drain(void *ctx, daemon_done_fn *done, void *arg)
{
    struct router *router = ctx;

    router->idle = done;
    router->idle_arg = arg;
    loop_timer_init(&router->drain_timer, router->loop, end_drain, router);
    loop_timer_start(&router->drain_timer, router->job_count == 0 ? 0 : DRAIN_MS, 0);
}

void life_close(void *ctx)
{
    struct router *router = ctx;
    struct redis *redis = router->redis;
    struct loader *loader = router->loader;
    struct trace *trace = router->trace;

    if (loop_timer_is_active(&router->drain_timer))
        loop_timer_stop(&router->drain_timer);
    loader_set_cache(loader, NULL);
    router_free(router);
    trace_free(trace);
    redis_free(redis); /* answers what is pending */
    loader_free(loader);
}
