/* The keys of the identity providers, one set per domain that has session.oauth_keys. */
#ifndef JACKDAW_SESSION_OAUTH_H
#define JACKDAW_SESSION_OAUTH_H

#include "base/span.h"
#include "jwt/jwt.h"

struct conf;
struct oauth;

/* Reads every file; `conf` is not kept. Returns owned, or NULL with one line in `error`. */
struct oauth *oauth_new(const struct conf *conf, char *error, size_t error_size);
/* NULL is allowed. */
void oauth_free(struct oauth *oauth);
/* Those of a domain, NULL when it has none. */
const struct jwt_keys *oauth_keys(const struct oauth *oauth, struct span domain);

#endif
