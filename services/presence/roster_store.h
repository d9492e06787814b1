/* The tables roster_version, roster_item and last_activity: their schema and what reads them. */
#ifndef JACKDAW_PRESENCE_ROSTER_STORE_H
#define JACKDAW_PRESENCE_ROSTER_STORE_H

#include "base/span.h"
#include "sql/sql.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct job;

/* Changes older than this many versions are not told one by one (RFC 6121 section 2.6.3). */
#define ROSTER_HISTORY 1000
/* Between the groups of an item as stored: a character that XML cannot contain. */
#define ROSTER_GROUP_END '\x1f'

extern const struct sql_migration roster_migrations[];
extern const size_t roster_migration_count;

struct roster_item {
    struct span jid;
    struct span name;
    struct span groups; /* each followed by ROSTER_GROUP_END */
    unsigned state;     /* STATE_* bits (states.h) */
    struct span
        request; /* the subscription request, encoded, while STATE_PENDING (roster_contacts) */
};

struct roster {
    struct roster_item *items;
    size_t count;
    int64_t version;
    bool is_current; /* the client has this version: no items */
    bool is_delta; /* items are those changed since; an item that is not STATE_LISTED was removed */
};

/* Each fills its last argument, in the job's arena, and holds the job. */
/* The roster as a client that has version `since` (-1: none) needs it. */
void roster_load(struct job *job, int64_t since, struct roster *roster);
/* Who has to do with the account's presence: TO, FROM or PENDING. Without names and groups. */
void roster_contacts(struct job *job, struct roster *roster);
/* Everything listed or pending: for the removal of the account. */
void roster_everything(struct job *job, struct roster *roster);
/* The state bits of one contact, 0 when there is none. */
void roster_state(struct job *job, struct span contact, unsigned *state);

/* Forgets all rows of the account. */
void roster_forget(struct job *job);

/* ---- XEP-0012 ---- */
struct last_activity {
    bool is_known;
    int64_t left_ms; /* real time when the last resource went */
    struct span status;
};
void last_load(struct job *job, struct last_activity *last);
/* Not waited for: a loss of it is no harm. */
void last_save(struct job *job, struct span status);

#endif
