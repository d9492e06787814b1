/* The messages between daemons as C structs, with their encoder and decoder, all made from
 * wire.def.
 *
 * A message on the wire: u16 id, u16 version, u32 body length (little endian), then the fields in
 * order: integers little endian, STR/BYTES as u32 length and bytes, lists as u32 count and
 * elements. The decoder refuses every truncation, every length or count that does not fit its body,
 * unknown ids and trailing bytes (unless the sender's version is newer). It never allocates more
 * than its input's size times a small constant.
 */
#ifndef JACKDAW_BUS_WIRE_H
#define JACKDAW_BUS_WIRE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/span.h"

#include <stdint.h>

/* The table of messages; a test of the codec itself brings another. */
#ifndef WIRE_TABLE
#define WIRE_TABLE "bus/wire.def"
#endif

struct wire_u64s {
    const uint64_t *items;
    uint32_t count;
};

struct wire_strs {
    const struct span *items;
    uint32_t count;
};

enum wire_kind { WIRE_ITEM, WIRE_CALL, WIRE_REPLY, WIRE_NOTICE, WIRE_RECORD };

#define WIRE_IDEMPOTENT 1u

/* Flags and small enums that travel in U32 fields. */
#define WIRE_FORWARD_INBOUND  1u
#define WIRE_FORWARD_VOUCHED  2u
#define WIRE_FORWARD_STORED   4u
#define WIRE_HANDLE_INBOUND   1u
#define WIRE_MISSED_ENDED     1u
#define WIRE_SASL_SECURE      1u /* the stream is encrypted: PLAIN may be used */
#define WIRE_SASL_CERTIFICATE 2u /* the client has a valid certificate */
#define WIRE_SASL_FAST        4u /* the client has a token (XEP-0484) */
#define WIRE_SASL_INVALIDATE  8u /* ... and gives it up */
#define WIRE_BIND_MADE        1u /* the resource is made from tag and client (XEP-0386) */
#define WIRE_KEEP_OFFLINE     1u
#define WIRE_KEEP_ARCHIVE     2u
#define WIRE_KEEP_SENT        4u
#define WIRE_KEEP_AGAIN       8u
#define WIRE_KEEP_STAMPED     16u
#define WIRE_ACCOUNT_BY_OPERATOR                                                                   \
    1u /* account_add from jackdawctl: registration limits do not apply */
#define WIRE_PRESENCE_AVAILABLE  1u
#define WIRE_PRESENCE_INTERESTED 2u
#define WIRE_PRESENCE_BLOCKLIST  4u
#define WIRE_SESSION_RESUMABLE                                                                     \
    1u /* it has a resume queue: who takes it over finds what its client has not got yet */
#define WIRE_SESSION_CARBONS 2u /* it wants copies of what other resources send and get */

enum wire_sasl_outcome { WIRE_SASL_CHALLENGE, WIRE_SASL_SUCCESS, WIRE_SASL_FAILURE };

enum wire_id {
#define WIRE(name, id, version, kind, flags, fields) WIRE_ID_##name = id,
#include WIRE_TABLE
#undef WIRE
};

#define U8(f)          uint8_t f;
#define U32(f)         uint32_t f;
#define U64(f)         uint64_t f;
#define STR(f)         struct span f;
#define BYTES(f)       struct span f;
#define U64S(f)        struct wire_u64s f;
#define STRS(f)        struct wire_strs f;
#define SINCE(v, decl) decl
#define WIRE(name, id, version, kind, flags, fields)                                               \
    struct wire_##name {                                                                           \
        fields                                                                                     \
    };
#include WIRE_TABLE
#undef WIRE
#undef U8
#undef U32
#undef U64
#undef STR
#undef BYTES
#undef U64S
#undef STRS
#undef SINCE

/* Any message: `id` says which member of the union holds it. Spans borrow what they point at. */
struct wire_msg {
    enum wire_id id;
    union {
#define WIRE(name, id, version, kind, flags, fields) struct wire_##name name;
#include WIRE_TABLE
#undef WIRE
    } u;
};

/* Appends the encoded message. Asserts that its id is in the table. */
void wire_encode(const struct wire_msg *msg, struct buf *out);

/* Decodes the message at the start of `in`. Spans of *msg_out borrow `in`; lists are in `arena`.
 * Returns 0 and the bytes used in *used_out (may be NULL: then anything behind the message is an
 * error), or -1 when the bytes are not a whole, known, well-formed message. */
int wire_decode(struct span in, struct arena *arena, struct wire_msg *msg_out, size_t *used_out);

/* The message's name ("route") for logs and metrics, "unknown" for an id not in the table. */
const char *wire_name(enum wire_id id);
enum wire_kind wire_kind_of(enum wire_id id);
bool wire_is_idempotent(enum wire_id id);

#endif
