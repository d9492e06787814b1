/* What the router answers itself, on behalf of the server or of an account: one table, one file per
 * XEP. disco#info shows the features of this table and of all live services.
 */
#ifndef JACKDAW_ROUTER_OWN_H
#define JACKDAW_ROUTER_OWN_H

#include "base/buf.h"
#include "disco/disco.h"
#include "route.h"
#include "services.h"

#define OWN_GET 1u
#define OWN_SET 2u

/* Scopes, as bits: 1u << enum services_scope. */
#define OWN_SERVER  (1u << SCOPE_SERVER)
#define OWN_ACCOUNT (1u << SCOPE_ACCOUNT)
#define OWN_OWN     (1u << SCOPE_OWN)

/* A question answered on the spot. */
struct own_request {
    const struct router *router;
    const struct stanza *stanza;
    const struct xml_child *child;
    enum services_scope scope;
    struct arena *arena;
};

/* Appends the result's payload and returns NULL, or returns the condition of the error. */
typedef const char *own_fn(const struct own_request *request, struct buf *payload);

struct own_handler {
    const char *ns;
    const char *element;
    unsigned types;
    unsigned scopes;
    const char *feature; /* for disco#info, or NULL */
    own_fn *answer;
};

/* The handlers, ended by one whose ns is NULL. */
extern const struct own_handler own_handlers[];

/* Answers the routing's iq if the table has its namespace for this scope; else false. */
bool own_answer(struct routing *routing, const struct target *target, enum services_scope scope);

/* disco#info of one of our domains, in `arena`. */
void xep0030_server(const struct router *router, struct span domain, struct arena *arena,
                    struct disco *disco_out);
/* Adds the form of contact addresses, if there are any. */
void xep0157_contact(const struct router *router, struct span domain, struct disco *disco);
/* Logs addresses of the router's domains that are no URIs: they are not shown. */
void xep0157_check(const struct router *router);

own_fn xep0012_last;
own_fn xep0030_info;
own_fn xep0030_items;
own_fn xep0092_version;
own_fn xep0199_ping;
own_fn xep0202_time;

#endif
