/* Jobs: the work for one request, done in steps, one job of an account after the other.
 *
 * A step issues reads and writes, each of which holds the job (job_hold) until its answer has come
 * (job_release), and names the step that follows when all are there (job_go). Where an answer was
 * "Redis or the database is away" the whole job is run again a little later, until its time is
 * over; steps must bear that. Everything a job reads lives in its arena.
 */
#ifndef JACKDAW_PRESENCE_JOB_H
#define JACKDAW_PRESENCE_JOB_H

#include "base/arena.h"
#include "base/list.h"
#include "loop/timer.h"
#include "service/service.h"

struct presence;
struct job;
struct job_queue;
struct roster_change;

typedef void job_fn(struct job *job);

struct job {
    struct list_node node; /* in its queue */
    struct job_queue *queue;
    struct presence *presence;
    struct span account;             /* bare JID the job works for */
    struct service_request *request; /* NULL: nobody waits for an answer */
    struct arena *arena;             /* the request's, or `own` */
    struct arena own;
    struct roster_change *change; /* freed with the job, or NULL */
    void *data;                   /* the steps' own, in the arena */
    /* job.c's */
    job_fn *run;
    job_fn *then;
    uint32_t holds;
    bool has_failed;
    uint64_t since_ms;
    uint32_t delay_ms;
    struct loop_timer retry;
};

/* Runs `run` now, or when all earlier jobs of the account have ended. */
void job_start(struct presence *presence, struct span account, struct service_request *request,
               job_fn *run);

/* One more answer is awaited. */
void job_hold(struct job *job);
/* It has come; `ok` false: what was asked is away. May continue, retry or end the job. */
void job_release(struct job *job, bool ok);
/* When no answer is awaited any more, now or later, `then` is next. The caller returns after it. */
void job_go(struct job *job, job_fn *then);

/* Each ends the job and, if there is one, answers its request. */
void job_finish(struct job *job);
void job_result(struct job *job, struct span payload);
void job_vouch(struct job *job); /* service_vouch */
void job_pass(struct job *job);  /* service_pass */
void job_error(struct job *job, const char *condition, const char *text);
/* Ends the job but leaves its request without an answer: another job will go on with it. */
void job_leave(struct job *job);

/* ---- sending on behalf of the account ---- */
/* `stanza` to `recipients` (none: to its own `to`); with `inbound` the recipients' service gets it.
 * The request is not settled before the router has it. */
void job_forward(struct job *job, const struct stanza *stanza, const struct span *recipients,
                 size_t count, bool inbound);
/* As job_forward to the stanza's own `to`, for its service, and has `next` run as a new job for the
 * same request when the recipient's service has dealt with it. Followed by job_leave. */
void job_forward_then(struct job *job, const struct stanza *stanza, job_fn *next);
/* An empty presence of that type from the bare account to the bare `to`, for its service. */
void job_send_bare(struct job *job, enum stanza_type type, struct span to);

/* Frees all jobs, answering none: at exit. */
void job_free_all(struct presence *presence);

#endif
