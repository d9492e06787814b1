/* In-band registration for users who are logged in (XEP-0077 sections 3.2 and 3.3). */
#include "xep0077_register.h"

#include "account_remove.h"
#include "conf/conf.h"
#include "jid/jid.h"
#include "session.h"
#include "xml/ns.h"

/* ---- looking into the request ---- */

static void refuse(struct register_query *query, const char *condition, const char *text)
{
    *query = (struct register_query){REGISTER_REFUSE, condition, text, {0}};
}

static size_t count_elements(const struct xml_node *first)
{
    size_t count = 0;
    for (const struct xml_node *node = first; node; node = node->next) {
        count += !span_is_empty(node->name);
    }
    return count;
}

static void parse_change(const struct xml_node *fields, struct span account, struct arena *arena,
                         struct register_query *query)
{
    const struct xml_node *username = xml_find(fields, NS_REGISTER, "username");
    const struct xml_node *password = xml_find(fields, NS_REGISTER, "password");
    struct span name;
    if (!username || !password) {
        refuse(query, "bad-request", "A change of password needs username and password.");
    } else if (jid_normalise_node(xml_node_text(username, arena), arena, &name) != 0 ||
               !span_eq(name, jid_node(account))) {
        refuse(query, "not-allowed", "You can change the password of your own account only.");
    } else if (span_is_empty(xml_node_text(password, arena))) {
        refuse(query, "bad-request", "The new password is empty.");
    } else {
        query->action = REGISTER_CHANGE;
        query->password = xml_node_text(password, arena);
    }
}

void xep0077_parse(const struct stanza *iq, struct span account, struct arena *arena,
                   struct register_query *query_out)
{
    struct xml_node *first;
    struct span domain = jid_domain(account);
    *query_out = (struct register_query){.action = REGISTER_GET};
    if (!span_is_empty(iq->to) && !span_eq(iq->to, domain) && !span_eq(iq->to, account)) {
        refuse(query_out, "not-allowed", "Your account is registered elsewhere.");
        return;
    }
    if (iq->type == STANZA_GET) {
        return;
    }
    if (xml_tree_parse(iq->payload, SPAN(NS_CLIENT), arena, &first) != 0 || !first) {
        refuse(query_out, "bad-request", NULL);
        return;
    }
    const struct xml_node *fields = first->first_child;
    if (!xml_find(fields, NS_REGISTER, "remove")) {
        parse_change(fields, account, arena, query_out);
    } else if (count_elements(fields) != 1) {
        refuse(query_out, "bad-request", "A removal must not carry anything else.");
    } else {
        query_out->action = REGISTER_REMOVE;
    }
}

/* ---- what is registered ---- */

static void answer_get(struct session *session, struct service_request *request)
{
    struct buf payload = {0};
    (void)session;
    buf_append_cstr(&payload, "<query xmlns='" NS_REGISTER "'><registered/><username>");
    xml_escape(jid_node(request->from_bare), &payload);
    buf_append_cstr(&payload, "</username><password/></query>");
    service_reply_result(request, buf_span(&payload));
    buf_deinit(&payload);
}

/* ---- change of password ---- */

static void on_changed(void *arg, const struct wire_msg *reply)
{
    struct service_request *request = arg;
    const struct wire_result *result = &reply->u.result;
    if (span_is_empty(result->condition)) {
        service_reply_result(request, (struct span){0});
        return;
    }
    struct span condition = arena_copy(&request->arena, result->condition);
    struct span text = arena_copy(&request->arena, result->text);
    service_reply_error(request, condition.data, text.data);
}

static void change(struct session *session, struct service_request *request, struct span password)
{
    struct wire_msg call = {.id = WIRE_ID_account_password};
    call.u.account_password.account = request->from_bare;
    call.u.account_password.password = password;
    session_call(session, &call, on_changed, request);
    crypt_wipe((void *)(uintptr_t)password.data, password.len);
}

/* ---- removal ---- */

/* Outlives its request: the sessions end when routers have passed the result on. It is a job so
 * that it is freed with the daemon. */
struct farewell {
    struct job job;
    struct span account;
    struct service_request *request;
};

static void drop_answer(void *arg, const struct wire_msg *reply)
{
    (void)arg;
    (void)reply;
}

static void on_result_sent(void *arg)
{
    struct farewell *farewell = arg;
    account_remove_then(farewell->job.session, farewell->account);
    job_result(&farewell->job, "", "");
}

static void send_result(struct farewell *farewell)
{
    struct service_request *request = farewell->request;
    struct stanza result;
    stanza_make_result(&request->stanza, (struct span){0}, &request->arena, &result);
    if (span_is_empty(result.from)) {
        result.from = request->account; /* the request had no `to` */
    }
    service_forward(request->service, &(struct service_forward){.stanza = &result,
                                                                .request = request,
                                                                .sent = on_result_sent,
                                                                .arg = farewell});
    service_finish(request);
}

/* An account that is gone already: this request was dealt with by an instance that died before it
 * could answer. */
static void on_removed(void *arg, enum account_status status)
{
    struct farewell *farewell = arg;
    if (status == ACCOUNT_DOWN) {
        service_reply_error(farewell->request, "resource-constraint",
                            "The database cannot be reached at the moment. Try again soon.");
        job_result(&farewell->job, "", "");
        return;
    }
    send_result(farewell);
}

static void remove_account(struct session *session, struct service_request *request)
{
    struct farewell *farewell = job_new(session, sizeof(*farewell), drop_answer, NULL);
    farewell->account = arena_copy(&farewell->job.arena, request->from_bare);
    farewell->request = request;
    account_remove_first(session, farewell->account, on_removed, farewell);
}

/* ---- the handler ---- */

static bool is_allowed(const struct session *session, struct span domain,
                       enum register_action action)
{
    const struct conf *conf = session->options.conf;
    return action == REGISTER_GET ||
           (action == REGISTER_CHANGE &&
            conf_bool_of(conf, CONF_session_password_change, domain)) ||
           (action == REGISTER_REMOVE && conf_bool_of(conf, CONF_session_account_removal, domain));
}

void xep0077_register(void *ctx, struct service_request *request)
{
    struct session *session = ctx;
    struct register_query query;
    struct span domain = jid_domain(request->from_bare);
    xep0077_parse(&request->stanza, request->from_bare, &request->arena, &query);
    if (jid_is_anonymous(request->from_bare)) {
        service_reply_error(request, "not-allowed", "Anonymous users are not registered.");
    } else if (query.action == REGISTER_REFUSE) {
        service_reply_error(request, query.condition, query.text);
    } else if (!session_has_domain(session, domain)) {
        service_reply_error(request, "not-allowed", "Accounts are not registered this way here.");
    } else if (!is_allowed(session, domain, query.action)) {
        service_reply_error(request, "not-allowed", "Ask the operator of this server.");
    } else if (query.action == REGISTER_CHANGE) {
        change(session, request, query.password);
    } else if (query.action == REGISTER_REMOVE) {
        remove_account(session, request);
    } else {
        answer_get(session, request);
    }
}
