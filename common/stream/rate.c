/* Slowing down: a client that sends too fast, or failed to log in, is not read from for a while. Its
 * bytes stay in the kernel, which slows the client down in turn; nothing is dropped. Only a stream
 * that is held has a timer for it. */
#include "base/log.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "metric/metric.h"
#include "stream/stream_internal.h"

struct stream_hold {
    struct loop_timer timer;
    uint64_t until_ms;
};

void stream_set_pause(struct stream *stream, enum stream_pause why, bool on)
{
    uint8_t before = stream->pauses;
    stream->pauses = (uint8_t)(on ? before | why : before & ~(unsigned)why);
    if ((before == 0) != (stream->pauses == 0) && stream->transport->set_reading)
        stream->transport->set_reading(stream->conn, stream->pauses == 0);
}

static void count_held(struct stream_host *host, bool on)
{
    host->held_count += on ? 1 : (size_t)-1;
    metric_set(METRIC_stream_held, (int64_t)host->held_count);
}

void stream_hold_end(struct stream *stream)
{
    if (!stream->hold)
        return;
    loop_timer_stop(&stream->hold->timer);
    mem_free(stream->hold);
    stream->hold = NULL;
    count_held(stream->host, false);
}

static void go_on(void *arg)
{
    struct stream *stream = arg;
    stream_hold_end(stream);
    stream->last_in_ms = (uint32_t)loop_now_ms(stream->host->options.loop);
    stream_resume(stream);
    if (stream->state == STREAM_ENDED)
        return;
    stream_login_done(stream);
    if (!stream->hold)
        stream_set_pause(stream, STREAM_PAUSE_HOLD, false);
}

void stream_hold(struct stream *stream, uint32_t ms)
{
    struct loop *loop = stream->host->options.loop;
    uint64_t until = loop_now_ms(loop) + ms;
    if (ms == 0 || stream->state == STREAM_ENDED)
        return;
    if (!stream->hold) {
        stream->hold = mem_calloc(1, sizeof(*stream->hold));
        loop_timer_init(&stream->hold->timer, loop, go_on, stream);
        count_held(stream->host, true);
    }
    if (until <= stream->hold->until_ms)
        return;
    stream->hold->until_ms = until;
    loop_timer_start(&stream->hold->timer, ms, 0);
    stream_set_pause(stream, STREAM_PAUSE_HOLD, true);
}

static void hold_back(struct stream *stream, uint32_t ms, enum metric_id metric, const char *what)
{
    struct stream_host *host = stream->host;
    uint32_t more;
    if (ms == 0 || stream->state == STREAM_ENDED)
        return;
    metric_inc(metric);
    if (admit_may_say(&host->said_held, loop_now_ms(host->options.loop), &more))
        LOG_INFO("too-fast", "jid=%s limit=%s ms=%u more=%u",
                 stream->session ? stream->session->jid : "", what, ms, more);
    stream_hold(stream, ms);
}

void stream_count_bytes(struct stream *stream, size_t bytes)
{
    const struct stream_options *options = &stream->host->options;
    hold_back(stream,
              admit_take(&stream->bytes, &options->byte_rate, bytes, loop_now_ms(options->loop)),
              METRIC_limit_bytes, "stream.bytes_per_second");
}

void stream_count_stanza(struct stream *stream)
{
    const struct stream_options *options = &stream->host->options;
    hold_back(stream,
              admit_take(&stream->stanzas, &options->stanza_rate, 1, loop_now_ms(options->loop)),
              METRIC_limit_stanzas, "stream.stanzas_per_second");
}

const struct xml_limits *stream_limits(const struct stream *stream)
{
    return stream->session ? &stream->host->limits : &stream->host->first_limits;
}

void stream_lift_limits(struct stream *stream)
{
    if (stream->parser)
        xml_stream_set_limits(stream->parser, &stream->host->limits);
    if (stream->transport->admit)
        stream->transport->admit(stream->conn);
}
