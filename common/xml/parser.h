/* Reading XML from a client: one RFC 7395 frame at a time, or a stream of bytes (RFC 6120).
 *
 * Both hand out each top-level element as a struct xml_top with its content already in canonical
 * form (xml.h). One struct xml_frames serves the whole process: it holds the one long-lived expat
 * parser, so a connection costs no parser memory. A stream keeps only a few words and the bytes of
 * the element that is not complete yet; when the last byte of an element is there, it is handed out
 * at once.
 *
 * Refused here and nowhere else: what is not well-formed, comments, processing instructions, DTDs
 * and entities (RFC 6120 section 11.1), elements that are too big, too deep or have too many
 * attributes. Tolerated: an XML declaration in front, white space around.
 */
#ifndef JACKDAW_XML_PARSER_H
#define JACKDAW_XML_PARSER_H

#include "xml/xml.h"

#include <stdbool.h>

struct xml_frames;

/* Returns owned. */
struct xml_frames *xml_frames_new(void);
void xml_frames_free(struct xml_frames *frames);

/* Parses a frame that must hold exactly one element. On XML_OK the spans of *top_out borrow
 * `frames` until the next parse with it. After an error the next frame starts afresh. */
enum xml_error xml_frames_parse(struct xml_frames *frames, struct span frame,
                                const struct xml_limits *limits, struct xml_top *top_out);

/* What a stream reports. `header` and `element` are valid during the call only. Each returns true
 * to go on; false holds the stream: what follows is kept until xml_stream_resume. A callback may
 * call xml_stream_restart and xml_stream_discard, but must not free the stream. */
struct xml_stream_handler {
    bool (*on_open)(void *arg, const struct xml_top *header);     /* attributes only, no content */
    bool (*on_element)(void *arg, const struct xml_top *element); /* a child of the root */
    bool (*on_close)(void *arg);                                  /* the root's end tag */
};

#define XML_STREAM_HEADER_MAX 4096 /* bytes of the root's start tag */

struct xml_stream;

/* Borrows `frames`, `limits`, `handler` and `arg` for its life. Returns owned. */
struct xml_stream *xml_stream_new(struct xml_frames *frames, const struct xml_limits *limits,
                                  const struct xml_stream_handler *handler, void *arg);
void xml_stream_free(struct xml_stream *stream);

/* Other limits from the next element on; borrows. */
void xml_stream_set_limits(struct xml_stream *stream, const struct xml_limits *limits);

/* Takes bytes as they come, in pieces of any size. An error is final: later calls repeat it until
 * xml_stream_restart. While held the bytes are kept, up to limits->max_bytes. After on_close the
 * rest is ignored. */
enum xml_error xml_stream_feed(struct xml_stream *stream, struct span bytes);
/* Ends a hold and handles what was kept. Not from a callback. */
enum xml_error xml_stream_resume(struct xml_stream *stream);
/* From the next byte on a new stream starts (RFC 6120 section 4.3.3: restart after SASL or TLS). */
void xml_stream_restart(struct xml_stream *stream);
/* Forgets bytes that came but were not handled yet (before a TLS handshake they are not trusted).
 */
void xml_stream_discard(struct xml_stream *stream);
/* True between on_open and on_close. */
bool xml_stream_is_open(const struct xml_stream *stream);

#endif
