/* One SASL exchange, whatever wraps it. Inside stream only.
 *
 * A profile (RFC 4422 section 4) says how an exchange looks on the wire: RFC 6120 section 6 and
 * XEP-0388 are one each. The exchange itself (choosing a mechanism, carrying data between the
 * client and session, counting attempts) is in sasl.c and knows no element.
 */
#ifndef JACKDAW_STREAM_SASL_INTERNAL_H
#define JACKDAW_STREAM_SASL_INTERNAL_H

#include "stream/stream_internal.h"

struct stream_sasl_profile {
    uint16_t state; /* while a challenge is out */
    void (*challenge)(struct stream *stream, struct span data);
    /* login->account is set; `reply` lives for the call. Must lead the stream into a new state. */
    void (*succeed)(struct stream *stream, const struct wire_sasl_reply *reply);
    /* Only says it: the exchange is over and the state is set already. */
    void (*fail)(struct stream *stream, const char *condition, struct span text);
    /* Adds what the profile knows to the first request. May be NULL. */
    void (*prepare)(struct stream *stream, struct wire_sasl_start *start);
};

/* The client chose a mechanism. `initial`: its base64 text, data NULL when there is none.
 * `takes_token`: it is one of those that take a token (XEP-0484), and only then. */
struct stream_sasl_choice {
    struct span mechanism;
    struct span initial;
    bool takes_token;
};
void stream_sasl_start(struct stream *stream, const struct stream_sasl_profile *profile,
                       const struct stream_sasl_choice *choice);
/* The client's answer to a challenge, as base64 text. */
void stream_sasl_step(struct stream *stream, struct span text);
/* Ends the exchange with `condition` (RFC 6120 section 6.5). */
void stream_sasl_refuse(struct stream *stream, const struct stream_sasl_profile *profile,
                        const char *condition, struct span text);
/* As stream_sasl_refuse, for what counts as an attempt: too many end the stream. */
void stream_sasl_refuse_attempt(struct stream *stream, const struct stream_sasl_profile *profile,
                                const char *condition, struct span text);
/* The client's elements. */
/* sasl_rfc6120.c */
void stream_sasl_auth(struct stream *stream, const struct xml_top *top);
void stream_sasl_response(struct stream *stream, const struct xml_top *top);
void stream_sasl_stray(struct stream *stream, const struct xml_top *top);
void stream_sasl_abort(struct stream *stream, const struct xml_top *top);
/* xep0388_sasl2.c */
void stream_sasl2_authenticate(struct stream *stream, const struct xml_top *top);
void stream_sasl2_response(struct stream *stream, const struct xml_top *top);
void stream_sasl2_stray(struct stream *stream, const struct xml_top *top);
void stream_sasl2_abort(struct stream *stream, const struct xml_top *top);

/* Appends <name xmlns='ns'>base64</name>. */
void stream_sasl_write(const char *ns, const char *name, struct span data, struct buf *out);

#endif
