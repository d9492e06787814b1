/* What a stream offers to log in with. Inside stream only. */
#ifndef JACKDAW_STREAM_OFFER_INTERNAL_H
#define JACKDAW_STREAM_OFFER_INTERNAL_H

#include "stream/stream_internal.h"

#define STREAM_MECHANISMS_MAX 12
#define STREAM_TOKENS_MAX     3
#define STREAM_CHANNEL_TYPES  3
#define STREAM_CHANNEL_BYTES  64

struct stream_offer {
    uint32_t mechanism_count;
    uint32_t token_mechanism_count;
    uint32_t type_count;   /* channel bindings */
    uint32_t unadvertised; /* how many of them, at the end, are not told of */
    struct span mechanisms[STREAM_MECHANISMS_MAX];
    struct span token_mechanisms[STREAM_TOKENS_MAX]; /* XEP-0484; static strings */
    struct span types[STREAM_CHANNEL_TYPES];
    struct span bindings[STREAM_CHANNEL_TYPES]; /* each type's data, in `bytes` */
    struct arena arena;                         /* of what follows */
    bool has_certificate;                       /* a valid one of the client's */
    struct wire_strs certificate;               /* the bare JIDs in it */
    unsigned char bytes[STREAM_CHANNEL_TYPES][STREAM_CHANNEL_BYTES];
};

/* What the stream offers now. It must not be copied: it points into itself. */
void stream_offer_load(const struct stream *stream, struct stream_offer *offer_out);
void stream_offer_deinit(struct stream_offer *offer);

struct stream_mechanism;
const struct stream_mechanism *stream_mechanism_find(struct span name);
const char *stream_mechanism_name(const struct stream_mechanism *mechanism);
/* Whether the client need not be asked for its first message. */
bool stream_mechanism_is_wordless(const struct stream_mechanism *mechanism);
/* NULL when it is offered (with `takes_token` among those that take a token), else the SASL condition
 * to refuse it with. */
const char *stream_mechanism_problem(const struct stream *stream,
                                     const struct stream_mechanism *mechanism, bool takes_token);

#endif
