/* What a daemon that holds clients' streams is, whatever carries them: the streams, and the lease
 * in Redis that says this daemon lives (edge and c2s are one of these and their listeners).
 */
#ifndef JACKDAW_STREAM_HOLDER_H
#define JACKDAW_STREAM_HOLDER_H

#include "daemon/daemon.h"
#include "stream/stream.h"

struct redis;
struct registry_lease;
struct trace;

/* Embeddable. */
struct holder {
    struct daemon *daemon;
    struct redis *redis;
    struct registry_lease *lease;
    struct trace *trace;
    struct stream_host *streams;
    /* Fills in where to send clients: on drain, or to resume. */
    void (*see_other)(const struct conf *conf, struct stream_options *options);
};

/* Opens from the configuration; `see_other` may be NULL, and what it fills in borrows the
 * configuration or lives on. 0, or -1 after it logged why (then
 * holder_close must still be called). */
int holder_open(struct holder *holder, struct daemon *d,
                void (*see_other)(const struct conf *conf, struct stream_options *options));
/* Routers, session daemons and the lease are there; else `why` says what is not. */
bool holder_is_ready(const struct holder *holder, struct buf *why);
/* The configuration is new. */
void holder_reload(struct holder *holder);
/* Frees. Every connection must be closed before. */
void holder_close(struct holder *holder);

#endif
