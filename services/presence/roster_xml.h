/* Roster items as XML (RFC 6121 section 2.1): reading what a client sets, writing results and
 * pushes. */
#ifndef JACKDAW_PRESENCE_ROSTER_XML_H
#define JACKDAW_PRESENCE_ROSTER_XML_H

#include "roster_store.h"
#include "service/service.h"

struct presence_limits;

/* What a roster set asks for. Spans live in the request or its arena. */
struct roster_wish {
    struct span jid; /* bare, normalised */
    struct span name;
    struct span groups; /* as stored */
    bool is_removal;
};

/* Checks the request's payload (section 2.3.3): NULL and *wish_out, or the error's condition. */
const char *roster_wish_read(struct service_request *request, const struct presence_limits *limits,
                             struct roster_wish *wish_out);

/* The iq payload with these items, in `arena`; an item that is not STATE_LISTED is written as
 * removed. `version` 0 with no items is a roster nobody ever touched. */
struct span roster_query_write(const struct roster_item *items, size_t count, int64_t version,
                               struct arena *arena);
/* Makes `query` (of roster_query_write) the payload of `stanza`. */
void roster_query_attach(struct span query, struct arena *arena, struct stanza *stanza);

#endif
