/* XEP-0030: Service Discovery of the server and of accounts.
 *
 * What is shown comes from tables: our own and what live services announce. Nothing else, so
 * nothing can be shown that is not there. Nodes: those of the server's capabilities (caps.h); a
 * service that has some announces the namespace itself.
 *
 * Accounts (section 8): whether somebody may see another's account only its presence daemon knows,
 * who announces disco#info for accounts and vouches for those who may (they are answered like the
 * owner); without one it is <service-unavailable/>. disco#items is an empty list to everybody.
 * Nothing tells whether the account exists.
 */
#include "caps.h"
#include "conf/conf.h"
#include "jid/jid.h"
#include "own.h"
#include "router.h"
#include "xml/ns.h"

struct listing {
    struct disco *disco;
    struct span lang;
};

static void each_feature(void *arg, struct span feature)
{
    struct listing *listing = arg;

    disco_add_feature(listing->disco, arena_copy(listing->disco->arena, feature));
}

/* `text` is "category type". */
static void each_identity(void *arg, struct span text)
{
    struct listing *listing = arg;
    struct span copy = arena_copy(listing->disco->arena, text);
    size_t space = span_find(copy, ' ');
    struct disco_identity identity = {
        .category = span_head(copy, space),
        .type = span_from(copy, space + 1),
        .lang = listing->lang,
    };

    disco_add_identity(listing->disco, &identity);
}

/* Our handlers count for an account when they answer its owner. */
static bool is_shown(const struct own_handler *handler, enum services_scope scope)
{
    unsigned bits = scope == SCOPE_SERVER ? OWN_SERVER : OWN_ACCOUNT | OWN_OWN;

    return handler->feature && (handler->scopes & bits);
}

/* Our own handlers and what live services announced. */
static void list_all(const struct router *router, enum services_scope scope,
                     struct listing *listing)
{
    services_each(router->services, SERVICES_IDENTITY, scope, each_identity, listing);
    for (const struct own_handler *handler = own_handlers; handler->ns; handler++) {
        if (is_shown(handler, scope))
            disco_add_feature(listing->disco, span_cstr(handler->feature));
    }
    services_each(router->services, SERVICES_FEATURE, scope, each_feature, listing);
}

void xep0030_server(const struct router *router, struct span domain, struct arena *arena,
                    struct disco *disco_out)
{
    struct listing listing = {disco_out, SPAN("en")};
    struct disco_identity identity = {
        .category = SPAN("server"),
        .type = SPAN("im"),
        .lang = listing.lang,
        .name = arena_copy(arena,
                           span_cstr(conf_str_of(router->conf, CONF_router_server_name, domain))),
    };

    disco_init(disco_out, arena);
    disco_add_identity(disco_out, &identity);
    list_all(router, SCOPE_SERVER, &listing);
    disco_add_feature(disco_out, SPAN(NS_CAPS));
    disco_add_feature(disco_out, SPAN(NS_CAPS2));
    xep0157_contact(router, domain, disco_out);
}

static void account_info(const struct own_request *request, struct disco *disco_out)
{
    struct listing listing = {disco_out, {0}};
    const struct stanza *stanza = request->stanza;
    bool is_anonymous = jid_is_anonymous(span_is_empty(stanza->to) ? stanza->from : stanza->to);
    struct disco_identity identity = {
        .category = SPAN("account"),
        .type = is_anonymous ? SPAN("anonymous") : SPAN("registered"), /* XEP-0175 section 5 */
    };

    disco_init(disco_out, request->arena);
    disco_add_identity(disco_out, &identity);
    /* Announcements know the scopes server and account only. */
    list_all(request->router, SCOPE_ACCOUNT, &listing);
}

static struct span node_of(const struct own_request *request)
{
    struct span bytes = stanza_child_bytes(request->stanza, request->child);
    struct xml_node *query;

    if (xml_tree_parse(bytes, SPAN(NS_CLIENT), request->arena, &query) != 0 || !query)
        return (struct span){0};
    return xml_node_attr(query, "node");
}

/* The server has nodes: its capabilities, now and a little earlier. */
const char *xep0030_info(const struct own_request *request, struct buf *payload)
{
    struct span domain = jid_domain(request->stanza->to);
    struct span node = node_of(request);
    struct disco disco = {0};

    if (request->scope == SCOPE_ACCOUNT)
        return "service-unavailable";
    if (!span_is_empty(node)) {
        bool is_known = request->scope == SCOPE_SERVER &&
                        caps_answer(request->router->caps, domain, node, payload);
        return is_known ? NULL : "item-not-found";
    }
    if (request->scope == SCOPE_SERVER)
        xep0030_server(request->router, domain, request->arena, &disco);
    else
        account_info(request, &disco);
    disco_write(&disco, (struct span){0}, payload);
    return NULL;
}

const char *xep0030_items(const struct own_request *request, struct buf *payload)
{
    if (request->scope != SCOPE_ACCOUNT && !span_is_empty(node_of(request)))
        return "item-not-found";
    buf_append_cstr(payload, "<query xmlns=\"" NS_DISCO_ITEMS "\"/>");
    return NULL;
}
