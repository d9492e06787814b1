/* The tables blocked and block_change (XEP-0191), and the copy of a list that routers read in Redis.
 *
 * SQL is the truth; the copy is written after each change, and again when the list is read for a
 * client or a resource comes online, so that a Redis that has lost it has it back. Nobody is told of
 * a change before all routers know of it.
 */
#ifndef JACKDAW_PRESENCE_BLOCK_STORE_H
#define JACKDAW_PRESENCE_BLOCK_STORE_H

#include "base/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct job;

struct block_list {
    struct span *jids; /* normalised, sorted */
    size_t count;
};

enum block_kind { BLOCK_ADD, BLOCK_REMOVE, BLOCK_REMOVE_ALL };

/* A change of one list; lives in the job's arena. */
struct block_change {
    enum block_kind kind;
    struct block_list items; /* what is to be added or removed */
    /* what came of it */
    const char *refusal;       /* condition of an error; nothing was changed */
    struct block_list now;     /* the list after it */
    struct block_list removed; /* what this change has taken out */
    struct job *job;           /* its own */
};

/* Reads the list into *list, in the job's arena. Holds the job. */
void block_load(struct job *job, struct block_list *list);
/* Runs the change of job->account by the job's request, in one transaction. Holds the job, which may
 * wait for nothing else meanwhile: the worker has its arena. The same stanza again has the same
 * outcome. */
void block_change_run(struct job *job, struct block_change *change);
/* Forgets the account's rows and its copy in Redis. Holds the job. */
void block_forget(struct job *job);

/* ---- for routers ---- */
/* Writes the copy, then has every router forget what it knew; without `must_tell` only where Redis
 * had another copy. Holds the job until all have. */
void block_publish(struct job *job, const struct block_list *list, bool must_tell);
/* Reads the list and, unless it is empty, writes the copy. Holds the job. */
void block_refresh(struct job *job);

#endif
