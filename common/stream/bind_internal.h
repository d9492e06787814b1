/* Binding a session, whoever asks for it: RFC 6120 section 7 or XEP-0386. Inside stream only. */
#ifndef JACKDAW_STREAM_BIND_INTERNAL_H
#define JACKDAW_STREAM_BIND_INTERNAL_H

#include "stream/stream_internal.h"

/* How the client is told. */
struct stream_binder {
    /* The session is live; `bound` lives for the call. */
    void (*confirm)(struct stream *stream, const struct wire_bind_reply *bound);
    /* `condition` as in RFC 6120 section 8.3.3. */
    void (*refuse)(struct stream *stream, const char *condition, struct span text);
};

/* Calls session. Of `ask` only what the client wants is read (resource, tag, client, flags). The
 * binder is told, unless the stream is gone by then. */
void stream_bind(struct stream *stream, const struct stream_binder *binder,
                 const struct wire_bind *ask);
/* The client asks by an iq. */
void stream_bind_iq(struct stream *stream, const struct xml_top *top);

#endif
