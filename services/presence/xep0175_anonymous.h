/* What anonymous accounts may not do (XEP-0175 section 3): they have no roster and no subscriptions,
 * neither of their own nor of others, as nothing of them may outlive their session. */
#ifndef JACKDAW_PRESENCE_XEP0175_ANONYMOUS_H
#define JACKDAW_PRESENCE_XEP0175_ANONYMOUS_H

#include "service/service.h"

/* Whether the request is one of those; then it is answered (not-allowed, or for a contact that wants
 * to subscribe: unsubscribed) and over. */
bool xep0175_refuse(void *ctx, struct service_request *request);

#endif
