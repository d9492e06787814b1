/* Failed logins: each makes the next one wait longer, and too many end the stream (RFC 6120 section
 * 6.4.5). */
#include "admit/address.h"
#include "loop/loop.h"
#include "metric/metric.h"
#include "stream/stream_internal.h"

static struct backoff_rule rule_of(const struct stream_options *options)
{
    return (struct backoff_rule){
        .first_ms = options->login_delay_ms,
        .free = options->login_delay_after,
        .forget_ms = options->login_delay_forget_ms,
    };
}

static uint64_t address_key(const struct stream *stream)
{
    char address[ADMIT_ADDRESS_MAX];
    stream->transport->address(stream->conn, address, sizeof(address));
    return admit_address_key(span_cstr(address));
}

static void hold(struct stream *stream, uint32_t ms)
{
    if (ms == 0)
        return;
    metric_inc(METRIC_limit_login_delays);
    stream_hold(stream, ms);
}

void stream_login_failed(struct stream *stream)
{
    struct stream_host *host = stream->host;
    metric_inc(METRIC_stream_login_failures);
    if (stream->state == STREAM_ENDED)
        return;
    uint32_t failures = ++stream->login->attempts;
    struct backoff_rule rule = rule_of(&host->options);
    uint32_t wait = backoff_fail(&host->backoff, &rule, address_key(stream), failures,
                                 loop_now_ms(host->options.loop));
    if (failures < host->options.max_auth_attempts) {
        hold(stream, wait);
        return;
    }
    metric_inc(METRIC_limit_login_attempts);
    stream_fail(stream, "policy-violation", SPAN("too many failed logins"));
}

void stream_login_await(struct stream *stream)
{
    struct stream_host *host = stream->host;
    struct backoff_rule rule = rule_of(&host->options);
    if (map64_count(&host->backoff.by_key) == 0)
        return;
    hold(stream,
         backoff_wait(&host->backoff, &rule, address_key(stream), loop_now_ms(host->options.loop)));
}
