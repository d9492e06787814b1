/* SASL2 (XEP-0388): what came with <authenticate/>, and what is done with it after the login. Inside
 * stream only.
 *
 * What may come inside <authenticate/> is a table in xep0388_sasl2.c, and so is what happens
 * between a login and its <success/>. A new inline feature is a line in each and a file of its own.
 */
#ifndef JACKDAW_STREAM_SASL2_INTERNAL_H
#define JACKDAW_STREAM_SASL2_INTERNAL_H

#include "stream/offer_internal.h"
#include "stream/stream_internal.h"

/* From <authenticate/> to <success/> or <failure/>. */
struct stream_sasl2 {
    char *client;                /* user-agent id, a UUID in lower case; NULL: none */
    const char *token_mechanism; /* a token for it is asked for (XEP-0484); NULL: none */
    uint32_t fast_flags;         /* WIRE_SASL_FAST, ... */
    uint64_t fast_count;         /* 0: none */
    size_t step;                 /* of what is done after the login */
    char *previd;                /* of <resume/> (XEP-0198); NULL: none */
    uint32_t resume_h;
    bool is_resumed;    /* the stream goes on as it was: no features follow */
    size_t feature;     /* of Bind 2, the next to be switched on */
    struct buf bind;    /* <bind/> as it came; empty: none */
    struct buf bound;   /* what its features answered */
    struct buf data;    /* for <additional-data/> */
    struct buf results; /* what features answered, for <success/> */
};

void stream_sasl2_free(struct stream_sasl2 *sasl2);

/* Appends the feature <authentication/>. */
void stream_sasl2_offer(const struct stream *stream, const struct stream_offer *offer,
                        struct buf *out);
/* A step after the login that had to wait is done: takes the next one. */
void stream_sasl2_go_on(struct stream *stream);

/* ---- inline features ----
 * offer: appends what stands in <inline/>. take: reads the element the client sent; NULL, or the
 * condition to fail the login with. step: true when it called session; it then calls
 * stream_sasl2_go_on. No step is taken once a session is bound. */
/* xep0386_bind2.c */
void stream_bind2_offer(const struct stream *stream, const struct stream_offer *offer,
                        struct buf *out);
const char *stream_bind2_take(struct stream *stream, const struct xml_node *element);
bool stream_bind2_step(struct stream *stream);
/* A feature that took its time has answered. */
void stream_bind2_go_on(struct stream *stream, struct span answer);
/* xep0198_inline.c */
void stream_sm_offer_resume(const struct stream *stream, const struct stream_offer *offer,
                            struct buf *out);
const char *stream_sm_take_resume(struct stream *stream, const struct xml_node *element);
bool stream_sm_resume_step(struct stream *stream);
/* A feature of Bind 2. */
bool stream_sm_bind2_enable(struct stream *stream, const struct xml_node *request);
/* xep0484_fast.c */
void stream_fast_offer(const struct stream *stream, const struct stream_offer *offer,
                       struct buf *out);
const char *stream_fast_take(struct stream *stream, const struct xml_node *element);
const char *stream_fast_take_request(struct stream *stream, const struct xml_node *element);
/* Appends <token/> when the reply has one. */
void stream_fast_write_token(const struct wire_sasl_reply *reply, struct buf *out);

#endif
