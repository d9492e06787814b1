/* Resource binding (RFC 6120 section 7): session chooses the resource and registers the session. */
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "stream/bind_internal.h"

void stream_go_live(struct stream *stream, struct stream_session *session)
{
    stream->session = session;
    session->stream = stream;
    stream->state = STREAM_BOUND;
    stream_lift_limits(stream);
    stream_idle_start(stream);
}

static bool is_bound(enum bus_outcome outcome, const struct wire_msg *reply)
{
    return outcome == BUS_SETTLED && reply->id == WIRE_ID_bind_reply &&
           reply->u.bind_reply.condition.len == 0;
}

static void refuse(struct stream *stream, const struct wire_bind_reply *reply)
{
    char *condition = mem_strdup_span(reply->condition);
    stream->login->binder->refuse(stream, condition, reply->text);
    mem_free(condition);
}

static void on_reply(struct stream_call *call, enum bus_outcome outcome,
                     const struct wire_msg *reply)
{
    struct stream *stream = call->stream;
    bool is_here = stream && stream->state != STREAM_ENDED;
    if (is_here)
        arena_reset(&call->host->arena);
    if (is_bound(outcome, reply)) {
        const struct wire_bind_reply *bound = &reply->u.bind_reply;
        struct stream_session *session =
            stream_session_new(call->host, bound->jid, bound->sid, bound->epoch);
        if (!is_here) {
            stream_session_leave(session, true);
            return;
        }
        stream_go_live(stream, session);
        stream->login->binder->confirm(stream, bound);
    } else if (is_here && outcome == BUS_SETTLED && reply->id == WIRE_ID_bind_reply) {
        refuse(stream, &reply->u.bind_reply);
    } else if (is_here) {
        LOG_WARN("bind-unanswered", "outcome=%d", (int)outcome);
        stream->login->binder->refuse(stream, "resource-constraint",
                                      SPAN("the server cannot bind now"));
    }
}

void stream_bind(struct stream *stream, const struct stream_binder *binder,
                 const struct wire_bind *ask)
{
    char address[64];
    stream->transport->address(stream->conn, address, sizeof(address));
    struct span account = span_cstr(stream->login->account);
    struct wire_msg request = {.id = WIRE_ID_bind, .u.bind = *ask};
    request.u.bind.account = account;
    request.u.bind.holder = span_cstr(stream->host->options.holder);
    request.u.bind.address = span_cstr(address);
    request.u.bind.transport = span_cstr(stream->transport->name);
    stream->login->binder = binder;
    stream_login_call(stream, hash_span(account), &request, on_reply);
}

/* ---- RFC 6120 section 7: as an iq ---- */

static void confirm(struct stream *stream, const struct wire_bind_reply *reply)
{
    struct buf payload = {0};
    buf_append_cstr(&payload, "<bind xmlns='" NS_BIND "'><jid>");
    xml_escape(reply->jid, &payload);
    buf_append_cstr(&payload, "</jid></bind>");
    stream_answer_iq(stream, buf_span(&payload));
    buf_deinit(&payload);
}

static const struct stream_binder by_iq = {confirm, stream_refuse_iq};

/* The resource the client asks for, empty when it leaves the choice to us. */
static struct span asked_resource(const struct stanza *iq, struct arena *arena)
{
    struct xml_node *bind;
    if (xml_tree_parse(iq->payload, SPAN(NS_CLIENT), arena, &bind) < 0 || !bind)
        return (struct span){0};
    const struct xml_node *resource = xml_find(bind->first_child, NS_BIND, "resource");
    return resource ? xml_node_text(resource, arena) : (struct span){0};
}

void stream_bind_iq(struct stream *stream, const struct xml_top *top)
{
    struct arena *arena = &stream->host->arena;
    struct stanza iq;
    arena_reset(arena);
    if (stanza_from_xml(top, arena, &iq) != STANZA_FINE || iq.type != STANZA_SET ||
        !stanza_child(&iq, NS_BIND, "bind")) {
        stream_fail(stream, "not-authorized", SPAN("bind a resource first"));
        return;
    }
    stream_login_keep_iq(stream, &iq);
    struct wire_bind ask = {.resource = asked_resource(&iq, arena)};
    stream_bind(stream, &by_iq, &ask);
}
