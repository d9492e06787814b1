/* What comes down the bus for sessions held here: written once and settled; sessions that are not
 * here any more are told back to the router. */
#include "base/log.h"
#include "base/mem.h"
#include "metric/metric.h"
#include "stream/server_internal.h"
#include "stream/stream_internal.h"

/* ---- told back: the delivery is settled only when the router has the `missed` item ---- */

struct missed {
    struct list_node node; /* in host->missed until the bus took it */
    struct stream_host *host;
    struct bus_peer *peer; /* NULL when it is gone: then its items come back by themselves */
    uint64_t token;
    bool is_sent;
    uint64_t origin_sid, origin_n;
    char *stanza;
    size_t stanza_len;
    uint32_t count;
    uint64_t sids[];
};

static void missed_free(struct missed *missed)
{
    list_remove(&missed->node);
    mem_free(missed->stanza);
    mem_free(missed);
}

static void on_missed_settled(void *arg, enum bus_outcome outcome)
{
    struct missed *missed = arg;
    if (outcome == BUS_SETTLED && missed->peer)
        bus_settle(missed->peer, missed->token);
    missed_free(missed);
}

static void missed_send(struct missed *missed)
{
    struct wire_msg item = {
        .id = WIRE_ID_missed,
        .u.missed =
            {
                .origin_sid = missed->origin_sid,
                .origin_n = missed->origin_n,
                .sids = {missed->sids, missed->count},
                .stanza = span_of(missed->stanza, missed->stanza_len),
            },
    };
    if (bus_send_to(missed->peer, &item, on_missed_settled, missed) == 0)
        missed->is_sent = true;
    else
        stream_retry_start(missed->host);
}

void stream_missed_retry(struct stream_host *host)
{
    LIST_FOREACH_SAFE(node, &host->missed)
    {
        struct missed *missed = CONTAINER_OF(node, struct missed, node);
        if (!missed->is_sent)
            missed_send(missed);
    }
}

bool stream_missed_is_pending(const struct stream_host *host)
{
    LIST_FOREACH(node, &host->missed)
    {
        if (!CONTAINER_OF(node, struct missed, node)->is_sent)
            return true;
    }
    return false;
}

void stream_missed_free(struct stream_host *host)
{
    LIST_FOREACH_SAFE(node, &host->missed)
    {
        missed_free(CONTAINER_OF(node, struct missed, node));
    }
}

void stream_host_peer_down(struct stream_host *host, struct bus_peer *peer)
{
    LIST_FOREACH_SAFE(node, &host->missed)
    {
        struct missed *missed = CONTAINER_OF(node, struct missed, node);
        if (missed->peer != peer)
            continue;
        if (missed->is_sent)
            missed->peer = NULL;
        else
            missed_free(missed);
    }
}

static struct missed *missed_new(struct stream_host *host, const struct wire_deliver *deliver)
{
    struct missed *missed =
        mem_calloc(1, sizeof(*missed) + deliver->sids.count * sizeof(missed->sids[0]));
    list_init(&missed->node);
    missed->host = host;
    missed->origin_sid = deliver->origin_sid;
    missed->origin_n = deliver->origin_n;
    missed->stanza = mem_strdup_span(deliver->stanza);
    missed->stanza_len = deliver->stanza.len;
    return missed;
}

/* ---- deliver ---- */

/* What host->out holds from the last recipient. */
enum xml_form { FORM_NONE, FORM_FRAME, FORM_BYTES };

struct delivery {
    struct stream_host *host;
    struct bus_peer *peer;
    uint64_t token;
    const struct wire_msg *msg;
};

/* Writes the stanza to one session, unless that has it already. False when it is not here, or has just
 * gone because its reader is too slow. The XML of one recipient is good for the next one when `to` is in the stanza. */
static bool write_to(struct stream_host *host, const struct seen_delivery *delivery,
                     const struct stanza *stanza, enum xml_form *written)
{
    struct stream_session *session = map64_get(&host->sessions, delivery->sid);
    if (!session)
        return false;
    if (seen_has(&host->seen, delivery)) {
        metric_inc(METRIC_stream_duplicates);
        return true;
    }
    struct stream *stream = session->stream;
    enum xml_form form = stream->transport->is_framed ? FORM_FRAME : FORM_BYTES;
    bool is_sent;
    metric_inc(METRIC_stream_stanzas_out);
    if (*written == form) {
        is_sent = stream_send(stream, buf_span(&host->out));
    } else {
        *written = stanza->to.len > 0 ? form : FORM_NONE;
        is_sent = stream_send_stanza(stream, stanza, stream_jid(stream));
    }
    if (is_sent)
        seen_add(&host->seen, delivery);
    return is_sent;
}

static void deliver(const struct delivery *d)
{
    const struct wire_deliver *item = &d->msg->u.deliver;
    struct missed *missed = NULL;
    struct stanza stanza;
    enum xml_form written = FORM_NONE;

    arena_reset(&d->host->arena);
    if (stanza_decode(item->stanza, &d->host->arena, &stanza) < 0) {
        LOG_ERROR("bad-delivery", "bytes=%zu", item->stanza.len);
        bus_settle(d->peer, d->token);
        return;
    }
    for (uint32_t i = 0; i < item->sids.count; i++) {
        const struct seen_delivery delivery = {item->origin_sid, item->origin_n,
                                               item->sids.items[i]};
        if (write_to(d->host, &delivery, &stanza, &written))
            continue;
        if (!missed)
            missed = missed_new(d->host, item);
        missed->sids[missed->count++] = item->sids.items[i];
        metric_inc(METRIC_stream_missed);
    }
    if (!missed) {
        bus_settle(d->peer, d->token);
        return;
    }
    missed->peer = d->peer;
    missed->token = d->token;
    list_add_tail(&d->host->missed, &missed->node);
    missed_send(missed);
}

static void end_session(const struct delivery *d)
{
    const struct wire_end_session *item = &d->msg->u.end_session;
    struct stream_session *session = map64_get(&d->host->sessions, item->sid);
    if (session) {
        char *condition = mem_strdup_span(item->condition);
        stream_fail(session->stream, condition[0] ? condition : "conflict", item->text);
        mem_free(condition);
    }
    bus_settle(d->peer, d->token);
}

static void learn_features(const struct delivery *d)
{
    stream_server_learn(d->host, &d->msg->u.stream_features);
    bus_settle(d->peer, d->token);
}

static const struct {
    enum wire_id id;
    void (*fn)(const struct delivery *d);
} items[] = {
    {WIRE_ID_deliver, deliver},
    {WIRE_ID_end_session, end_session},
    {WIRE_ID_stream_features, learn_features},
};

void stream_host_item(struct stream_host *host, struct bus_peer *peer, uint64_t token,
                      const struct wire_msg *msg)
{
    const struct delivery d = {host, peer, token, msg};
    for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++) {
        if (items[i].id == msg->id) {
            items[i].fn(&d);
            return;
        }
    }
    LOG_WARN("unexpected-item", "kind=%s from=%s", wire_name(msg->id), bus_peer_instance(peer));
    bus_settle(peer, token);
}
