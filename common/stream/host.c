/* What all streams of a process share: options, parser, scratch memory, the sessions by sid. */
#include "base/mem.h"
#include "conf/conf.h"
#include "loop/loop.h"
#include "metric/metric.h"
#include "stream/domain_internal.h"
#include "stream/server_internal.h"
#include "stream/stream_internal.h"
#include "stream/xep0198_internal.h"

#define ARENA_BLOCK 8192

void stream_options_load(struct stream_options *options, const struct conf *conf,
                         struct arena *arena)
{
    const struct span *names;
    size_t count = conf_list(conf, CONF_cluster_domains, &names);
    struct stream_domain *domains = arena_calloc(arena, count, sizeof(*domains));
    for (size_t i = 0; i < count; i++)
        stream_domain_load(conf, names[i], &domains[i]);
    options->domains = domains;
    options->domain_count = count;
    options->max_stanza_bytes = (uint32_t)conf_u64(conf, CONF_stream_max_stanza);
    options->max_first_bytes = (uint32_t)conf_u64(conf, CONF_stream_max_stanza_before_login);
    options->stanza_rate = (struct admit_rate){
        .per_second = (uint32_t)conf_u64(conf, CONF_stream_stanzas_per_second),
        .burst = (uint32_t)conf_u64(conf, CONF_stream_stanzas_burst),
    };
    options->byte_rate = (struct admit_rate){
        .per_second = (uint32_t)conf_u64(conf, CONF_stream_bytes_per_second),
        .burst = (uint32_t)conf_u64(conf, CONF_stream_bytes_burst),
    };
    options->login_delay_ms = (uint32_t)conf_u64(conf, CONF_stream_login_delay);
    options->login_delay_after = (uint32_t)conf_u64(conf, CONF_stream_login_delay_after);
    options->login_delay_forget_ms = (uint32_t)conf_u64(conf, CONF_session_failure_window);
    options->drain_rate = (uint32_t)conf_u64(conf, CONF_stream_drain_rate);
    options->drain_timeout_ms = (uint32_t)conf_u64(conf, CONF_daemon_drain_timeout);
    options->max_depth = (uint32_t)conf_u64(conf, CONF_stream_max_depth);
    options->auth_deadline_ms = (uint32_t)conf_u64(conf, CONF_stream_auth_deadline);
    options->max_auth_attempts = (uint32_t)conf_u64(conf, CONF_stream_max_auth_attempts);
    options->ping_after_ms = (uint32_t)conf_u64(conf, CONF_stream_ping_after);
    options->ping_timeout_ms = (uint32_t)conf_u64(conf, CONF_stream_ping_timeout);
    options->call_deadline_ms = (uint32_t)conf_u64(conf, CONF_stream_call_deadline);
    options->max_backlog_bytes = (uint32_t)conf_u64(conf, CONF_stream_max_backlog);
    options->remember_ms = conf_u64(conf, CONF_stream_remember);
    options->resume_s = (uint32_t)(conf_u64(conf, CONF_stream_resume_time) / 1000);
    options->max_unacked = (uint32_t)conf_u64(conf, CONF_stream_max_unacked);
    options->ack_after = (uint32_t)conf_u64(conf, CONF_stream_ack_after);
    options->ack_delay_ms = (uint32_t)conf_u64(conf, CONF_stream_ack_delay);
    options->keep_ms = (uint32_t)conf_u64(conf, CONF_stream_keep_acked);
}

static void set_options(struct stream_host *host, const struct stream_options *options)
{
    size_t bytes = options->domain_count * sizeof(*host->domains);
    host->domains = mem_realloc(host->domains, bytes);
    memcpy(host->domains, options->domains, bytes);
    host->options = *options;
    host->options.domains = host->domains;
    host->limits = (struct xml_limits){
        .max_bytes = options->max_stanza_bytes,
        .max_depth = options->max_depth,
    };
    host->first_limits = host->limits;
    if (options->max_first_bytes > 0 && options->max_first_bytes < host->limits.max_bytes)
        host->first_limits.max_bytes = options->max_first_bytes;
}

static void tell_drained(void *arg)
{
    struct stream_host *host = arg;
    if (host->drain_done && stream_drain_is_over(host)) {
        void (*done)(void *) = host->drain_done;
        host->drain_done = NULL;
        done(host->drain_arg);
    }
}

struct stream_host *stream_host_new(const struct stream_options *options)
{
    struct stream_host *host = mem_calloc(1, sizeof(*host));
    set_options(host, options);
    host->frames = xml_frames_new();
    arena_init(&host->arena, ARENA_BLOCK);
    list_init(&host->streams);
    list_init(&host->doomed);
    backoff_init(&host->backoff);
    loop_timer_init(&host->drain, options->loop, stream_drain_tick, host);
    list_init(&host->calls);
    list_init(&host->stuck);
    list_init(&host->waiting);
    list_init(&host->sm_answers);
    list_init(&host->sm_asks);
    loop_timer_init(&host->sm_timer, options->loop, stream_sm_timer, host);
    map64_init(&host->resuming);
    custody_init(&host->custody, &(struct custody_options){
                                     .loop = options->loop,
                                     .bus = options->bus,
                                     .redis = options->redis,
                                     .remember_ms = options->remember_ms,
                                     .keep_ms = options->keep_ms,
                                 });
    map64_init(&host->sessions);
    map_init(&host->features);
    loop_timer_init(&host->retry, options->loop, stream_retry, host);
    loop_task_init(&host->drained, options->loop, tell_drained, host);
    return host;
}

void stream_host_free(struct stream_host *host)
{
    if (!host)
        return;
    loop_timer_stop(&host->retry);
    loop_timer_stop(&host->drain);
    backoff_deinit(&host->backoff);
    loop_timer_stop(&host->sm_timer);
    for (struct list_node *node; (node = list_pop(&host->stuck));)
        stream_session_free(CONTAINER_OF(node, struct stream_session, place));
    for (struct list_node *node; (node = list_pop(&host->waiting));)
        stream_session_free(CONTAINER_OF(node, struct stream_session, place));
    for (struct list_node *node; (node = list_pop(&host->calls));)
        mem_free(CONTAINER_OF(node, struct stream_call, node));
    loop_task_cancel(&host->drained); /* the last session to go schedules it */
    stream_sm_free_resuming(host);
    custody_deinit(&host->custody);
    stream_server_free(host);
    map64_deinit(&host->sessions);
    xml_frames_free(host->frames);
    arena_deinit(&host->arena);
    buf_deinit(&host->out);
    buf_deinit(&host->encoded);
    mem_free(host->domains);
    mem_free(host);
}

void stream_host_reload(struct stream_host *host, const struct stream_options *options)
{
    set_options(host, options);
}

static void end_sessions(struct list_node *streams, const char *condition, struct span text)
{
    LIST_FOREACH_SAFE(node, streams)
    {
        struct stream *stream = CONTAINER_OF(node, struct stream, node);
        if (stream->session)
            stream_drop(stream, condition, text);
    }
}

void stream_host_end_all(struct stream_host *host, const char *condition, const char *text)
{
    end_sessions(&host->streams, condition, span_cstr(text));
    end_sessions(&host->doomed, condition, span_cstr(text));
}

size_t stream_host_session_count(const struct stream_host *host)
{
    return map64_count(&host->sessions);
}
