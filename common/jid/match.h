/* Which items of a list of JIDs match a JID: XEP-0191 section 6 (JID Matching), which is also that
 * of XEP-0016. All JIDs are normalised text.
 *
 *     user@domain/resource   that resource only
 *     user@domain            the account and all its resources
 *     domain/resource        that resource of the domain only, not user@domain/resource
 *     domain                 the domain, its resources, every user@domain
 */
#ifndef JACKDAW_JID_MATCH_H
#define JACKDAW_JID_MATCH_H

#include "base/span.h"

#include <stdbool.h>
#include <stddef.h>

#define JID_MATCH_FORMS 3

/* The items that would match `jid`, in the order in which they are to be tried: itself, its bare
 * JID, its domain. Parts of `jid`; returns how many there are. */
size_t jid_match_forms(struct span jid, struct span forms_out[JID_MATCH_FORMS]);
/* Whether `item` matches `jid`. */
bool jid_match(struct span item, struct span jid);
/* Whether one of the items does. */
bool jid_match_any(const struct span *items, size_t count, struct span jid);

#endif
