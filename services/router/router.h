/* The router's state and what its files share.
 *
 * Way of a stanza: router.c takes the item and makes a job, order.c says whether it may go on,
 * route.c finds the column of the table for each recipient (waiting for route_cache.c where it
 * must), block.c stops what is blocked, action.c does what the table says: parcels to holders (parcel.c, holder.c), errands to
 * services (errand.c, services.c), answers of our own (answer.c, own.c, xep*.c).
 */
#ifndef JACKDAW_ROUTER_ROUTER_H
#define JACKDAW_ROUTER_ROUTER_H

#include "await.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/list.h"
#include "block.h"
#include "bus/bus.h"
#include "job.h"
#include "loop/timer.h"
#include "route_cache.h"
#include "rules.h"

#include <stdbool.h>
#include <stdint.h>

struct caps;
struct adopts;
struct conf;
struct daemon;
struct errands;
struct holders;
struct lanes;
struct loader;
struct loop;
struct orders;
struct redis;
struct services;
struct trace;

struct router {
    struct loop *loop;
    struct bus *bus;
    struct holders *holders;
    struct route_cache *cache;
    struct services *services;
    struct orders *orders;
    struct errands *errands;
    struct adopts *adopts;
    struct lanes *lanes;
    struct caps *caps;
    const struct conf *conf;
    struct list_node jobs; /* struct job.all */
    size_t job_count;
    struct list_node spokes; /* struct spoke.all */
    struct await await;
    struct list_node early; /* struct job.wait: until the services have said who they are */
    struct loop_timer early_timer;
    bool is_early;
    struct arena domain_arena;
    struct span *domains; /* normalised */
    size_t domain_count;
    bool bare_to_all;     /* router.bare_messages = all */
    struct arena scratch; /* of the routing going on; reset when none is */
    struct buf encoded;
    uint32_t depth;
    struct block_clear clear;
    uint64_t origin_sid; /* of answers to what has no origin itself */
    uint64_t origin_n;
    uint64_t started_ms;
    struct daemon *daemon; /* this and the next two are life.c's */
    struct redis *redis;
    struct loader *loader;
    struct trace *trace;     /* or NULL */
    void (*idle)(void *arg); /* called when the last job is gone, or NULL */
    void *idle_arg;
    struct loop_timer drain_timer; /* life.c's */
};

struct router_options {
    struct loop *loop;
    struct bus *bus;
    struct route_source source;
    const struct conf *conf;
    struct daemon *daemon; /* for life.c, may be NULL */
};

/* Returns owned. */
struct router *router_new(const struct router_options *options);
void router_free(struct router *router);
/* What a reload may change. */
void router_configure(struct router *router, const struct conf *conf);
bool router_is_own_domain(const struct router *router, struct span domain);
/* A job is gone (job.c). */
void router_job_done(struct router *router);
/* A note for the trace of the job's stanza, if it is traced (trace/trace.h). */
void router_note(const struct job *job, const char *what, struct span detail);
/* Keeps the job's request until the services are known. */
void router_keep_early(struct router *router, struct job *job);

/* For bus_handlers; ctx is the router. */
void router_peer_up(void *ctx, struct bus_peer *peer);
void router_peer_down(void *ctx, struct bus_peer *peer);
void router_item(void *ctx, struct bus_peer *peer, uint64_t token, const struct wire_msg *msg);
void router_notice(void *ctx, const struct wire_msg *msg);
void router_notice_gap(void *ctx);

#endif
