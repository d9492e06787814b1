/* The parsed stanza: what travels between daemons instead of XML text.
 *
 * Parsed once where it enters (stanza_from_xml), it carries the header attributes that every hop
 * needs (RFC 6120 section 8.1), an index of its children and the children's bytes in canonical form
 * (xml/xml.h). Nobody downstream parses XML unless it must look inside its own payload.
 */
#ifndef JACKDAW_STANZA_STANZA_H
#define JACKDAW_STANZA_STANZA_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/span.h"
#include "xml/xml.h"

#include <stdbool.h>
#include <stdint.h>

enum stanza_kind { STANZA_MESSAGE, STANZA_PRESENCE, STANZA_IQ };

/* One enum for the types of all kinds, so that tables can be indexed by it. */
enum stanza_type {
    STANZA_NORMAL, /* message without type, or type normal, or unknown (RFC 6121 5.2.2) */
    STANZA_CHAT,
    STANZA_GROUPCHAT,
    STANZA_HEADLINE,
    STANZA_ERROR,     /* of any kind */
    STANZA_AVAILABLE, /* presence without type */
    STANZA_UNAVAILABLE,
    STANZA_SUBSCRIBE,
    STANZA_SUBSCRIBED,
    STANZA_UNSUBSCRIBE,
    STANZA_UNSUBSCRIBED,
    STANZA_PROBE,
    STANZA_GET,
    STANZA_SET,
    STANZA_RESULT,
    STANZA_TYPE_COUNT
};

/* All spans borrow. `from` and `to` are normalised JIDs in text form or empty. */
struct stanza {
    enum stanza_kind kind;
    enum stanza_type type;
    struct span from;
    struct span to;
    struct span id;
    struct span lang;
    const struct xml_child *children;
    uint32_t child_count;
    struct span payload; /* canonical bytes of all children */
};

enum stanza_problem {
    STANZA_FINE,
    STANZA_NOT_A_STANZA, /* not message/presence/iq in the content namespace */
    STANZA_BAD_TO,       /* jid-malformed */
    STANZA_BAD_FROM,     /* invalid-from */
    STANZA_BAD_TYPE,     /* iq or presence with an unknown type: bad-request */
    STANZA_BAD_IQ,       /* iq without id, get/set without exactly one child: bad-request */
};

/* From the parser's element. JIDs are normalised into `arena`; everything else borrows `top`. The
 * stanza's `from` is what the client wrote: the caller stamps it. On a problem the header fields
 * that could be read are there (for the error reply). */
enum stanza_problem stanza_from_xml(const struct xml_top *top, struct arena *arena,
                                    struct stanza *stanza_out);

/* ---- codec: the form that travels in wire messages ---- */
void stanza_encode(const struct stanza *stanza, struct buf *out);
/* Spans borrow `in`; the child index is in `arena`. 0, or -1 for anything that is not one whole,
 * well-formed encoding. */
int stanza_decode(struct span in, struct arena *arena, struct stanza *stanza_out);

/* ---- XML ---- */
/* Appends the stanza as XML. `to` is used instead of an empty stanza->to. With `content_ns` not
 * empty the element declares it (RFC 7395 frames), else not (TCP streams). */
void stanza_write(const struct stanza *stanza, struct span to, struct span content_ns,
                  struct buf *out);

/* The child with this namespace and name (either may be NULL: any), or NULL. */
const struct xml_child *stanza_child(const struct stanza *stanza, const char *ns, const char *name);
/* Adds a child of this name at the end; `bytes` is the whole element in canonical form. The new
 * index and payload are in `arena`, which they outlive neither. */
void stanza_append(struct stanza *stanza, struct span ns, struct span name, struct span bytes,
                   struct arena *arena);
/* Takes off the children `is_out` says true of. True when there was one; what is new is in `arena`. */
typedef bool stanza_child_fn(void *arg, const struct stanza *stanza, const struct xml_child *child);
bool stanza_drop(struct stanza *stanza, stanza_child_fn *is_out, void *arg, struct arena *arena);
/* The child's canonical bytes. */
struct span stanza_child_bytes(const struct stanza *stanza, const struct xml_child *child);

/* ---- replies ---- */
/* An iq result for `request` with `payload` (canonical XML, may be empty): from and to exchanged.
 */
void stanza_make_result(const struct stanza *request, struct span payload, struct arena *arena,
                        struct stanza *reply_out);
/* The error reply (RFC 6120 section 8.3): same kind, type error, from and to exchanged. `condition`
 * is an RFC 6120 section 8.3.3 name; its error type (cancel, auth, modify, wait) comes from a
 * table; `text` may be NULL. */
void stanza_make_error(const struct stanza *request, const char *condition, const char *text,
                       struct arena *arena, struct stanza *reply_out);
/* The same in all detail. Static strings; what is NULL is left out. */
struct stanza_error {
    const char *condition;
    const char *type; /* NULL: the table's */
    const char *text;
    const char *detail; /* application-specific condition (section 8.3.4), canonical XML */
};
void stanza_make_error_of(const struct stanza *request, const struct stanza_error *error,
                          struct arena *arena, struct stanza *reply_out);
/* False for what must never be answered with an error: errors, iq results, presence but directed.
 */
bool stanza_may_bounce(const struct stanza *stanza);

const char *stanza_kind_name(enum stanza_kind kind);
/* "" for types that are written as no attribute. */
const char *stanza_type_name(enum stanza_type type);

/* The value of xml:lang, empty when there is none; borrows. */
struct span stanza_xml_lang(const struct xml_top *top);

#endif
