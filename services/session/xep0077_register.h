/* XEP-0077 for users who are logged in: what is registered, change of password, removal. (What
 * comes before login is between the stream and account_add.) */
#ifndef JACKDAW_SESSION_XEP0077_REGISTER_H
#define JACKDAW_SESSION_XEP0077_REGISTER_H

#include "service/service.h"

/* The handler; its service's ctx is the struct session. */
void xep0077_register(void *ctx, struct service_request *request);

/* What an iq asks for. */
enum register_action { REGISTER_GET, REGISTER_CHANGE, REGISTER_REMOVE, REGISTER_REFUSE };
struct register_query {
    enum register_action action;
    const char *condition; /* REGISTER_REFUSE: the error */
    const char *text;
    struct span password; /* REGISTER_CHANGE; in the arena */
};
/* Looks into an iq get or set (`payload`: its content) that comes from `account`. */
void xep0077_parse(const struct stanza *iq, struct span account, struct arena *arena,
                   struct register_query *query_out);

#endif
