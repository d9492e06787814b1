/* Hashes and key derivation, on libcrypto. */
#include "crypt/crypt.h"

#include "base/assert.h"
#include "crypt/crypt_internal.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

static const struct {
    size_t size;
    const EVP_MD *(*md)(void);
} hashes[CRYPT_HASH_COUNT] = {
    [CRYPT_SHA1] = {20, EVP_sha1},
    [CRYPT_SHA256] = {32, EVP_sha256},
    [CRYPT_SHA512] = {64, EVP_sha512},
};

size_t crypt_hash_size(enum crypt_hash hash)
{
    ASSERT(hash < CRYPT_HASH_COUNT);
    return hashes[hash].size;
}

void crypt_digest(enum crypt_hash hash, struct span text, uint8_t *digest_out)
{
    ASSERT(hash < CRYPT_HASH_COUNT);
    unsigned len = 0;
    int ok = EVP_Digest(crypt_bytes(text), text.len, digest_out, &len, hashes[hash].md(), NULL);
    ASSERT(ok == 1 && len == hashes[hash].size);
}

void crypt_hmac(enum crypt_hash hash, struct span key, struct span text, uint8_t *mac_out)
{
    ASSERT(hash < CRYPT_HASH_COUNT && key.len <= INT_MAX);
    unsigned len = 0;
    const void *ok = HMAC(hashes[hash].md(), crypt_bytes(key), (int)key.len, crypt_bytes(text),
                          text.len, mac_out, &len);
    ASSERT(ok && len == hashes[hash].size);
}

void crypt_pbkdf2(enum crypt_hash hash, struct span password, struct span salt, uint32_t iterations,
                  uint8_t *key_out)
{
    ASSERT(hash < CRYPT_HASH_COUNT && password.len <= INT_MAX && salt.len <= INT_MAX);
    ASSERT(iterations > 0 && iterations <= INT_MAX);
    int ok = PKCS5_PBKDF2_HMAC((const char *)crypt_bytes(password), (int)password.len,
                               crypt_bytes(salt), (int)salt.len, (int)iterations, hashes[hash].md(),
                               (int)hashes[hash].size, key_out);
    ASSERT(ok == 1);
}

bool crypt_equal(struct span a, struct span b)
{
    return a.len == b.len && CRYPTO_memcmp(crypt_bytes(a), crypt_bytes(b), a.len) == 0;
}

void crypt_wipe(void *memory, size_t len)
{
    if (len) {
        OPENSSL_cleanse(memory, len);
    }
}
