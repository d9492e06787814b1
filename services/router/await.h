/* A router that has just started has not met the archive daemons yet, and must not take that for there
 * being none: what it delivers would be in no archive. Where the cluster has some (they say so in
 * Redis, jd:{archive}) messages that are to be kept wait until the first of them has said hello, for
 * AWAIT_MS at most.
 */
#ifndef JACKDAW_ROUTER_AWAIT_H
#define JACKDAW_ROUTER_AWAIT_H

#include "base/list.h"
#include "loop/timer.h"

#include <stdbool.h>

#define AWAIT_MS 10000

struct await_question;
struct job;
struct router;

/* Embedded in the router. */
struct await {
    struct list_node jobs; /* struct job.wait */
    struct loop_timer timer;
    struct loop_timer retry;
    struct await_question *question; /* at Redis, or NULL */
    bool is_on;
};

void await_init(struct router *router);
void await_deinit(struct router *router);
/* From now on until it is known whether there are any. */
void await_begin(struct router *router);
/* A daemon has said hello. */
void await_check(struct router *router);
/* Keeps the job until the wait is over, if it is on: then it is routed. */
bool await_hold(struct router *router, struct job *job);

#endif
