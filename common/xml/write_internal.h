/* How canonical form is spelled, shared by the parser's canonicaliser and the tree writer. */
#ifndef JACKDAW_XML_WRITE_INTERNAL_H
#define JACKDAW_XML_WRITE_INTERNAL_H

#include "xml/xml.h"

/* Character data: & < > and CR are escaped, forbidden characters dropped. */
void xml_write_text(struct span text, struct buf *out);
/* ` xmlns="ns"`. */
void xml_write_xmlns(struct span ns, struct buf *out);
/* An attribute in canonical form. `index` numbers the attributes of one element: a prefixed
 * attribute brings its own declaration, and its prefix is made from the index. */
void xml_write_canonical_attr(const struct xml_attr *attr, uint32_t index, struct buf *out);

#endif
