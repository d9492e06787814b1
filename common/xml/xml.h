/* What the parser hands out: one top-level element (a stanza, a nonza, or a stream header) with its
 * attributes, and its content in canonical form.
 *
 * Canonical form: UTF-8, default-namespace declarations only, written where the namespace changes;
 * prefixed attributes (but xml:*) carry their own declaration; elements of the stream's content
 * namespace (jabber:client, jabber:server) carry none at all, so that the same bytes are right on
 * any stream; text is escaped minimally; no comments, PIs, DTD or CDATA sections.
 */
#ifndef JACKDAW_XML_XML_H
#define JACKDAW_XML_XML_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/span.h"

#include <stdint.h>

/* More than these is a policy violation. */
#define XML_MAX_ATTRS    32  /* of one element */
#define XML_MAX_CHILDREN 256 /* directly in the top-level element */
#define XML_MAX_DEPTH    255 /* whatever the limits say */

#define XML_DEFAULT_LIMITS ((struct xml_limits){.max_bytes = 262144, .max_depth = 64})

struct xml_attr {
    struct span ns; /* empty for unprefixed attributes; the xml: namespace is spelled out */
    struct span name;
    struct span value; /* unescaped */
};

/* A child element of the top-level element: where it starts and ends in the canonical content. */
struct xml_child {
    struct span ns;
    struct span name;
    uint32_t offset;
    uint32_t length;
};

/* All spans borrow the parser's buffers: valid until it parses again. */
struct xml_top {
    struct span ns;
    struct span name;
    const struct xml_attr *attrs;
    uint32_t attr_count;
    const struct xml_child *children;
    uint32_t child_count;
    struct span
        content;      /* the child elements, canonical in the namespace `ns`, one after the other */
    struct span text; /* character data directly in the element, unescaped; not in `content` */
};

/* The value of the unprefixed attribute `name`; an empty span with data NULL when absent. */
struct span xml_attr_get(const struct xml_top *top, const char *name);

enum xml_error {
    XML_OK,
    XML_NOT_WELL_FORMED, /* RFC 6120 not-well-formed: also an undeclared prefix, a frame that holds
                            no or more than one element */
    XML_RESTRICTED,      /* restricted-xml: comment, PI, DTD, entity other than the five */
    XML_TOO_BIG,         /* policy-violation: size, depth, attribute or child limit */
    XML_BAD_ENCODING,    /* unsupported-encoding: not UTF-8, or declared to be something else */
    XML_ERROR_COUNT
};

/* The stream error condition to answer with (RFC 6120 section 4.9.3); not for XML_OK. */
const char *xml_error_condition(enum xml_error error);

struct xml_limits {
    uint32_t max_bytes; /* of one top-level element as it came in; default 262144 */
    uint32_t max_depth; /* the top-level element is at depth 1; default 64 */
};

/* ---- looking inside a canonical payload: a small tree in an arena ---- */
struct xml_node {
    struct span ns;
    struct span name; /* empty: this node is text */
    struct span text; /* of a text node, unescaped */
    const struct xml_attr *attrs;
    uint32_t attr_count;
    struct xml_node *first_child;
    struct xml_node *next;
};

/* Parses canonical content (zero or more elements and text; no-namespace elements are taken to be
 * in `content_ns`) into a chain of nodes. The tree and its strings live in `arena`. 0 and
 * *first_out (NULL when empty), or -1 when it is not well-formed. */
int xml_tree_parse(struct span content, struct span content_ns, struct arena *arena,
                   struct xml_node **first_out);
/* The first element from `first` on (itself or a later sibling) with this namespace and name; NULL
 * or
 * "" means any. The next one: xml_find(found->next, ...). */
const struct xml_node *xml_find(const struct xml_node *first, const char *ns, const char *name);
struct span xml_node_attr(const struct xml_node *node, const char *name);
/* All text directly inside the element, joined; borrows the tree or `arena`. */
struct span xml_node_text(const struct xml_node *node, struct arena *arena);
/* Appends the node (element or text, with all below) in canonical form inside namespace `outer_ns`.
 */
void xml_node_write(const struct xml_node *node, struct span outer_ns, struct buf *out);

/* ---- writing ---- */
/* Appends `text` with & < > escaped, and " ' too (fit for text and attribute values). Characters
 * that XML 1.0 forbids are dropped. */
void xml_escape(struct span text, struct buf *out);
/* Appends ` name="value"` escaped. */
void xml_write_attr(const char *name, struct span value, struct buf *out);

#endif
