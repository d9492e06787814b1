/* XEP-0198 section 4: acknowledgements, both ways. */
#include "base/mem.h"
#include "loop/loop.h"
#include "metric/metric.h"
#include "stream/xep0198_internal.h"

#include <stdio.h>

#define ANSWER_MS 1000 /* an <r/> is answered by then, with what is handled */
#define TIMER_MS  100

int stream_sm_read_h(struct span text, uint32_t *h_out)
{
    uint64_t h;
    if (span_to_u64(text, &h) != 0 || h > UINT32_MAX)
        return -1;
    *h_out = (uint32_t)h;
    return 0;
}

static void start_timer(struct stream_host *host)
{
    if (!loop_timer_is_active(&host->sm_timer))
        loop_timer_start(&host->sm_timer, TIMER_MS, 0);
}

/* ---- up: what we have handled ---- */

void stream_sm_came(struct stream_session *session)
{
    struct stream_sm *sm = session->sm;
    sm->is_sent = false;
    session->last_n = STREAM_SM_BASE + custody_handled_begin(&sm->up);
}

static void send_answer(struct stream_sm *sm)
{
    struct stream *stream = sm->session->stream;
    char text[64];
    sm->told = (uint32_t)sm->queue.handled_kept;
    int len = snprintf(text, sizeof(text), "<a xmlns='" NS_SM "' h='%u'/>", sm->told);
    (void)stream_send(stream, span_of(text, (size_t)len));
}

/* The client waits for an answer, or had one that did not say all it asked for. */
static void answer_if_done(struct stream_sm *sm)
{
    if (sm->wanted == 0 || sm->queue.handled_kept < sm->wanted || !sm->session->stream)
        return;
    sm->wanted = 0;
    list_remove(&sm->answer);
    send_answer(sm);
}

void stream_sm_settle(struct stream_sm *sm, uint64_t number)
{
    if (custody_handled_settle(&sm->up, number) && sm->session)
        custody_queue_handled(&sm->queue, sm->up.count, sm->wanted != 0);
}

void stream_sm_on_r(struct stream *stream, const struct xml_top *top)
{
    struct stream_sm *sm = stream->session->sm;
    if (!sm || !sm->is_on) {
        stream_sm_on_stray(stream, top);
        return;
    }
    if (sm->queue.handled_kept >= sm->up.last) {
        sm->wanted = 0;
        list_remove(&sm->answer);
        send_answer(sm);
        return;
    }
    sm->wanted = sm->up.last;
    custody_queue_handled(&sm->queue, sm->up.count, true);
    if (list_is_linked(&sm->answer))
        return;
    sm->answer_by_ms = loop_now_ms(stream->host->options.loop) + ANSWER_MS;
    list_add_tail(&stream->host->sm_answers, &sm->answer);
    start_timer(stream->host);
}

/* ---- down: what the client has ---- */

static void fail_too_high(struct stream *stream, uint32_t h)
{
    const struct custody_queue *queue = &stream->session->sm->queue;
    struct buf detail = {0};
    struct buf text = {0};
    uint32_t sent = (uint32_t)queue->sent;
    buf_printf(&detail, "<handled-count-too-high xmlns='" NS_SM "' h='%u' send-count='%u'/>", h,
               sent);
    buf_printf(&text, "You acknowledged %u stanzas, but I only sent you %u so far.", h, sent);
    stream_fail_detail(stream, "undefined-condition", buf_span(&text), buf_span(&detail));
    buf_deinit(&detail);
    buf_deinit(&text);
}

int stream_sm_acked(struct stream *stream, uint32_t h)
{
    struct stream_sm *sm = stream->session->sm;
    uint64_t number;
    if (custody_queue_number(&sm->queue, h, &number) != 0) {
        fail_too_high(stream, h);
        return -1;
    }
    custody_queue_ack(&sm->queue, number);
    sm->is_asking = false;
    if (custody_queue_unacked(&sm->queue) == 0)
        list_remove(&sm->ask);
    else
        stream_sm_ask_soon(sm);
    return 0;
}

void stream_sm_on_a(struct stream *stream, const struct xml_top *top)
{
    struct stream_sm *sm = stream->session->sm;
    uint32_t h;
    if (!sm || !sm->is_on)
        stream_sm_on_stray(stream, top);
    else if (stream_sm_read_h(xml_attr_get(top, "h"), &h) != 0)
        stream_fail(stream, "invalid-xml", SPAN("h is a number"));
    else
        (void)stream_sm_acked(stream, h);
}

void stream_sm_ask(struct stream *stream)
{
    struct stream_sm *sm = stream->session->sm;
    list_remove(&sm->ask);
    if (sm->is_asking)
        return;
    sm->is_asking = true;
    sm->asked = sm->queue.last;
    (void)stream_send(stream, SPAN("<r xmlns='" NS_SM "'/>"));
}

/* Never one for each stanza of a burst: at once only after many, else a moment later. */
void stream_sm_ask_soon(struct stream_sm *sm)
{
    struct stream *stream = sm->session->stream;
    struct stream_host *host = sm->session->host;
    if (sm->is_asking || !stream)
        return;
    if (custody_queue_unacked(&sm->queue) >= host->options.ack_after &&
        sm->queue.last - sm->asked >= host->options.ack_after) {
        stream_sm_ask(stream);
        return;
    }
    if (list_is_linked(&sm->ask))
        return;
    sm->ask_at_ms = loop_now_ms(host->options.loop) + host->options.ack_delay_ms;
    list_add_tail(&host->sm_asks, &sm->ask);
    start_timer(host);
}

/* ---- time ---- */

static void answer_late(struct stream_host *host, uint64_t now)
{
    for (struct list_node *node; (node = list_first(&host->sm_answers));) {
        struct stream_sm *sm = CONTAINER_OF(node, struct stream_sm, answer);
        if (sm->answer_by_ms > now)
            return;
        list_remove(node); /* `wanted` stays: the rest is told when it is handled */
        if (sm->session->stream)
            send_answer(sm);
    }
}

static void ask_late(struct stream_host *host, uint64_t now)
{
    for (struct list_node *node; (node = list_first(&host->sm_asks));) {
        struct stream_sm *sm = CONTAINER_OF(node, struct stream_sm, ask);
        if (sm->ask_at_ms > now)
            return;
        list_remove(node);
        if (sm->session->stream)
            stream_sm_ask(sm->session->stream);
    }
}

void stream_sm_timer(void *arg)
{
    struct stream_host *host = arg;
    uint64_t now = loop_now_ms(host->options.loop);
    answer_late(host, now);
    ask_late(host, now);
    if (!list_is_empty(&host->sm_answers) || !list_is_empty(&host->sm_asks))
        start_timer(host);
}

/* ---- writing ---- */

/* It is in the queue: what the socket does not take is there for a resume. */
static bool write_new(struct stream *stream, const struct stanza *stanza)
{
    struct stream_sm *sm = stream->session->sm;
    bool is_sent = stream_write_stanza(stream, stanza, stream_jid(stream));
    if (!is_sent)
        return false;
    if (custody_queue_unacked(&sm->queue) > stream->host->options.max_unacked) {
        metric_inc(METRIC_stream_slow_readers);
        stream_drop(stream, "policy-violation", SPAN("you acknowledge nothing"));
        return false;
    }
    stream_sm_ask_soon(sm);
    return true;
}

bool stream_sm_send_own(struct stream *stream, const struct stanza *stanza)
{
    struct stream_host *host = stream->host;
    struct stanza own = *stanza;
    struct buf encoded = {0};
    if (own.to.len == 0)
        own.to = stream_jid(stream);
    stanza_encode(&own, &encoded);
    struct wire_deliver item = {.stanza = buf_span(&encoded)};
    struct delivery *delivery = delivery_new(&host->custody, NULL, 0, &item);
    (void)custody_queue_add(&stream->session->sm->queue, delivery);
    delivery_release(delivery);
    buf_deinit(&encoded);
    return true;
}

int stream_sm_deliver(struct stream_session *session, struct delivery *delivery)
{
    struct stream_sm *sm = session->sm;
    /* Without a stream this is a moment; if Redis is away it may be a long one. */
    if (!session->stream && custody_queue_unacked(&sm->queue) > session->host->options.max_unacked)
        return -1;
    (void)custody_queue_add(&sm->queue, delivery);
    return 0;
}

static void show(void *arg, struct delivery *delivery)
{
    struct stream_session *session = arg;
    struct stanza stanza;
    arena_reset(&session->host->arena);
    if (session->stream &&
        stanza_decode(delivery_stanza(delivery), &session->host->arena, &stanza) == 0)
        (void)write_new(session->stream, &stanza);
}

static void on_handled(void *arg)
{
    struct stream_session *session = arg;
    answer_if_done(session->sm);
}

const struct custody_user stream_sm_user = {
    .lost = stream_sm_lost,
    .handled = on_handled,
    .deliver = show,
};
