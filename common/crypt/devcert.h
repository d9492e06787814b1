/* A self-signed certificate for development, so that wss works before anybody has a real one. */
#ifndef JACKDAW_CRYPT_DEVCERT_H
#define JACKDAW_CRYPT_DEVCERT_H

#include "base/span.h"

#include <stddef.h>

struct devcert_options {
    const char *cert_path;    /* PEM */
    const char *key_path;     /* PEM, created readable by the owner only */
    const struct span *names; /* domains and IP addresses it is for; the first is the subject */
    size_t name_count;
};

/* Does nothing when both files are there and the certificate holds for all names; else makes both
 * anew (EC P-256, ten years), whole or not at all. 0, or -1 with one line in `error`. Blocks for a millisecond or so: for start-up. */
int devcert_ensure(const struct devcert_options *options, char *error, size_t error_size);

#endif
