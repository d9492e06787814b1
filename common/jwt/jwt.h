/* Signed JSON Web Tokens (RFC 7519, RFC 7515 compact serialisation) of an issuer whose public keys
 * are known: RS256, ES256 and EdDSA with Ed25519, nothing else.
 *
 * A token says who somebody is if its signature is by one of the keys, it is within its time, and it
 * comes from and is meant for whom the rules say. Keys that a token brings along (jwk, jku, x5c,
 * x5u) are not looked at.
 */
#ifndef JACKDAW_JWT_JWT_H
#define JACKDAW_JWT_JWT_H

#include "base/arena.h"
#include "base/span.h"

#include <stddef.h>
#include <stdint.h>

#define JWT_KEYS_MAX  64      /* in one file; more are an error */
#define JWT_TOKEN_MAX 16384   /* bytes; a longer token is malformed */
#define JWT_FILE_MAX  1048576 /* bytes of a file of keys */

/* ---- keys ---- */
struct jwt_keys;

/* From a JSON Web Key Set (RFC 7517 section 5), or public keys and certificates as PEM. Of a set,
 * keys that are not for signatures or of other kinds are passed over; one at least must be left.
 * Returns owned, or NULL with one line in `error`. */
struct jwt_keys *jwt_keys_parse(struct span text, char *error, size_t error_size);
/* The same from a file, which `error` names. Blocks. */
struct jwt_keys *jwt_keys_load(const char *path, char *error, size_t error_size);
/* NULL is allowed. */
void jwt_keys_free(struct jwt_keys *keys);
size_t jwt_keys_count(const struct jwt_keys *keys);

/* ---- tokens ---- */
enum jwt_problem {
    JWT_FINE,
    JWT_MALFORMED,
    JWT_ALGORITHM, /* none of ours */
    JWT_CRITICAL,  /* an extension must be understood (RFC 7515 section 4.1.11) */
    JWT_KEY,       /* no key has this id and algorithm */
    JWT_SIGNATURE,
    JWT_TIMELESS, /* without a time when it expires */
    JWT_EXPIRED,
    JWT_EARLY, /* not valid yet, or issued in the future */
    JWT_ISSUER,
    JWT_AUDIENCE,
    JWT_NAMELESS, /* without the claim that says who it is */
    JWT_PROBLEM_COUNT,
};

struct jwt_rules {
    struct span issuer;   /* `iss` must be this; empty: anyone */
    struct span audience; /* must be (one of) `aud` */
    const char *claim;    /* the name is in this one, as a string */
    uint64_t now_ms;      /* since 1970 */
    uint64_t skew_ms;     /* by how much clocks may differ */
};

/* Checks a token; when JWT_FINE, the name is in *name_out, in `arena`. Costs at most one check of a
 * signature per key. */
enum jwt_problem jwt_check(const struct jwt_keys *keys, struct span token,
                           const struct jwt_rules *rules, struct arena *arena,
                           struct span *name_out);
/* A few words for logs, which hold nothing of the token. */
const char *jwt_problem_text(enum jwt_problem problem);

#endif
