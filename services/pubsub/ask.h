/* A request that is at the database, and its end. */
#ifndef JACKDAW_PUBSUB_ASK_H
#define JACKDAW_PUBSUB_ASK_H

#include "pubsub.h"

struct ask {
    struct pubsub *pubsub;
    struct service_request *request;
};

/* In the request's arena. */
struct ask *ask_new(struct pubsub *pubsub, struct service_request *request);

/* Each answers the request; `ask` is gone afterwards. */
void ask_result(struct ask *ask, struct span payload);
void ask_error(struct ask *ask, const char *condition, const char *text);
/* The database said no: `status` is not SQL_OK. Redis away is SQL_DOWN too. */
void ask_failed(struct ask *ask, enum sql_status status);

#endif
