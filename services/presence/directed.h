/* Directed presence (RFC 6121 section 4.6): who was sent it, per session, in Redis. */
#ifndef JACKDAW_PRESENCE_DIRECTED_H
#define JACKDAW_PRESENCE_DIRECTED_H

#include "base/span.h"
#include "stanza/stanza.h"

#include <stddef.h>
#include <stdint.h>

struct job;

struct directed {
    uint64_t sid;
    struct span *jids;
    size_t count;
};

/* Fills `directed`, in the job's arena. Holds the job. */
void directed_read(struct job *job, uint64_t sid, struct directed *directed);
/* Sends `stanza`, the unavailable presence of session `sid`, to `jids` of `directed`, and forgets
 * all of `directed` when the router has it: not before, or a daemon that dies in between would
 * leave them with a ghost. */
void directed_tell(struct job *job, const struct stanza *stanza, const struct directed *directed,
                   const struct span *jids, size_t count);

#endif
