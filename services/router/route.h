/* One stanza on its way: decoded for as long as it takes to find out where it goes.
 *
 * route_begin .. route_end enclose it; in between route_to is called for each recipient, and what
 * they get is collected so that each holder gets one parcel. Where something must be looked up
 * first, the recipient is kept (with a hold on the job) and routed in a routing of its own later.
 */
#ifndef JACKDAW_ROUTER_ROUTE_H
#define JACKDAW_ROUTER_ROUTE_H

#include "router.h"
#include "stanza/stanza.h"

struct parcel_draft;

struct routing {
    struct router *router;
    struct job *job;
    struct arena *arena;
    struct stanza stanza;
    enum rules_row row;
    struct parcel_draft *drafts;
    bool is_sender_clear; /* who sent it blocks nobody (block.h) */
    bool is_ahead;        /* a holder has missed it: it comes before what waits (lane.h) */
};

/* A recipient. */
struct target {
    struct span jid;     /* empty: the sender's own account */
    struct span account; /* bare JID, when it is a local account */
    struct span resource;
    bool is_verified;         /* `entry` is what Redis has now */
    const uint64_t *excluded; /* sessions known to be gone */
    uint32_t excluded_count;
    uint64_t missed; /* see route_missed; 0: no */
    struct holder *misser;
    enum rules_dest dest;
    const struct route_entry *entry;   /* when the column depends on sessions */
    const struct route_session *match; /* DEST_FULL_MATCH */
};

/* Decodes the job's stanza. -1 (logged, nothing to end) when it is none that can be routed. */
int route_begin(struct routing *routing, struct router *router, struct job *job);
void route_end(struct routing *routing);
/* Routes to `jid`, but to none of the sessions `excluded`. */
void route_to(struct routing *routing, struct span jid, const uint64_t *excluded,
              uint32_t excluded_count);
/* All in one: begin, to, end. */
void route_job_to(struct job *job, struct span jid, const uint64_t *excluded,
                  uint32_t excluded_count);
/* Routes to the stanza's own `to`. */
void route_job(struct job *job);
/* Whether the target may be given this session: its holder is not gone, or the session can be
 * resumed; it is not excluded. */
bool route_is_usable(const struct target *target, const struct route_session *session);

/* A message to `to` that the sessions `lost` did not get: whether other resources of the account,
 * chosen by the same rule, have it anyway. */
bool route_is_covered(struct router *router, struct span to, const struct wire_u64s *lost);

/* Session `sid` of `account` was not at `misser`: if it may be somewhere else (else false), to
 * where it is now, kept for it when nobody has it, or, when it has ended, as route_without. */
bool route_missed(struct routing *routing, struct span account, uint64_t sid,
                  struct holder *misser);

/* The sessions `gone` have ended: presence for them is for nobody, anything else goes where its `to`
 * says without them. */
void route_without(struct routing *routing, const struct wire_u64s *gone);

/* What the table says (action.c). */
void action_do(struct routing *routing, struct target *target, enum rules_action action);
/* Whether a service has to agree before a request goes to a full JID: then it has been handed over. */
bool action_guarded(struct routing *routing, const struct target *target);
/* Whether what becomes of the stanza depends on there being such an account. */
bool action_asks_existence(const struct routing *routing);
/* The service that a client's stanza will be handed to as far as its header tells, or NULL. */
const struct owner *action_owner(const struct routing *routing);

#endif
