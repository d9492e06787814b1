/* JIDs: node@domain/resource (RFC 7622 as deployed: RFC 6122's stringprep profiles by libidn for
 * node and resource, IDNA2008 by libidn2 for domains). The only user of libidn and libidn2.
 *
 * A normalised JID is text; the functions here split and compare such text without allocating.
 */
#ifndef JACKDAW_JID_JID_H
#define JACKDAW_JID_JID_H

#include "base/arena.h"
#include "base/span.h"

#include <stdbool.h>

#define JID_PART_MAX 1023 /* bytes of each part (RFC 7622 section 3) */
#define JID_MAX      (3 * JID_PART_MAX + 2)

struct jid {
    struct span node;     /* empty: none */
    struct span domain;   /* never empty */
    struct span resource; /* empty: none */
};

/* Splits a normalised (or any) JID text at the first '/' and the '@' before it. No checks but that
 * the domain is not empty: 0, or -1. */
int jid_split(struct span text, struct jid *jid_out);

/* Checks and normalises `text`; the result lives in `arena`. Plain lower-case ASCII is recognised
 * and not run through stringprep. 0, or -1 when it is no valid JID. */
int jid_normalise(struct span text, struct arena *arena, struct span *jid_out);
/* One part alone. */
int jid_normalise_node(struct span text, struct arena *arena, struct span *node_out);
int jid_normalise_domain(struct span text, struct arena *arena, struct span *domain_out);
/* A normalised domain as DNS, TLS and certificates spell it: ASCII (IDNA2008), an IPv6 address without
 * its brackets. 0, or -1 when it cannot be spelled so. */
int jid_domain_to_ascii(struct span domain, struct arena *arena, struct span *ascii_out);
int jid_normalise_resource(struct span text, struct arena *arena, struct span *resource_out);
/* A password (SASLprep, RFC 4013). Wipe what you no longer need. */
int jid_prepare_password(struct span text, struct arena *arena, struct span *password_out);

/* The bare JID of a normalised JID: a prefix of it. */
struct span jid_bare(struct span jid);
/* The resource of a normalised JID, empty when there is none. */
struct span jid_resource(struct span jid);
struct span jid_domain(struct span jid);
struct span jid_node(struct span jid);
bool jid_is_bare(struct span jid);
/* node@domain/resource from normalised parts (empty ones left out), in `arena`. */
struct span jid_join(struct span node, struct span domain, struct span resource,
                     struct arena *arena);

/* ---- temporary accounts (RFC 4505, XEP-0175) ---- */
/* Whether the JID's node is one that jid_make_anonymous makes: such an account is in no table. */
bool jid_is_anonymous(struct span jid);
/* A bare JID that nobody has and nobody can guess, in `arena`. */
struct span jid_make_anonymous(struct span domain, struct arena *arena);

#endif
