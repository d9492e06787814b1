/* The streams and the lease of a daemon, and the certificate it shows. */
#include "stream/holder.h"

#include "base/log.h"
#include "base/mem.h"
#include "crypt/devcert.h"
#include "redis/redis.h"
#include "registry/lease.h"

static struct stream_options options_of(const struct holder *holder, struct arena *arena)
{
    const struct daemon *d = holder->daemon;
    struct stream_options options = {.loop = d->loop, .bus = d->bus, .holder = d->instance};
    stream_options_load(&options, d->conf, arena);
    if (holder->see_other)
        options.see_other_uri = holder->see_other(d->conf);
    return options;
}

static void lease_lost(void *arg)
{
    struct holder *holder = arg;
    LOG_ERROR("lease-lost", "sessions=%zu", stream_host_session_count(holder->streams));
    stream_host_end_all(holder->streams, "connection-timeout", "the server lost its lease");
}

int holder_open(struct holder *holder, struct daemon *d,
                const char *(*see_other)(const struct conf *conf))
{
    char error[256];
    *holder = (struct holder){.daemon = d, .see_other = see_other};
    struct arena arena = {0};
    struct stream_options options = options_of(holder, &arena);
    holder->streams = stream_host_new(&options);
    arena_deinit(&arena);
    holder->redis = redis_new(d->loop, conf_str(d->conf, CONF_redis_url), error, sizeof(error));
    if (!holder->redis) {
        LOG_ERROR("redis-address", "error=\"%s\" hint=\"see redis.url\"", error);
        return -1;
    }
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
    struct stream_options options = options_of(holder, &arena);
    stream_host_reload(holder->streams, &options);
    arena_deinit(&arena);
}

void holder_close(struct holder *holder)
{
    stream_host_free(holder->streams);
    registry_lease_free(holder->lease);
    redis_free(holder->redis);
}

/* ---- certificates ---- */

static char *in_run_dir(const struct conf *conf, const char *file)
{
    struct buf path = {0};
    buf_printf(&path, "%s/%s", conf_str(conf, CONF_cluster_run_dir), file);
    char *owned = mem_strdup_span(buf_span(&path));
    buf_deinit(&path);
    return owned;
}

static int make_certificate(const struct daemon *d, struct holder_certificate *certificate)
{
    static const char *const own_names[] = {"localhost", "127.0.0.1", "::1"};
    const size_t own_count = sizeof(own_names) / sizeof(own_names[0]);
    const struct span *domains;
    size_t count = conf_list(d->conf, CONF_cluster_domains, &domains);
    struct span *names = mem_calloc(count + own_count, sizeof(*names));
    char error[256];
    memcpy(names, domains, count * sizeof(*names));
    for (size_t i = 0; i < own_count; i++)
        names[count + i] = span_cstr(own_names[i]);
    certificate->chain = in_run_dir(d->conf, "development-cert.pem");
    certificate->key = in_run_dir(d->conf, "development-key.pem");
    struct devcert_options options = {.cert_path = certificate->chain,
                                      .key_path = certificate->key,
                                      .names = names,
                                      .name_count = count + own_count};
    int result = devcert_ensure(&options, error, sizeof(error));
    mem_free(names);
    if (result < 0)
        LOG_ERROR("development-certificate", "error=\"%s\" hint=\"see cluster.run_dir\"", error);
    else
        LOG_INFO("development-certificate", "cert=%s", certificate->chain);
    return result;
}

int holder_certificate_choose(const struct daemon *d, const char *chain, const char *key,
                              struct holder_certificate *certificate_out)
{
    *certificate_out = (struct holder_certificate){0};
    if (!chain[0])
        return make_certificate(d, certificate_out);
    certificate_out->chain = mem_strdup(chain);
    certificate_out->key = mem_strdup(key[0] ? key : chain);
    return 0;
}

void holder_certificate_deinit(struct holder_certificate *certificate)
{
    mem_free(certificate->chain);
    mem_free(certificate->key);
    *certificate = (struct holder_certificate){0};
}
