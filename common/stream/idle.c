/* Time: a deadline until a session is bound, then XEP-0199 pings to a client that is silent. Input
 * only notes the time, and that no ping is unanswered; the timer finds out when it fires, so that a
 * busy client costs no timer. */
#include "jid/jid.h"
#include "loop/loop.h"
#include "metric/metric.h"
#include "stream/stream_internal.h"
#include "stream/xep0198_internal.h"

static void too_late(void *arg)
{
    metric_inc(METRIC_limit_login_time);
    stream_fail(arg, "connection-timeout", SPAN("log in faster"));
}

void stream_deadline_start(struct stream *stream)
{
    const struct stream_options *options = &stream->host->options;
    loop_timer_init(&stream->timer, options->loop, too_late, stream);
    loop_timer_start(&stream->timer, options->auth_deadline_ms, 0);
}

/* A managed stream is asked for an acknowledgement instead (XEP-0198 section 4). */
static void send_ping(struct stream *stream)
{
    struct stream_host *host = stream->host;
    if (stream_is_managed(stream)) {
        stream->is_pinged = true;
        stream->session->sm->is_asking = false;
        stream_sm_ask(stream);
        return;
    }
    struct stanza ping = {
        .kind = STANZA_IQ,
        .type = STANZA_GET,
        .from = jid_domain(stream_jid(stream)),
        .to = stream_jid(stream),
    };
    arena_reset(&host->arena);
    ping.id = arena_printf(&host->arena, STREAM_PING_PREFIX "%llu",
                           (unsigned long long)++host->next_ping);
    ping.payload = SPAN("<ping xmlns='" NS_PING "'/>");
    stream->is_pinged = true;
    (void)stream_send_stanza(stream, &ping, (struct span){0});
}

static uint32_t silence_ms(const struct stream *stream)
{
    return (uint32_t)loop_now_ms(stream->host->options.loop) - stream->last_in_ms;
}

static void look(void *arg)
{
    struct stream *stream = arg;
    const struct stream_options *options = &stream->host->options;
    uint32_t silence =
        stream->pauses ? 0 : silence_ms(stream); /* paused: it is we who do not listen */
    if (silence < options->ping_after_ms) {
        loop_timer_start(&stream->timer, options->ping_after_ms - silence, 0);
        return;
    }
    if (stream->is_pinged) {
        stream_drop(stream, "connection-timeout", (struct span){0});
        return;
    }
    send_ping(stream);
    if (stream->state != STREAM_ENDED)
        loop_timer_start(&stream->timer, options->ping_timeout_ms, 0);
}

void stream_idle_start(struct stream *stream)
{
    const struct stream_options *options = &stream->host->options;
    loop_timer_stop(&stream->timer);
    if (options->ping_after_ms == 0)
        return;
    loop_timer_init(&stream->timer, options->loop, look, stream);
    loop_timer_start(&stream->timer, options->ping_after_ms, 0);
}

bool stream_is_ping_answer(const struct stanza *stanza)
{
    return stanza->kind == STANZA_IQ &&
           (stanza->type == STANZA_RESULT || stanza->type == STANZA_ERROR) &&
           span_has_prefix(stanza->id, SPAN(STREAM_PING_PREFIX));
}
