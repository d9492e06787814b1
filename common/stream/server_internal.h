/* What the stream features of a domain say of the server, as routers told (XEP-0115 section 6.3). */
#ifndef JACKDAW_STREAM_SERVER_INTERNAL_H
#define JACKDAW_STREAM_SERVER_INTERNAL_H

#include "stream/stream_internal.h"

void stream_server_learn(struct stream_host *host, const struct wire_stream_features *item);
/* XML, empty while no router has said anything. */
struct span stream_server_features(const struct stream_host *host, struct span domain);
void stream_server_free(struct stream_host *host);

#endif
