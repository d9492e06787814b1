/* Counting requests at the database, and answering them. */
#include "ask.h"

#include "metric/metric.h"

struct ask *ask_new(struct archive *archive, struct service_request *request)
{
    struct ask *ask = arena_calloc(&request->arena, 1, sizeof(*ask));

    ask->archive = archive;
    ask->request = request;
    archive_begin(archive);
    return ask;
}

void ask_result(struct ask *ask, struct span payload)
{
    struct archive *archive = ask->archive;

    service_reply_result(ask->request, payload);
    archive_end(archive);
}

void ask_error(struct ask *ask, const char *condition, const char *text)
{
    struct archive *archive = ask->archive;

    service_reply_error(ask->request, condition, text);
    archive_end(archive);
}

void ask_failed(struct ask *ask, enum sql_status status)
{
    metric_inc(METRIC_archive_queries_failed);
    if (status == SQL_DOWN)
        ask_error(ask, "resource-constraint", "Temporarily out of order");
    else
        ask_error(ask, "internal-server-error", NULL);
}
