/* Roster pushes (RFC 6121 section 2.1.6). */
#ifndef JACKDAW_PRESENCE_PUSH_H
#define JACKDAW_PRESENCE_PUSH_H

#include "roster_store.h"
#include "state.h"

struct job;

/* Pushes one item to all interested resources. */
void push_item(struct job *job, const struct state *state, const struct roster_item *item,
               int64_t version);
/* Pushes one item to one resource. */
void push_item_to(struct job *job, struct span full_jid, const struct roster_item *item,
                  int64_t version);

#endif
