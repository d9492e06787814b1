/* The table of what the router answers itself. */
#include "own.h"

#include "answer.h"
#include "xml/ns.h"

#define EVERYBODY (OWN_SERVER | OWN_ACCOUNT | OWN_OWN)

const struct own_handler own_handlers[] = {
    {NS_DISCO_INFO, "query", OWN_GET, EVERYBODY, NS_DISCO_INFO, xep0030_info},
    {NS_DISCO_ITEMS, "query", OWN_GET, EVERYBODY, NS_DISCO_ITEMS, xep0030_items},
    {NS_PING, "ping", OWN_GET, OWN_SERVER | OWN_OWN, NS_PING, xep0199_ping},
    {NS_VERSION, "query", OWN_GET, OWN_SERVER, NS_VERSION, xep0092_version},
    {NS_TIME, "time", OWN_GET, OWN_SERVER, NS_TIME, xep0202_time},
    {NS_LAST, "query", OWN_GET, OWN_SERVER, NS_LAST, xep0012_last},
    {NULL, NULL, 0, 0, NULL, NULL},
};

static unsigned type_bit(enum stanza_type type)
{
    return type == STANZA_GET ? OWN_GET : type == STANZA_SET ? OWN_SET : 0;
}

/* The handler for the iq, or NULL and why not: NULL when the namespace is not ours here. */
static const struct own_handler *find(const struct stanza *stanza, unsigned scope,
                                      const char **condition_out)
{
    const struct xml_child *child = &stanza->children[0];

    *condition_out = NULL;
    for (const struct own_handler *handler = own_handlers; handler->ns; handler++) {
        if (!(handler->scopes & scope) || !span_is(child->ns, handler->ns))
            continue;
        if (!span_is(child->name, handler->element))
            *condition_out = "bad-request";
        else if (!(handler->types & type_bit(stanza->type)))
            *condition_out = "service-unavailable";
        else
            return handler;
    }
    return NULL;
}

bool own_answer(struct routing *routing, const struct target *target, enum services_scope scope)
{
    struct own_request request = {
        .router = routing->router,
        .stanza = &routing->stanza,
        .scope = scope,
        .arena = routing->arena,
    };
    const struct own_handler *handler;
    const char *condition;
    struct buf payload = {0};

    if (routing->stanza.child_count == 0)
        return false;
    request.child = &routing->stanza.children[0];
    handler = find(&routing->stanza, 1u << scope, &condition);
    if (handler)
        condition = handler->answer(&request, &payload);
    if (condition)
        answer_error(routing, target, condition);
    else if (handler)
        answer_result(routing, buf_span(&payload));
    buf_deinit(&payload);
    return handler || condition;
}
