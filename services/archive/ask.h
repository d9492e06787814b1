/* A request that is at the database, and its end. */
#ifndef JACKDAW_ARCHIVE_ASK_H
#define JACKDAW_ARCHIVE_ASK_H

#include "archive.h"

struct ask {
    struct archive *archive;
    struct service_request *request;
};

/* In the request's arena. */
struct ask *ask_new(struct archive *archive, struct service_request *request);

/* Each answers the request; `ask` is gone afterwards. */
void ask_result(struct ask *ask, struct span payload);
void ask_error(struct ask *ask, const char *condition, const char *text);
/* The database said no: `status` is not SQL_OK. */
void ask_failed(struct ask *ask, enum sql_status status);

#endif
