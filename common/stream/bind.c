/* Resource binding (RFC 6120 section 7): session chooses the resource and registers the session. */
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "stream/stream_internal.h"

static void refuse_late(struct stream *stream, enum bus_outcome outcome)
{
    LOG_WARN("bind-unanswered", "outcome=%d", (int)outcome);
    stream_refuse_iq(stream, "resource-constraint", SPAN("the server cannot bind now"));
}

static void confirm(struct stream *stream, const struct wire_bind_reply *reply)
{
    struct buf payload = {0};
    buf_append_cstr(&payload, "<bind xmlns='" NS_BIND "'><jid>");
    xml_escape(reply->jid, &payload);
    buf_append_cstr(&payload, "</jid></bind>");
    stream_answer_iq(stream, buf_span(&payload));
    buf_deinit(&payload);
}

/* From here on the session is live: what is delivered to it finds it. */
static void go_live(struct stream *stream, struct stream_session *session)
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

static void on_reply(struct stream_call *call, enum bus_outcome outcome,
                     const struct wire_msg *reply)
{
    struct stream *stream = call->stream;
    bool is_here = stream && stream->state != STREAM_ENDED;
    if (is_here)
        arena_reset(&call->host->arena);
    if (is_bound(outcome, reply)) {
        const struct wire_bind_reply *bound = &reply->u.bind_reply;
        struct stream_session *session = stream_session_new(call->host, bound->jid, bound->sid);
        if (!is_here) {
            stream_session_leave(session);
            return;
        }
        go_live(stream, session);
        confirm(stream, bound);
    } else if (is_here && outcome == BUS_SETTLED && reply->id == WIRE_ID_bind_reply) {
        char *condition = mem_strdup_span(reply->u.bind_reply.condition);
        stream_refuse_iq(stream, condition, reply->u.bind_reply.text);
        mem_free(condition);
    } else if (is_here) {
        refuse_late(stream, outcome);
    }
}

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
    char address[64];
    stream->transport->address(stream->conn, address, sizeof(address));
    stream_login_keep_iq(stream, &iq);
    struct span account = span_cstr(stream->login->account);
    struct wire_msg request = {
        .id = WIRE_ID_bind,
        .u.bind =
            {
                .account = account,
                .resource = asked_resource(&iq, arena),
                .holder = span_cstr(stream->host->options.holder),
                .address = span_cstr(address),
                .transport = span_cstr(stream->transport->name),
            },
    };
    stream_login_call(stream, hash_span(account), &request, on_reply);
}
