/* XEP-0030: Service Discovery of the server and of accounts.
 *
 * What is shown comes from tables: our own and what live services announce. Nothing else, so
 * nothing can be shown that is not there. Nodes: none are known here, a service that has some
 * announces the namespace itself.
 *
 * Accounts (section 8): whether somebody may see another's account only its presence daemon knows,
 * who announces disco#info for accounts and vouches for those who may (they are answered like the
 * owner); without one it is <service-unavailable/>. disco#items is an empty list to everybody.
 * Nothing tells whether the account exists.
 */
#include "own.h"
#include "xml/ns.h"

struct listing {
    struct buf *out;
    const struct services *services;
    enum services_scope scope;
};

static void write_feature(struct buf *out, struct span feature)
{
    buf_append_cstr(out, "<feature");
    xml_write_attr("var", feature, out);
    buf_append_cstr(out, "/>");
}

static bool is_own_feature(enum services_scope scope, struct span feature);

static void each_feature(void *arg, struct span feature)
{
    struct listing *listing = arg;

    if (!is_own_feature(listing->scope, feature))
        write_feature(listing->out, feature);
}

/* `text` is "category type". */
static void each_identity(void *arg, struct span text)
{
    struct listing *listing = arg;
    size_t space = span_find(text, ' ');

    buf_append_cstr(listing->out, "<identity");
    xml_write_attr("category", span_head(text, space), listing->out);
    xml_write_attr("type", span_from(text, space + 1), listing->out);
    buf_append_cstr(listing->out, "/>");
}

/* Our handlers count for an account when they answer its owner. */
static bool is_shown(const struct own_handler *handler, enum services_scope scope)
{
    unsigned bits = scope == SCOPE_SERVER ? OWN_SERVER : OWN_ACCOUNT | OWN_OWN;

    return handler->feature && (handler->scopes & bits);
}

static bool is_own_feature(enum services_scope scope, struct span feature)
{
    for (const struct own_handler *handler = own_handlers; handler->ns; handler++) {
        if (is_shown(handler, scope) && span_is(feature, handler->feature))
            return true;
    }
    return false;
}

static struct span node_of(const struct own_request *request)
{
    struct span bytes = stanza_child_bytes(request->stanza, request->child);
    struct xml_node *query;

    if (xml_tree_parse(bytes, SPAN(NS_CLIENT), request->arena, &query) != 0 || !query)
        return (struct span){0};
    return xml_node_attr(query, "node");
}

const char *xep0030_info(const struct own_request *request, struct buf *payload)
{
    /* Announcements know the scopes server and account only. */
    enum services_scope scope = request->scope == SCOPE_SERVER ? SCOPE_SERVER : SCOPE_ACCOUNT;
    struct listing listing = {payload, request->router->services, scope};

    if (request->scope == SCOPE_ACCOUNT)
        return "service-unavailable";
    if (!span_is_empty(node_of(request)))
        return "item-not-found";
    buf_append_cstr(payload, "<query xmlns=\"" NS_DISCO_INFO "\">");
    buf_append_cstr(payload, scope == SCOPE_SERVER
                                 ? "<identity category=\"server\" type=\"im\" name=\"Jackdaw\"/>"
                                 : "<identity category=\"account\" type=\"registered\"/>");
    services_each(listing.services, SERVICES_IDENTITY, scope, each_identity, &listing);
    for (const struct own_handler *handler = own_handlers; handler->ns; handler++) {
        if (is_shown(handler, scope))
            write_feature(payload, span_cstr(handler->feature));
    }
    services_each(listing.services, SERVICES_FEATURE, scope, each_feature, &listing);
    buf_append_cstr(payload, "</query>");
    return NULL;
}

const char *xep0030_items(const struct own_request *request, struct buf *payload)
{
    if (request->scope != SCOPE_ACCOUNT && !span_is_empty(node_of(request)))
        return "item-not-found";
    buf_append_cstr(payload, "<query xmlns=\"" NS_DISCO_ITEMS "\"/>");
    return NULL;
}
