/* Verifiers: what is kept of a password, and what stands in for one that is not there. */
#include "crypt/scram.h"

#include "base/assert.h"

static void keys_make(enum crypt_hash hash, struct span password, struct scram_verifier *verifier)
{
    uint8_t salted[CRYPT_DIGEST_MAX];
    uint8_t client_key[CRYPT_DIGEST_MAX];
    size_t size = crypt_hash_size(hash);
    struct span key = span_of((const char *)salted, size);
    crypt_pbkdf2(hash, password, span_of((const char *)verifier->salt, verifier->salt_len),
                 verifier->iterations, salted);
    crypt_hmac(hash, key, SPAN("Client Key"), client_key);
    crypt_digest(hash, span_of((const char *)client_key, size), verifier->stored_key);
    crypt_hmac(hash, key, SPAN("Server Key"), verifier->server_key);
    crypt_wipe(salted, sizeof(salted));
    crypt_wipe(client_key, sizeof(client_key));
}

void scram_verifier_make(enum crypt_hash hash, struct span password, struct span salt,
                         uint32_t iterations, struct scram_verifier *verifier_out)
{
    ASSERT(salt.len > 0 && salt.len <= SCRAM_SALT_MAX);
    *verifier_out = (struct scram_verifier){.iterations = iterations};
    verifier_out->salt_len = (uint32_t)salt.len;
    memcpy(verifier_out->salt, salt.data, salt.len);
    keys_make(hash, password, verifier_out);
}

bool scram_verifier_fits(enum crypt_hash hash, struct span password,
                         const struct scram_verifier *verifier)
{
    struct scram_verifier made = *verifier;
    size_t size = crypt_hash_size(hash);
    keys_make(hash, password, &made);
    bool fits = crypt_equal(span_of((const char *)made.stored_key, size),
                            span_of((const char *)verifier->stored_key, size));
    crypt_wipe(&made, sizeof(made));
    return fits;
}

/* HMAC(secret, label:name) with a 64-byte digest; label keeps salt and keys apart. */
static void derive(struct span secret, const char *label, struct span name, uint8_t *out)
{
    struct arena arena = {0};
    struct span text = arena_printf(&arena, "%s:%.*s", label, SPAN_ARG(name));
    crypt_hmac(CRYPT_SHA512, secret, text, out);
    arena_deinit(&arena);
}

void scram_verifier_fake(enum crypt_hash hash, struct span secret, struct span name,
                         uint32_t iterations, struct scram_verifier *verifier_out)
{
    uint8_t salt[CRYPT_DIGEST_MAX];
    uint8_t label[CRYPT_DIGEST_MAX];
    *verifier_out = (struct scram_verifier){.iterations = iterations};
    verifier_out->salt_len = SCRAM_SALT_SIZE;
    /* A user has another salt for each hash, so one who does not exist has, too. */
    crypt_hmac(hash, SPAN("salt"), secret, label);
    derive(span_of((const char *)label, crypt_hash_size(hash)), "salt", name, salt);
    memcpy(verifier_out->salt, salt, SCRAM_SALT_SIZE);
    derive(secret, "stored", name, verifier_out->stored_key);
    derive(secret, "server", name, verifier_out->server_key);
}
