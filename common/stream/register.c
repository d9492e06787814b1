/* Registration before login (XEP-0077 section 3.1): the form is ours, the account session's. */
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "jid/jid.h"
#include "stream/domain_internal.h"
#include "stream/stream_internal.h"

#define FORM                                                                                       \
    "<query xmlns='" NS_REGISTER "'>"                                                              \
    "<instructions>Choose a username and a password.</instructions>"                               \
    "<username/><password/></query>"

static void on_reply(struct stream_call *call, enum bus_outcome outcome,
                     const struct wire_msg *reply)
{
    struct stream *stream = call->stream;
    if (!stream || stream->state == STREAM_ENDED)
        return;
    arena_reset(&call->host->arena);
    if (outcome != BUS_SETTLED || reply->id != WIRE_ID_result) {
        LOG_WARN("register-unanswered", "outcome=%d", (int)outcome);
        stream_refuse_iq(stream, "resource-constraint", SPAN("the server cannot register now"));
    } else if (reply->u.result.condition.len > 0) {
        char *condition = mem_strdup_span(reply->u.result.condition);
        stream_refuse_iq(stream, condition, reply->u.result.text);
        mem_free(condition);
    } else {
        stream_answer_iq(stream, (struct span){0});
    }
}

static struct span field(const struct xml_node *query, const char *name, struct arena *arena)
{
    const struct xml_node *node = xml_find(query->first_child, NS_REGISTER, name);
    return node ? xml_node_text(node, arena) : (struct span){0};
}

static void add_account(struct stream *stream, const struct stanza *iq)
{
    struct arena *arena = &stream->host->arena;
    struct xml_node *query;
    struct span node;
    if (xml_tree_parse(iq->payload, SPAN(NS_CLIENT), arena, &query) < 0 || !query) {
        stream_refuse_iq(stream, "bad-request", (struct span){0});
        return;
    }
    struct span password = field(query, "password", arena);
    struct span username = field(query, "username", arena);
    if (username.len == 0 || password.len == 0 || jid_normalise_node(username, arena, &node) < 0) {
        stream_refuse_iq(stream, "not-acceptable", SPAN("a username and a password are needed"));
        return;
    }
    char address[64];
    stream->transport->address(stream->conn, address, sizeof(address));
    struct span account = jid_join(node, span_cstr(stream->login->domain), (struct span){0}, arena);
    struct wire_msg request = {
        .id = WIRE_ID_account_add,
        .u.account_add = {.account = account, .password = password, .address = span_cstr(address)},
    };
    stream_login_call(stream, hash_span(account), &request, on_reply);
}

void stream_register_iq(struct stream *stream, const struct xml_top *top)
{
    struct stanza iq;
    arena_reset(&stream->host->arena);
    if (stanza_from_xml(top, &stream->host->arena, &iq) != STANZA_FINE ||
        !stanza_child(&iq, NS_REGISTER, "query")) {
        stream_fail(stream, "not-authorized", SPAN("log in first"));
        return;
    }
    stream_login_keep_iq(stream, &iq);
    if (!stream_domain(stream)->registration)
        stream_refuse_iq(stream, "service-unavailable", (struct span){0});
    else if (iq.type == STANZA_GET)
        stream_answer_iq(stream, SPAN(FORM));
    else
        add_account(stream, &iq);
}
