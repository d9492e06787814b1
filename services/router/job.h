/* Custody: an item somebody sent us, until everything it caused is settled.
 *
 * A job holds a copy of the stanza and counts what is still on its way because of it: parcels for
 * sessions, errands for services, answers (jobs of their own, with a parent), waiting for
 * knowledge. When the count falls to zero the item's token is settled at whoever sent it, and the
 * job is freed.
 */
#ifndef JACKDAW_ROUTER_JOB_H
#define JACKDAW_ROUTER_JOB_H

#include "base/list.h"
#include "base/span.h"
#include "bus/bus.h"
#include "rules.h"

#include <stdbool.h>
#include <stdint.h>

struct owner;
struct router;

/* A peer that sends us items; outlives the bus_peer as long as jobs name it. */
struct spoke {
    struct list_node all;  /* in router->spokes */
    struct bus_peer *peer; /* NULL: gone, nobody to settle with */
    uint32_t refs;
    uint32_t caps; /* the generation it has been sent (caps.h) */
};

struct job {
    struct list_node all;  /* in router->jobs */
    struct list_node wait; /* in an order, or in router->early */
    struct router *router;
    struct spoke *spoke; /* or NULL: made here */
    struct job *parent;  /* held, or NULL */
    uint64_t token;
    uint64_t origin_sid;
    uint64_t origin_n;
    uint64_t since_ms;
    uint32_t holds;
    enum rules_source source;
    bool is_answer;            /* the router's own, to whoever asked (answer.h) */
    bool is_traced;            /* notes are made of it (router_note) */
    bool is_kept;              /* the archives of its accounts have been given it (keep.h) */
    const struct owner *owner; /* who it waits for, while it is in a queue */
    struct span stanza;        /* encoded */
    char bytes[];
};

struct job_options {
    struct spoke *spoke;
    uint64_t token;
    uint64_t origin_sid;
    uint64_t origin_n;
    enum rules_source source;
    struct job *parent;
    bool is_answer;
    struct span stanza; /* copied */
};

/* With one hold, the caller's. */
struct job *job_new(struct router *router, const struct job_options *options);
void job_hold(struct job *job);
void job_release(struct job *job);
/* Frees without settling: at exit. */
void job_abandon(struct job *job);

/* Returns owned, one reference. */
struct spoke *spoke_new(struct router *router, struct bus_peer *peer);
void spoke_unref(struct spoke *spoke);

#endif
