/* Public keys and what they signed, by libcrypto. */
#include "crypt/signature.h"

#include "base/mem.h"
#include "crypt/crypt_internal.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>

#define P256_BYTES 32

struct signature_key {
    EVP_PKEY *key;
    const struct algorithm *algorithm;
};

struct algorithm {
    const char *name;
    const char *type;  /* of the key, as OpenSSL names it */
    const char *group; /* of its curve, or NULL */
    int bits_min;
    int bits_max;
    const EVP_MD *(*digest)(void);
    /* The signature as OpenSSL wants it into `out`; its length, 0 when it cannot be one. */
    size_t (*convert)(struct span signature, unsigned char **out);
};

/* ---- forms of signatures ---- */

static size_t as_it_is(struct span signature, unsigned char **out)
{
    *out = OPENSSL_memdup(crypt_bytes(signature), signature.len);
    return *out ? signature.len : 0;
}

/* Two numbers of equal length, wanted as DER (RFC 7518 section 3.4). */
static size_t two_numbers(struct span signature, unsigned char **out)
{
    ECDSA_SIG *pair;
    BIGNUM *r, *s;
    int len = 0;

    if (signature.len != (size_t)2 * P256_BYTES) {
        return 0;
    }
    pair = ECDSA_SIG_new();
    r = BN_bin2bn(crypt_bytes(signature), P256_BYTES, NULL);
    s = BN_bin2bn(crypt_bytes(signature) + P256_BYTES, P256_BYTES, NULL);
    if (pair && r && s && ECDSA_SIG_set0(pair, r, s) == 1) {
        len = i2d_ECDSA_SIG(pair, out);
    } else {
        BN_free(r);
        BN_free(s);
    }
    ECDSA_SIG_free(pair);
    return len > 0 ? (size_t)len : 0;
}

static const EVP_MD *no_digest(void)
{
    return NULL;
}

static const struct algorithm algorithms[] = {
    {"RS256", "RSA", NULL, SIGNATURE_RSA_BITS_MIN, SIGNATURE_RSA_BITS_MAX, EVP_sha256, as_it_is},
    {"ES256", "EC", "prime256v1", 256, 256, EVP_sha256, two_numbers},
    {"EdDSA", "ED25519", NULL, 0, 256, no_digest, as_it_is},
};

/* ---- keys ---- */

static bool is_for(const struct algorithm *algorithm, const EVP_PKEY *key)
{
    char group[32] = "";
    int bits = EVP_PKEY_get_bits(key);

    if (EVP_PKEY_is_a(key, algorithm->type) != 1 || bits < algorithm->bits_min ||
        bits > algorithm->bits_max) {
        return false;
    }
    return !algorithm->group || (EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) == 1 &&
                                 strcmp(group, algorithm->group) == 0);
}

/* Takes `key`. */
static struct signature_key *key_new(EVP_PKEY *key)
{
    for (size_t i = 0; key && i < sizeof(algorithms) / sizeof(algorithms[0]); i++) {
        if (is_for(&algorithms[i], key)) {
            struct signature_key *made = mem_calloc(1, sizeof(*made));
            *made = (struct signature_key){key, &algorithms[i]};
            return made;
        }
    }
    EVP_PKEY_free(key);
    ERR_clear_error();
    return NULL;
}

/* Makes a key of `type` from the parameters in `builder`. */
static struct signature_key *key_build(const char *type, OSSL_PARAM_BLD *builder)
{
    OSSL_PARAM *parameters = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *key = NULL;

    if (parameters && context && EVP_PKEY_fromdata_init(context) == 1) {
        (void)EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, parameters);
    }
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(parameters);
    return key_new(key);
}

struct signature_key *signature_key_rsa(struct span modulus, struct span exponent)
{
    OSSL_PARAM_BLD *builder;
    BIGNUM *n, *e;
    struct signature_key *key = NULL;

    if (modulus.len > SIGNATURE_RSA_BITS_MAX / 8 + 1 || exponent.len > 8 || exponent.len == 0) {
        return NULL;
    }
    builder = OSSL_PARAM_BLD_new();
    n = BN_bin2bn(crypt_bytes(modulus), (int)modulus.len, NULL);
    e = BN_bin2bn(crypt_bytes(exponent), (int)exponent.len, NULL);
    if (builder && n && e && OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e) == 1) {
        key = key_build("RSA", builder);
    }
    OSSL_PARAM_BLD_free(builder);
    BN_free(n);
    BN_free(e);
    return key;
}

struct signature_key *signature_key_p256(struct span x, struct span y)
{
    unsigned char point[1 + 2 * P256_BYTES] = {4}; /* uncompressed */
    OSSL_PARAM_BLD *builder;
    struct signature_key *key = NULL;

    if (x.len != P256_BYTES || y.len != P256_BYTES) {
        return NULL;
    }
    memcpy(point + 1, x.data, P256_BYTES);
    memcpy(point + 1 + P256_BYTES, y.data, P256_BYTES);
    builder = OSSL_PARAM_BLD_new();
    if (builder &&
        OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) ==
            1 &&
        OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)) ==
            1) {
        key = key_build("EC", builder);
    }
    OSSL_PARAM_BLD_free(builder);
    return key;
}

struct signature_key *signature_key_ed25519(struct span x)
{
    return key_new(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, crypt_bytes(x), x.len));
}

static EVP_PKEY *read_object(const char *name, const unsigned char *der, long len)
{
    EVP_PKEY *key = NULL;
    X509 *certificate;

    if (strcmp(name, PEM_STRING_PUBLIC) == 0) {
        return d2i_PUBKEY(NULL, &der, len);
    }
    if (strcmp(name, PEM_STRING_X509) == 0 && (certificate = d2i_X509(NULL, &der, len)) != NULL) {
        key = X509_get_pubkey(certificate);
        X509_free(certificate);
    }
    return key;
}

int signature_key_from_pem(struct span *pem, struct signature_key **key_out)
{
    BIO *bio = BIO_new_mem_buf(crypt_bytes(*pem), (int)pem->len);
    char *name = NULL, *header = NULL;
    unsigned char *der = NULL;
    long len = 0;
    int result = 0;

    *key_out = NULL;
    if (bio && PEM_read_bio(bio, &name, &header, &der, &len) == 1) {
        *key_out = key_new(read_object(name, der, len));
        *pem = span_from(*pem, pem->len - BIO_ctrl_pending(bio));
        result = *key_out ? 1 : -1;
    }
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(der);
    BIO_free(bio);
    ERR_clear_error();
    return result;
}

void signature_key_free(struct signature_key *key)
{
    if (key) {
        EVP_PKEY_free(key->key);
        mem_free(key);
    }
}

const char *signature_key_algorithm(const struct signature_key *key)
{
    return key->algorithm->name;
}

bool signature_fits(const struct signature_key *key, struct span text, struct span signature)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    unsigned char *converted = NULL;
    size_t len = key->algorithm->convert(signature, &converted);
    bool fits = false;

    if (context && len > 0 &&
        EVP_DigestVerifyInit(context, NULL, key->algorithm->digest(), NULL, key->key) == 1) {
        fits = EVP_DigestVerify(context, converted, len, crypt_bytes(text), text.len) == 1;
    }
    OPENSSL_free(converted);
    EVP_MD_CTX_free(context);
    ERR_clear_error();
    return fits;
}
