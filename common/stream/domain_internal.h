/* The domains of a host's streams, each with its options. */
#ifndef JACKDAW_STREAM_DOMAIN_INTERNAL_H
#define JACKDAW_STREAM_DOMAIN_INTERNAL_H

#include "stream/stream_internal.h"

/* Reads the options of `name`, which is borrowed. */
void stream_domain_load(const struct conf *conf, struct span name,
                        struct stream_domain *domain_out);
/* NULL when `name` (normalised) is not served. Good until the next reload. */
const struct stream_domain *stream_host_domain(const struct stream_host *host, struct span name);
/* The one the stream was opened to; before that, or when a reload took it away, one that lets nobody
 * in. Never NULL. */
const struct stream_domain *stream_domain(const struct stream *stream);

#endif
