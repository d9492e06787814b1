/* Draining: streams are ended a few at a time, so that their clients do not all come back in the same
 * second; who is not due yet is served on. What ending one stream means is stream_shut_down. */
#include "base/log.h"
#include "loop/loop.h"
#include "metric/metric.h"
#include "stream/stream_internal.h"

#define TICK_MS 100

/* Of daemon.drain_timeout: the rest is for goodbyes and for unbinding. */
#define TIME_SHARE 2

static uint64_t streams_per_tick(const struct stream_host *host)
{
    const struct stream_options *options = &host->options;
    uint64_t ticks = options->drain_timeout_ms / TIME_SHARE / TICK_MS;
    uint64_t needed = ticks > 0 ? (host->stream_count + ticks - 1) / ticks : host->stream_count;
    uint64_t asked = ((uint64_t)options->drain_rate * TICK_MS + 999) / 1000;
    if (options->drain_rate == 0)
        return host->stream_count;
    return asked > needed ? asked : needed;
}

bool stream_drain_is_over(const struct stream_host *host)
{
    return host->session_count == 0 && list_is_empty(&host->doomed);
}

void stream_drain_tick(void *arg)
{
    struct stream_host *host = arg;
    size_t left = 0;
    for (uint64_t i = 0; i < host->drain_per_tick && !list_is_empty(&host->doomed); i++) {
        struct stream *stream = CONTAINER_OF(host->doomed.next, struct stream, node);
        list_remove(&stream->node);
        list_add_tail(&host->streams, &stream->node);
        stream_shut_down(stream);
    }
    LIST_FOREACH(node, &host->doomed)
    {
        left++;
    }
    metric_set(METRIC_stream_draining, (int64_t)left);
    if (left > 0)
        loop_timer_start(&host->drain, TICK_MS, 0);
    else
        loop_task_schedule(&host->drained);
}

void stream_host_drain(struct stream_host *host, void (*done)(void *arg), void *arg)
{
    host->is_draining = true;
    host->drain_done = done;
    host->drain_arg = arg;
    host->drain_per_tick = streams_per_tick(host);
    LIST_FOREACH_SAFE(node, &host->streams)
    {
        if (CONTAINER_OF(node, struct stream, node)->state == STREAM_ENDED)
            continue;
        list_remove(node);
        list_add_tail(&host->doomed, node);
    }
    LOG_INFO("draining-streams", "streams=%zu a_second=%llu", host->stream_count,
             (unsigned long long)host->drain_per_tick * (1000 / TICK_MS));
    stream_drain_tick(host);
}
