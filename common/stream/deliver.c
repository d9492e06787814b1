/* What comes down the bus for sessions held here: written once and settled; sessions that are not
 * here any more are told back to the router. */
#include "base/log.h"
#include "base/mem.h"
#include "metric/metric.h"
#include "stream/server_internal.h"
#include "stream/stream_internal.h"
#include "stream/xep0198_internal.h"
#include "trace/trace.h"

void stream_host_peer_down(struct stream_host *host, struct bus_peer *peer)
{
    custody_peer_down(&host->custody, peer);
}

/* ---- deliver ---- */

/* What host->out holds from the last recipient. */
enum xml_form { FORM_NONE, FORM_FRAME, FORM_BYTES };

struct item {
    struct stream_host *host;
    struct bus_peer *peer;
    uint64_t token;
    const struct wire_msg *msg;
};

/* A `deliver` item on its way to its sessions. */
struct sharing {
    const struct item *item;
    struct stanza stanza;
    enum xml_form written;
    struct delivery *delivery; /* when it cannot be settled at once; held */
};

static struct delivery *delivery_of(struct sharing *sharing)
{
    const struct item *item = sharing->item;
    if (!sharing->delivery)
        sharing->delivery =
            delivery_new(&item->host->custody, item->peer, item->token, &item->msg->u.deliver);
    return sharing->delivery;
}

/* Writes the stanza to one session, unless that has it already. False when it has just gone because
 * its reader is too slow. The XML of one recipient is good for the next one when `to` is in the
 * stanza. */
static bool write_to(struct sharing *sharing, struct stream_session *session,
                     const struct seen_delivery *key)
{
    struct stream_host *host = sharing->item->host;
    struct stream *stream = session->stream;
    if (seen_has(&host->custody.seen, key)) {
        metric_inc(METRIC_stream_duplicates);
        return true;
    }
    enum xml_form form = stream->transport->is_framed ? FORM_FRAME : FORM_BYTES;
    bool is_sent;
    if (sharing->written == form) {
        metric_inc(METRIC_stream_stanzas_out);
        is_sent = stream_send(stream, buf_span(&host->out));
    } else {
        sharing->written = sharing->stanza.to.len > 0 ? form : FORM_NONE;
        is_sent = stream_write_stanza(stream, &sharing->stanza, stream_jid(stream));
    }
    if (is_sent)
        seen_add(&host->custody.seen, key);
    return is_sent;
}

/* False when the session does not get it. */
static bool give_to(struct sharing *sharing, uint64_t sid)
{
    struct stream_host *host = sharing->item->host;
    const struct wire_deliver *deliver = &sharing->item->msg->u.deliver;
    const struct seen_delivery key = {deliver->origin_sid, deliver->origin_n, sid};
    struct stream_session *session = map64_get(&host->sessions, sid);
    if (!session)
        return map64_get(&host->resuming, sid) && stream_sm_hold(host, sid, delivery_of(sharing));
    if (!stream_session_has_queue(session))
        return session->stream && write_to(sharing, session, &key);
    return stream_sm_deliver(session, delivery_of(sharing)) == 0;
}

static void note(const struct sharing *sharing, uint64_t sid, bool is_given)
{
    const struct stream_host *host = sharing->item->host;
    const struct wire_deliver *deliver = &sharing->item->msg->u.deliver;
    const struct stream_session *session = map64_get(&host->sessions, sid);
    struct span jid = session ? span_cstr(session->jid) : (struct span){0};
    struct span to = sharing->stanza.to.len > 0 ? sharing->stanza.to : jid;
    if (trace_wants(host->options.trace, sharing->stanza.from, to))
        trace_note(host->options.trace, (struct trace_id){deliver->origin_sid, deliver->origin_n},
                   is_given ? "with the session" : "not here any more", jid);
}

static void deliver(const struct item *item)
{
    const struct wire_deliver *msg = &item->msg->u.deliver;
    struct sharing sharing = {.item = item};

    arena_reset(&item->host->arena);
    if (stanza_decode(msg->stanza, &item->host->arena, &sharing.stanza) < 0) {
        LOG_ERROR("bad-delivery", "bytes=%zu", msg->stanza.len);
        bus_settle(item->peer, item->token);
        return;
    }
    for (uint32_t i = 0; i < msg->sids.count; i++) {
        bool is_given = give_to(&sharing, msg->sids.items[i]);
        note(&sharing, msg->sids.items[i], is_given);
        if (is_given)
            continue;
        delivery_missed(delivery_of(&sharing), msg->sids.items[i]);
        metric_inc(METRIC_stream_missed);
    }
    if (sharing.delivery)
        delivery_release(sharing.delivery);
    else
        bus_settle(item->peer, item->token);
}

static void end_session(const struct item *d)
{
    const struct wire_end_session *item = &d->msg->u.end_session;
    struct stream_session *session = map64_get(&d->host->sessions, item->sid);
    if (session && item->epoch != 0) {
        if (session->sm && session->epoch < item->epoch)
            stream_sm_lost(session);
    } else if (session && session->stream) {
        char *condition = mem_strdup_span(item->condition);
        stream_fail(session->stream, condition[0] ? condition : "conflict", item->text);
        mem_free(condition);
    }
    bus_settle(d->peer, d->token);
}

static void learn_features(const struct item *d)
{
    stream_server_learn(d->host, &d->msg->u.stream_features);
    bus_settle(d->peer, d->token);
}

static const struct {
    enum wire_id id;
    void (*fn)(const struct item *d);
} items[] = {
    {WIRE_ID_deliver, deliver},
    {WIRE_ID_end_session, end_session},
    {WIRE_ID_stream_features, learn_features},
};

void stream_host_item(struct stream_host *host, struct bus_peer *peer, uint64_t token,
                      const struct wire_msg *msg)
{
    const struct item d = {host, peer, token, msg};
    for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++) {
        if (items[i].id == msg->id) {
            items[i].fn(&d);
            return;
        }
    }
    LOG_WARN("unexpected-item", "kind=%s from=%s", wire_name(msg->id), bus_peer_instance(peer));
    bus_settle(peer, token);
}
