/* Base64 (RFC 4648 section 4, padded) and hexadecimal. */
#ifndef JACKDAW_BASE_CODEC_H
#define JACKDAW_BASE_CODEC_H

#include "base/buf.h"
#include "base/span.h"

/* Appends. */
void base64_encode(struct span bytes, struct buf *out);
/* Appends. Strict: canonical, padded, no white space. 0, or -1 and `out` as it was. */
int base64_decode(struct span text, struct buf *out);
/* As base64_decode for the URL-safe alphabet without padding (RFC 4648 section 5, RFC 7515). */
int base64url_decode(struct span text, struct buf *out);
/* Appends lower-case digits. */
void hex_encode(struct span bytes, struct buf *out);
/* Appends. Either case, an even number of digits. 0, or -1 and `out` as it was. */
int hex_decode(struct span text, struct buf *out);

#endif
