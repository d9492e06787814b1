/* What the files of the keeper share. */
#ifndef JACKDAW_SESSION_KEEPER_INTERNAL_H
#define JACKDAW_SESSION_KEEPER_INTERNAL_H

#include "base/map.h"
#include "custody/queue.h"
#include "keeper.h"

enum kept_state {
    KEPT_TAKING,  /* the registry was asked */
    KEPT_LOADING, /* it is ours; what is queued is being read */
    KEPT_READY,
    KEPT_ENDING, /* nobody can resume it any more */
};

/* A session that is kept. */
struct kept {
    struct keeper *keeper;
    struct custody_queue queue;
    struct loop_timer timer; /* the time to resume; while ending or loading: to try again */
    enum kept_state state;
    uint64_t sid;
    uint64_t epoch;
    uint64_t detached_ms;
    uint32_t resume_s;
    bool must_end; /* as soon as it can */
    bool is_busy;  /* a callback is on its way */
    bool is_gone;  /* dropped while one was: freed by it */
    keeper_done_fn *done;
    void *done_arg;
    char *account; /* owned */
    char *jid;     /* full; NULL while it is taken */
    struct ending *ending;
};

struct keeper {
    struct session *session;
    struct custody custody;
    struct registry_lease *lease;
    const char *instance;
    struct map64 kept;        /* by sid */
    struct list_node endings; /* struct ending.node: those that were dropped too, until answered */
    bool is_stopped;
};

/* ---- keeper.c ---- */
struct kept *kept_find(struct keeper *keeper, uint64_t sid);
/* Asks the registry for the session; `change` without holder, lease and time. */
struct kept *kept_take(struct keeper *keeper, const struct registry_change *change,
                       keeper_done_fn *done, void *arg);
/* A session that is in no registry any more, under the epoch its holder had: to end it. */
void kept_take_orphan(struct keeper *keeper, struct span jid, uint64_t sid, uint64_t epoch);
/* It is somebody else's, or has ended: what was not kept goes back to the routers. */
void kept_drop(struct kept *kept);
/* After a callback: false when it was dropped meanwhile (it is freed then). */
bool kept_returns(struct kept *kept);

/* ---- ending.c ---- */
void kept_end(struct kept *kept);
void ending_free(struct ending *ending);
/* When no answer comes any more. */
void endings_free(struct keeper *keeper);

#endif
