/* Sealed blobs: nonce (12 bytes), ciphertext, tag (16 bytes). A random nonce of 96 bits is safe for
 * some 2^32 blobs per key; what is sealed here lives a minute and its key is one per cluster. */
#include "crypt/crypt.h"

#include "base/assert.h"
#include "base/rand.h"
#include "crypt/crypt_internal.h"

#include <limits.h>
#include <openssl/evp.h>

#define NONCE_SIZE 12
#define TAG_SIZE   16

void crypt_seal(const uint8_t key[CRYPT_KEY_SIZE], struct span context, struct span plain,
                struct buf *out)
{
    ASSERT(plain.len <= INT_MAX / 2 && context.len <= INT_MAX / 2);
    size_t size = NONCE_SIZE + plain.len + TAG_SIZE;
    unsigned char *at = (unsigned char *)buf_reserve(out, size);
    unsigned char *body = at + NONCE_SIZE;
    int len = 0;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    ASSERT(ctx);
    rand_bytes(at, NONCE_SIZE);
    bool ok = EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, at) == 1 &&
              EVP_EncryptUpdate(ctx, NULL, &len, crypt_bytes(context), (int)context.len) == 1 &&
              EVP_EncryptUpdate(ctx, body, &len, crypt_bytes(plain), (int)plain.len) == 1 &&
              EVP_EncryptFinal_ex(ctx, body + plain.len, &len) == 1 &&
              EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_SIZE, body + plain.len) == 1;
    EVP_CIPHER_CTX_free(ctx);
    ASSERT(ok);
    out->len += size;
}

int crypt_open(const uint8_t key[CRYPT_KEY_SIZE], struct span context, struct span sealed,
               struct buf *out)
{
    if (sealed.len < NONCE_SIZE + TAG_SIZE || sealed.len > INT_MAX / 2) {
        return -1;
    }
    ASSERT(context.len <= INT_MAX / 2);
    const unsigned char *from = crypt_bytes(sealed);
    size_t size = sealed.len - NONCE_SIZE - TAG_SIZE;
    unsigned char tag[TAG_SIZE];
    memcpy(tag, from + NONCE_SIZE + size, TAG_SIZE);
    unsigned char *at = (unsigned char *)buf_reserve(out, size + 1);
    int len = 0;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    ASSERT(ctx);
    bool ok = EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, from) == 1 &&
              EVP_DecryptUpdate(ctx, NULL, &len, crypt_bytes(context), (int)context.len) == 1 &&
              EVP_DecryptUpdate(ctx, at, &len, from + NONCE_SIZE, (int)size) == 1 &&
              EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_SIZE, tag) == 1;
    ASSERT(ok);
    bool is_authentic = EVP_DecryptFinal_ex(ctx, at + size, &len) == 1;
    EVP_CIPHER_CTX_free(ctx);
    if (!is_authentic) {
        crypt_wipe(at, size); /* not authentic: nobody may see it */
        return -1;
    }
    out->len += size;
    return 0;
}
