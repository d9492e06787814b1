/* The shared parser, as streams use it: one element inside namespace declarations made elsewhere.
 */
#ifndef JACKDAW_XML_FRAMES_INTERNAL_H
#define JACKDAW_XML_FRAMES_INTERNAL_H

#include "xml/parser.h"

/* Parses exactly one element, no XML declaration or white space around it. `declarations` is the
 * attribute text of an element around it (` xmlns="jabber:client"`), as frames_parse_header made
 * it. */
enum xml_error frames_parse_inside(struct xml_frames *frames, struct span declarations,
                                   struct span element, const struct xml_limits *limits,
                                   struct xml_top *top_out);
/* Parses one element, a stream header with its end tag added, and appends the namespace
 * declarations of its start tag to *declarations. */
enum xml_error frames_parse_header(struct xml_frames *frames, struct span element,
                                   const struct xml_limits *limits, struct buf *declarations,
                                   struct xml_top *top_out);
/* Takes an XML declaration ("<?xml ... ?>") off the front of *text, if one is there. */
enum xml_error frames_skip_declaration(struct span *text);

#endif
