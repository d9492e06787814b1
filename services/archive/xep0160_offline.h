/* XEP-0160 Best Practices for Handling Offline Messages: what happens to stored ones.
 *
 * They are delivered in order, a page at a time, when the presence daemon tells (through a router,
 * `came`) that a session can take messages, and forgotten when the routers have settled them. Three
 * things make that safe:
 *  - before `came` is settled the account is noted as due (offline_store.h), so that another instance
 *    goes on where this one dies;
 *  - a message may have been stored while its account came online: after each commit Redis is asked
 *    whether the account is there, before the item is settled;
 *  - a message that could not be delivered after all comes back (WIRE_KEEP_AGAIN) before its
 *    delivery is settled, and is then not forgotten.
 * They keep their origin, so that a holder drops what a session has got already.
 *
 * A session that has read its archive (XEP-0313) before it comes is not sent again what it found
 * there (section 5.1.1 of that): those messages are forgotten at once.
 */
#ifndef JACKDAW_ARCHIVE_XEP0160_OFFLINE_H
#define JACKDAW_ARCHIVE_XEP0160_OFFLINE_H

#include "archive.h"

struct kept;

/* Returns owned. */
struct offline *offline_new(struct archive *archive);
void offline_free(struct offline *offline);

/* A `came` item. */
void offline_came(struct offline *offline, struct bus_peer *peer, uint64_t token,
                  const struct wire_msg *msg);
/* Committed to the offline store: ends it when it is known whether its account is there. Followed
 * by one offline_stored_all, before control goes back to the loop. */
void offline_stored(struct offline *offline, struct kept *kept);
void offline_stored_all(struct offline *offline);
/* Session `sid` has read its archive; what came until `horizon_ms` was there. */
void offline_reader(struct offline *offline, uint64_t sid, uint64_t horizon_ms);

#endif
