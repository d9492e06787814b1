/* XEP-0280: the handlers of <enable/> and <disable/> (services/router copies the messages). */
#ifndef JACKDAW_SESSION_XEP0280_CARBONS_H
#define JACKDAW_SESSION_XEP0280_CARBONS_H

#include "service/service.h"

/* Their service's ctx is the struct session. */
void xep0280_enable(void *ctx, struct service_request *request);
void xep0280_disable(void *ctx, struct service_request *request);

#endif
