/* Signatures with public keys, as JSON Web Tokens have them (RFC 7518 section 3, RFC 8037).
 *
 * A key knows the one algorithm it is for: what a token says of its algorithm can only be compared
 * with that, never choose. There is no algorithm with a shared secret, and no "none".
 */
#ifndef JACKDAW_CRYPT_SIGNATURE_H
#define JACKDAW_CRYPT_SIGNATURE_H

#include "base/span.h"

#include <stdbool.h>
#include <stddef.h>

#define SIGNATURE_RSA_BITS_MIN 2048 /* RFC 7518 section 3.3 */
#define SIGNATURE_RSA_BITS_MAX 8192 /* what a check may cost */

struct signature_key;

/* Each returns owned, or NULL when it is no key of a kind and size that is used here. Numbers are
 * big endian. */
struct signature_key *signature_key_rsa(struct span modulus, struct span exponent);
struct signature_key *signature_key_p256(struct span x, struct span y);
struct signature_key *signature_key_ed25519(struct span x);
/* The next public key or certificate of a PEM text, of which *pem keeps the rest. 1, 0 when there is
 * none any more, or -1 when one cannot be used. */
int signature_key_from_pem(struct span *pem, struct signature_key **key_out);
/* NULL is allowed. */
void signature_key_free(struct signature_key *key);

/* "RS256", "ES256" or "EdDSA". */
const char *signature_key_algorithm(const struct signature_key *key);
/* Whether `signature` (as in RFC 7515) is of `text` by this key. */
bool signature_fits(const struct signature_key *key, struct span text, struct span signature);

#endif
