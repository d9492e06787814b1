/* The canonicaliser: turns a parser's events into a struct xml_top, writing the content in
 * canonical form as the events come, without a tree in between. */
#ifndef JACKDAW_XML_CANON_INTERNAL_H
#define JACKDAW_XML_CANON_INTERNAL_H

#include "xml/xml.h"

#include <stdbool.h>

/* Between namespace and local name in the names that expat reports: no byte of UTF-8. */
#define CANON_SEPARATOR '\xff'

struct canon {
    const struct xml_limits *limits;
    struct arena arena; /* strings of the element at hand but its content */
    struct buf content;
    struct buf text;
    uint32_t depth;     /* open elements, the top-level one included */
    bool is_tag_open;   /* the last start tag in `content` still lacks its '>' */
    struct xml_top top; /* pointers are set by canon_finish */
    struct xml_attr attrs[XML_MAX_ATTRS];
    struct xml_child children[XML_MAX_CHILDREN];
    struct span ns[XML_MAX_DEPTH + 1]; /* of the open elements, by depth */
};

void canon_init(struct canon *canon);
void canon_deinit(struct canon *canon);

/* Forgets the last element and makes ready for the next. Borrows `limits` until canon_finish. */
void canon_begin(struct canon *canon, const struct xml_limits *limits);
/* The events. `name` and the names in `attrs` (pairs, ended by NULL) are "ns SEPARATOR local". */
enum xml_error canon_start(struct canon *canon, const char *name, const char **attrs);
void canon_end(struct canon *canon, const char *name);
enum xml_error canon_text(struct canon *canon, struct span text);
/* After the top-level element's end: what was read. Borrows `canon` until canon_begin. */
void canon_finish(struct canon *canon, struct xml_top *top_out);

#endif
