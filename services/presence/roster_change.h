/* A change of one roster item, with the version of the roster, in one transaction. */
#ifndef JACKDAW_PRESENCE_ROSTER_CHANGE_H
#define JACKDAW_PRESENCE_ROSTER_CHANGE_H

#include "base/arena.h"
#include "roster_store.h"
#include "states.h"

#include <stdint.h>

enum roster_change_kind { CHANGE_SET, CHANGE_REMOVE, CHANGE_EVENT };

struct roster_change {
    /* what is wanted; spans live in `arena` */
    enum roster_change_kind kind;
    struct span account;
    struct span jid;
    struct span name;   /* SET */
    struct span groups; /* SET */
    enum states_event event;
    struct span request; /* IN_SUBSCRIBE: the stanza, encoded */
    uint64_t origin_sid; /* the stanza that wants it */
    uint64_t origin_n;
    uint32_t max_items;
    uint32_t max_requests;
    /* what came of it */
    const char *refusal; /* condition of an error; nothing was changed */
    unsigned before;     /* state bits */
    unsigned actions;    /* EVENT: DO_* bits */
    bool is_visible;     /* the roster as shown has changed: push `item` */
    struct roster_item item;
    int64_t version;
    /* its own */
    struct arena arena;
    struct arena found; /* what was read in this attempt */
    struct job *job;
};

/* Returns owned: a change for the job's account and the request's stanza, with nothing else filled
 * in; becomes job->change and is freed with it. */
struct roster_change *roster_change_new(struct job *job, enum roster_change_kind kind,
                                        struct span jid);
/* Runs it. Holds the job. The same stanza again has the same outcome. */
void roster_change_run(struct roster_change *change);
void roster_change_free(struct roster_change *change);

#endif
