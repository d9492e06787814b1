/* Errands: stanzas on their way to the service that owns them, as `handle` items. */
#ifndef JACKDAW_ROUTER_ERRAND_H
#define JACKDAW_ROUTER_ERRAND_H

#include "job.h"
#include "services.h"

struct errands;

/* Returns owned. */
struct errands *errands_new(struct router *router);
void errands_free(struct errands *errands);

/* Hands the job's stanza to the instance of `owner` that acts for `account`: the account in its
 * `to` when `inbound`, else in its `from`. Waits for that service as long as it takes; holds the
 * job. */
void errand_send(struct job *job, const struct owner *owner, struct span account, bool inbound);

#endif
