/* The streams and the lease of a daemon. */
#include "stream/holder.h"

#include "base/log.h"
#include "redis/redis.h"
#include "registry/lease.h"
#include "trace/trace.h"

static struct stream_options options_of(const struct holder *holder, struct arena *arena)
{
    const struct daemon *d = holder->daemon;
    struct stream_options options = {.loop = d->loop,
                                     .bus = d->bus,
                                     .redis = holder->redis,
                                     .trace = holder->trace,
                                     .holder = d->instance};
    stream_options_load(&options, d->conf, arena);
    if (holder->see_other)
        holder->see_other(d->conf, &options);
    return options;
}

static void lease_lost(void *arg)
{
    struct holder *holder = arg;
    LOG_ERROR("lease-lost", "sessions=%zu", stream_host_session_count(holder->streams));
    stream_host_end_all(holder->streams, "connection-timeout", "the server lost its lease");
}

int holder_open(struct holder *holder, struct daemon *d,
                void (*see_other)(const struct conf *conf, struct stream_options *options))
{
    char error[256];
    *holder = (struct holder){.daemon = d, .see_other = see_other};
    struct arena arena = {0};
    holder->redis = redis_new(d->loop, conf_str(d->conf, CONF_redis_url), error, sizeof(error));
    if (!holder->redis) {
        LOG_ERROR("redis-address", "error=\"%s\" hint=\"see redis.url\"", error);
        return -1;
    }
    holder->trace = trace_new(holder->redis, d->instance, d->conf);
    struct stream_options options = options_of(holder, &arena);
    holder->streams = stream_host_new(&options);
    arena_deinit(&arena);
    holder->lease =
        registry_lease_new(d->loop, holder->redis, d->instance,
                           (uint32_t)conf_u64(d->conf, CONF_cluster_lease), lease_lost, holder);
    return 0;
}

bool holder_is_ready(const struct holder *holder, struct buf *why)
{
    const struct {
        bool is_there;
        const char *what;
    } needs[] = {
        {bus_has_peer(holder->daemon->bus, "router"), "no router"},
        {bus_has_peer(holder->daemon->bus, "session"), "no session daemon"},
        {registry_lease_is_held(holder->lease), "no lease in Redis yet"},
    };
    for (size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++) {
        if (needs[i].is_there)
            continue;
        buf_append_cstr(why, needs[i].what);
        return false;
    }
    return true;
}

void holder_reload(struct holder *holder)
{
    struct arena arena = {0};
    trace_configure(holder->trace, holder->daemon->conf);
    struct stream_options options = options_of(holder, &arena);
    stream_host_reload(holder->streams, &options);
    arena_deinit(&arena);
}

void holder_close(struct holder *holder)
{
    stream_host_free(holder->streams);
    registry_lease_free(holder->lease);
    trace_free(holder->trace);
    redis_free(holder->redis);
}
