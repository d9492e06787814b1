/* The certificates a daemon shows: those of section tls, a domain's own or the one for all; a
 * development certificate for every domain where none is configured.
 *
 * Clients that name no domain of the cluster's get the certificate for all, else the first domain's.
 */
#ifndef JACKDAW_STREAM_CERTIFICATES_H
#define JACKDAW_STREAM_CERTIFICATES_H

#include "crypt/tls.h"
#include "daemon/daemon.h"

/* `options` but for the identities. Returns owned, or NULL after it logged why. */
struct tls_context *certificates_open(const struct daemon *d, const struct tls_options *options);
/* After the configuration or the files changed: for new connections. What cannot be used is logged,
 * and what was in use stays. */
void certificates_reload(const struct daemon *d, const struct tls_options *options,
                         struct tls_context *context);

#endif
