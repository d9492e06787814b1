/* Phase BLOCK (XEP-0191): before a stanza is delivered or handed to a service the block lists of both
 * sides are asked.
 *
 * A list belongs to the presence daemon, which keeps a copy in Redis (jd:b). The route cache reads
 * it together with the account's sessions, so that the recipient's list costs a test for NULL when
 * there is none. The sender's would cost a look-up for each stanza: sessions that were seen to have
 * no list are remembered by their id, in a table that is wiped whenever any list changes.
 *
 * In effect when the command is answered: the presence daemon writes SQL, then Redis, then sends
 * every router it knows the item forget_account and waits until all have settled it; only then the
 * client gets its result. A router settles when the account is forgotten, also what is being read
 * just then (the reading is repeated), and the next stanza that needs the account reads the new
 * list. A router that starts later has nothing to forget. One that is cut off from that daemon for
 * so long that its link counts as lost (bus.peer_grace) hears the notice block_changed through the
 * other routers, or learns of a gap in the notices, which makes it forget everything.
 *
 * Nobody is blocked from himself (XEP-0191 section 5, note): stanzas between resources of an account,
 * and what the user and the server itself tell each other, pass; so do our own errors.
 */
#ifndef JACKDAW_ROUTER_BLOCK_H
#define JACKDAW_ROUTER_BLOCK_H

#include "base/span.h"

#include <stdbool.h>
#include <stdint.h>

struct map;
struct route_entry;
struct router;
struct routing;
struct target;

#define BLOCK_CLEAR_SLOTS 4096

/* Sessions whose account is known to block nobody, each in the slot of its id; 0: none. */
struct block_clear {
    uint64_t sids[BLOCK_CLEAR_SLOTS];
};

/* Whether one of the items `blocked` (its keys; NULL: none) matches `jid`. */
bool block_has(const struct map *blocked, struct span jid);

/* Whether it must be known whom the sender blocks before this stanza may go to `target`. */
bool block_asks_sender(const struct routing *routing, const struct target *target);
/* The sender is known: a later stanza of this session need not ask if it blocks nobody. */
void block_remember(struct routing *routing, const struct route_entry *sender);
/* Each: true when the stanza ends here; its sender has been told, where he is to be told. */
bool block_stops_outbound(struct routing *routing, struct target *target,
                          const struct route_entry *sender);
bool block_stops_inbound(struct routing *routing, struct target *target);

/* The list of `account` has changed. */
void block_changed(struct router *router, struct span account);
/* Any list may have changed. */
void block_forget_all(struct router *router);

#endif
