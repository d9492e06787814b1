/* XEP-0059 Result Set Management: which part of a result is asked for, and what the answer says of it.
 */
#ifndef JACKDAW_ARCHIVE_XEP0059_RSM_H
#define JACKDAW_ARCHIVE_XEP0059_RSM_H

#include "base/arena.h"
#include "base/buf.h"
#include "xml/xml.h"

#include <stdbool.h>
#include <stdint.h>

struct rsm_request {
    bool has_max;
    bool is_backwards; /* <before/>, with or without an id */
    bool has_index;
    uint64_t max;
    uint64_t index;
    struct span after;  /* empty: from the start */
    struct span before; /* empty: to the end */
};

/* From the <set/> among these nodes; without one all is zero. 0, or -1 when a number is none. */
int rsm_read(const struct xml_node *nodes, struct arena *arena, struct rsm_request *request_out);

struct rsm_answer {
    struct span first; /* empty: the page is */
    struct span last;
    bool has_index;
    uint64_t index; /* of the first one in the whole result */
    bool has_count;
    uint64_t count;
};
/* Appends <set/>. */
void rsm_write(const struct rsm_answer *answer, struct buf *out);

#endif
