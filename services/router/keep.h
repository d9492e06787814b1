/* Phase ARCHIVE: messages handed to the archive daemon, to be delivered later (XEP-0160) or to be
 * found again (XEP-0313).
 *
 * A message that is delivered to sessions is handed over beside, for each of the two accounts that
 * is ours; what has been handed over and is not settled only holds the job, never the delivery. The
 * recipient's copy gets its id in the archive (XEP-0359) at once: the id is made of the message's
 * origin and the account, so that a retry through another router makes the same one, and nobody who
 * does not know the origin (a random number) can foresee it.
 *
 * While no daemon keeps messages nothing is handed over, and who cannot be reached gets nothing.
 */
#ifndef JACKDAW_ROUTER_KEEP_H
#define JACKDAW_ROUTER_KEEP_H

#include "route.h"

/* ---- what is kept (keep_rules.c); of type normal and chat ---- */
/* XEP-0160 section 3: all but what holds chat states (XEP-0085) alone, or asks not to be stored
 * (XEP-0334). */
enum keep_offline {
    KEEP_STORE,
    KEEP_DROP,   /* not worth an answer */
    KEEP_REFUSE, /* must not be stored: its sender is told */
};
enum keep_offline keep_offline(const struct stanza *stanza);
/* XEP-0313 section 5.1.1 and the hints of XEP-0334. */
bool keep_in_archive(const struct stanza *stanza);

/* ---- the phase ---- */
/* The stanza is about to go to sessions of the target: archives it, and returns the routing whose
 * parcels are to be filled, `routing` itself or `own`; NULL when it
 * has to wait (await.h). Ends with keep_end. */
struct routing *keep_live(struct routing *routing, const struct target *target,
                          struct routing *own);
void keep_end(struct routing *routing, struct routing *filled);

/* Whether it must be known first that there is such an account, and is not. */
bool keep_asks_existence(const struct routing *routing, const struct target *target);
/* ACT_STORE. */
void keep_store(struct routing *routing, struct target *target);

/* Session `sid` of the job's sender can take messages now: holds the job until the archive knows.
 */
void keep_came(struct routing *routing, uint64_t sid);

#endif
