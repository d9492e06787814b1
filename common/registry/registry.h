/* The registry of sessions in Redis: who is bound where. Written by `session`, read by routers.
 *
 * jd:s:{account} is a hash of resource to session_record (wire.def). Which sessions a holder (a
 * daemon that holds streams) has is in its index, jd:e:{holder}; registry/lease.h and
 * registry/sweep.h say how a holder that dies is cleaned up after. Each function is one round
 * trip; its callback is called exactly once, never from inside, with REGISTRY_DOWN when Redis is
 * not reachable. Spans handed to a callback live for the callback.
 */
#ifndef JACKDAW_REGISTRY_REGISTRY_H
#define JACKDAW_REGISTRY_REGISTRY_H

#include "base/arena.h"
#include "base/span.h"
#include "bus/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct redis;

enum registry_status {
    REGISTRY_OK,
    REGISTRY_DOWN,     /* Redis did not answer: try later */
    REGISTRY_CONFLICT, /* the resource is taken and policy says to keep it; or it has moved */
    REGISTRY_FULL,     /* the account has as many sessions as it may */
    REGISTRY_GONE,     /* the account was removed a moment ago; or there is no such session */
};

/* A session as the registry has it. `record` is what is stored; `sid` in it is unique. */
struct registry_session {
    struct span resource;
    struct wire_session_record record;
};

/* ---- reading ---- */
typedef void registry_read_fn(void *arg, enum registry_status status,
                              const struct registry_session *sessions, size_t count);
/* All sessions of a bare JID (none: REGISTRY_OK with count 0). Records that cannot be decoded are
 * left out and logged. */
void registry_read(struct redis *redis, struct span account, registry_read_fn *fn, void *arg);

/* ---- writing: session only ---- */
/* What happens when the resource asked for is bound already (RFC 6120 section 7.7.2.2). */
enum registry_conflict {
    REGISTRY_REPLACE, /* the newer one wins */
    REGISTRY_REFUSE,  /* the older one stays */
};

struct registry_bind {
    struct span account;
    struct span resource;
    struct wire_session_record record;
    enum registry_conflict conflict;
    uint32_t max_sessions; /* of the account */
    uint32_t lease_ms;     /* for a holder that has no lease yet (registry/lease.h) */
};

/* `replaced` is the session that had the resource, or NULL. */
typedef void registry_bind_fn(void *arg, enum registry_status status,
                              const struct wire_session_record *replaced);
void registry_bind(struct redis *redis, const struct registry_bind *bind, registry_bind_fn *fn,
                   void *arg);

/* A session somebody held. */
struct registry_held {
    struct span jid; /* full */
    struct span holder;
    uint64_t sid;
    uint64_t epoch;
};

typedef void registry_done_fn(void *arg, enum registry_status status);
/* Removes the session from registry and index, if the resource is still `sid`'s and its holder the
 * same; its resume queue (of that epoch) too. Again is fine. */
void registry_unbind(struct redis *redis, const struct registry_held *held, registry_done_fn *fn,
                     void *arg);
/* From now on, for `ttl_ms`, nobody can bind for this account; registry_reopen ends that. */
void registry_close(struct redis *redis, struct span account, uint32_t ttl_ms, registry_done_fn *fn,
                    void *arg);
void registry_reopen(struct redis *redis, struct span account);

/* ---- listing all sessions, page by page ---- */
struct registry_listed {
    struct span jid;
    struct wire_session_record record;
};
/* `next` is where the following page starts, empty at the end. */
typedef void registry_list_fn(void *arg, enum registry_status status,
                              const struct registry_listed *sessions, size_t count,
                              struct span next);
/* About `max` sessions from `after` on (empty: from the start; else a `next` from before). Sessions
 * that come or go meanwhile may or may not be seen. Several round trips. */
void registry_list(struct redis *redis, struct span after, uint32_t max, registry_list_fn *fn,
                   void *arg);

/* The resume queue of a session under one epoch (custody/queue.h); in `arena`. */
struct span registry_queue_key(struct span account, uint64_t sid, uint64_t epoch,
                               struct arena *arena);

#endif
