/* Hashes, key derivation and sealing. The only user of OpenSSL's libcrypto.
 *
 * Everything here may be used from any thread and never fails on any input: a failure inside the
 * library is a broken invariant.
 */
#ifndef JACKDAW_CRYPT_CRYPT_H
#define JACKDAW_CRYPT_CRYPT_H

#include "base/buf.h"
#include "base/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum crypt_hash { CRYPT_SHA1, CRYPT_SHA256, CRYPT_SHA512, CRYPT_HASH_COUNT };

#define CRYPT_DIGEST_MAX 64 /* bytes of the longest digest */
#define CRYPT_KEY_SIZE   32 /* bytes of a sealing key */

/* Bytes of a digest: 20, 32 or 64. */
size_t crypt_hash_size(enum crypt_hash hash);
/* Writes crypt_hash_size bytes. */
void crypt_digest(enum crypt_hash hash, struct span text, uint8_t *digest_out);
/* RFC 2104. Writes crypt_hash_size bytes. */
void crypt_hmac(enum crypt_hash hash, struct span key, struct span text, uint8_t *mac_out);
/* RFC 8018 with HMAC, one block: writes crypt_hash_size bytes. Slow by intent (about 0.4 µs per
 * iteration): never on the loop's thread. */
void crypt_pbkdf2(enum crypt_hash hash, struct span password, struct span salt, uint32_t iterations,
                  uint8_t *key_out);

/* Compares in a time that depends on the lengths only. */
bool crypt_equal(struct span a, struct span b);
/* Overwrites; the compiler does not drop it. */
void crypt_wipe(void *memory, size_t len);

/* ---- sealed blobs: AES-256-GCM with a random nonce ---- */
/* Appends `plain` sealed. `context` is not part of the blob but must be the same when it is opened.
 */
void crypt_seal(const uint8_t key[CRYPT_KEY_SIZE], struct span context, struct span plain,
                struct buf *out);
/* Appends what was sealed. 0, or -1 and `out` as it was when the blob was not sealed with this key
 * and context or has been changed. */
int crypt_open(const uint8_t key[CRYPT_KEY_SIZE], struct span context, struct span sealed,
               struct buf *out);

#endif
