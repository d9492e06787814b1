/* Counting requests at the database, and answering them. */
#include "ask.h"

#include "metric/metric.h"

struct ask *ask_new(struct pubsub *pubsub, struct service_request *request)
{
    struct ask *ask = arena_calloc(&request->arena, 1, sizeof(*ask));
    ask->pubsub = pubsub;
    ask->request = request;
    pubsub->asks++;
    return ask;
}

static void end(struct pubsub *pubsub)
{
    if (--pubsub->asks == 0 && pubsub->drained) {
        daemon_done_fn *done = pubsub->drained;
        pubsub->drained = NULL;
        done(pubsub->drained_arg);
    }
}

void ask_result(struct ask *ask, struct span payload)
{
    struct pubsub *pubsub = ask->pubsub;
    service_reply_result(ask->request, payload);
    end(pubsub);
}

void ask_error(struct ask *ask, const char *condition, const char *text)
{
    struct pubsub *pubsub = ask->pubsub;
    service_reply_error(ask->request, condition, text);
    end(pubsub);
}

void ask_failed(struct ask *ask, enum sql_status status)
{
    metric_inc(METRIC_pubsub_failed);
    if (status == SQL_DOWN) {
        ask_error(ask, "resource-constraint", "Temporarily out of order");
    } else {
        ask_error(ask, "internal-server-error", NULL);
    }
}
