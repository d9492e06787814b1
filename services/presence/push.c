/* One forward carries the push to all who get it. */
#include "push.h"

#include "base/rand.h"
#include "bus/wire.h"
#include "job.h"
#include "metric/metric.h"
#include "roster_xml.h"

#include <inttypes.h>

static void push(struct job *job, const struct span *jids, size_t count,
                 const struct roster_item *item, int64_t version)
{
    struct stanza stanza = {
        .kind = STANZA_IQ,
        .type = STANZA_SET,
        .from = job->account,
        .id = arena_printf(job->arena, "push-%08" PRIx32, (uint32_t)rand_u64()),
    };
    roster_query_attach(roster_query_write(item, 1, version, job->arena), job->arena, &stanza);
    job_forward(job, &stanza, jids, count, false);
    metric_inc(METRIC_presence_pushes);
}

void push_item(struct job *job, const struct state *state, const struct roster_item *item,
               int64_t version)
{
    const struct span *jids = NULL;
    size_t count = state_jids(job, state, WIRE_PRESENCE_INTERESTED, &jids);
    if (count) {
        push(job, jids, count, item, version);
    }
}

void push_item_to(struct job *job, struct span full_jid, const struct roster_item *item,
                  int64_t version)
{
    push(job, &full_jid, 1, item, version);
}
