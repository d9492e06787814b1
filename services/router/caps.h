/* Entity capabilities of the server (XEP-0115 section 6.3, XEP-0390 section 5.2): the hash of what
 * disco#info of each domain says, told to the daemons that have clients' streams, which put it into
 * stream features.
 *
 * Services come and go, so it is made anew a moment after the last change and when one that stays
 * away is given up. Clients remember by hash: what was told before is kept and answered under its own
 * hash, and an answer and its hash are made of the same list. Another router that has not seen a
 * short-lived state knows nothing of its hash: <item-not-found/>, and the client asks without.
 */
#ifndef JACKDAW_ROUTER_CAPS_H
#define JACKDAW_ROUTER_CAPS_H

#include "base/buf.h"
#include "base/span.h"

#include <stdbool.h>

struct caps;
struct router;

/* Returns owned. */
struct caps *caps_new(struct router *router);
/* NULL is nothing to free. */
void caps_free(struct caps *caps);
/* Services, streams or the configuration may have changed. `caps` may be NULL. */
void caps_touch(struct caps *caps);
/* Appends what disco#info of `domain` said under `node`: true, or false when that is no node of ours.
 */
bool caps_answer(const struct caps *caps, struct span domain, struct span node, struct buf *out);

#endif
