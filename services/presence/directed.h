/* Directed presence (RFC 6121 section 4.6): who was sent it, per session, in Redis. */
#ifndef JACKDAW_PRESENCE_DIRECTED_H
#define JACKDAW_PRESENCE_DIRECTED_H

#include "base/span.h"

#include <stddef.h>
#include <stdint.h>

struct job;

struct directed {
    struct span *jids;
    size_t count;
};

/* Fills `directed`, in the job's arena. Holds the job. */
void directed_read(struct job *job, uint64_t sid, struct directed *directed);
/* Holds the job. */
void directed_forget(struct job *job, uint64_t sid);

#endif
