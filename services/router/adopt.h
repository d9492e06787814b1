/* Stanzas for sessions whose holder is gone and whose client may come back (XEP-0198): a session
 * daemon takes the session over and keeps them.
 */
#ifndef JACKDAW_ROUTER_ADOPT_H
#define JACKDAW_ROUTER_ADOPT_H

#include "base/span.h"
#include "job.h"

struct adopts;

/* Returns owned. */
struct adopts *adopts_new(struct router *router);
void adopts_free(struct adopts *adopts);

struct adoption {
    struct span account; /* bare JID of the session */
    uint64_t sid;
    uint64_t epoch; /* as far as we know */
};
/* Sends the job's stanza there; holds the job meanwhile. It has entered the session's lane, and
 * leaves it when this is settled. */
void adopt_send(struct job *job, const struct adoption *adoption);

#endif
