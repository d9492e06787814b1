/* Messages of wire.def as text, both ways, for the mock peer.
 *
 * Shown as JSON members, one per field: integers as numbers, STR as strings, lists as arrays, BYTES
 * as hexadecimal, but a field named `stanza` as the XML of the stanza. Read as words `field=value`
 * with the same values, strings percent-encoded; a list repeats its field. What is not given is
 * zero.
 */
#ifndef JACKDAW_TESTS_DAEMON_FIELDS_H
#define JACKDAW_TESTS_DAEMON_FIELDS_H

#include "base/arena.h"
#include "base/buf.h"
#include "bus/wire.h"

struct field_words {
    const struct span *items; /* "field=value" */
    size_t count;
};

/* Appends `,"message":"route","origin_sid":7,...`. */
void fields_show(const struct wire_msg *msg, struct buf *out);
/* Fills *msg_out from the message's name and its words; what it points to is in `arena`. 0, or -1
 * with one line in `error`. */
int fields_read(struct span name, const struct field_words *words, struct arena *arena,
                struct wire_msg *msg_out, struct buf *error);

/* Appends `text` as a JSON string with its quotes. */
void fields_quote(struct span text, struct buf *out);
/* Undoes percent-encoding. */
struct span fields_unquote(struct span text, struct arena *arena);

#endif
