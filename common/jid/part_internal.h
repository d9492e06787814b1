/* Normalising the parts of a JID. The result is `text` itself where nothing had to change, else it
 * is in `arena`. 0, or -1 for what is not allowed or has no or too many bytes. */
#ifndef JACKDAW_JID_PART_INTERNAL_H
#define JACKDAW_JID_PART_INTERNAL_H

#include "base/arena.h"
#include "base/span.h"

int jid_part_node(struct span text, struct arena *arena, struct span *node_out);
int jid_part_domain(struct span text, struct arena *arena, struct span *domain_out);
int jid_part_resource(struct span text, struct arena *arena, struct span *resource_out);

#endif
