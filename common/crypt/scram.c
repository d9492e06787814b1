/* SCRAM: the table of mechanisms and the two answers of the server (RFC 5802 section 3).
 *
 *   SaltedPassword  = PBKDF2(password, salt, i)
 *   ClientKey       = HMAC(SaltedPassword, "Client Key"),  StoredKey = H(ClientKey)
 *   ServerKey       = HMAC(SaltedPassword, "Server Key")
 *   ClientProof     = ClientKey XOR HMAC(StoredKey, AuthMessage)
 *   ServerSignature = HMAC(ServerKey, AuthMessage)
 */
#include "crypt/scram.h"

#include "base/assert.h"
#include "base/buf.h"
#include "base/codec.h"
#include "base/rand.h"
#include "crypt/scram_internal.h"

static const struct scram_mechanism mechanisms[] = {
    {"SCRAM-SHA-512-PLUS", CRYPT_SHA512, true}, {"SCRAM-SHA-256-PLUS", CRYPT_SHA256, true},
    {"SCRAM-SHA-1-PLUS", CRYPT_SHA1, true},     {"SCRAM-SHA-512", CRYPT_SHA512, false},
    {"SCRAM-SHA-256", CRYPT_SHA256, false},     {"SCRAM-SHA-1", CRYPT_SHA1, false},
};

static const char *const hash_names[CRYPT_HASH_COUNT] = {
    [CRYPT_SHA1] = "SHA-1",
    [CRYPT_SHA256] = "SHA-256",
    [CRYPT_SHA512] = "SHA-512",
};

size_t scram_mechanisms(const struct scram_mechanism **table_out)
{
    *table_out = mechanisms;
    return sizeof(mechanisms) / sizeof(mechanisms[0]);
}

const struct scram_mechanism *scram_find(struct span name)
{
    for (size_t i = 0; i < sizeof(mechanisms) / sizeof(mechanisms[0]); i++) {
        if (span_is(name, mechanisms[i].name)) {
            return &mechanisms[i];
        }
    }
    return NULL;
}

const char *scram_hash_name(enum crypt_hash hash)
{
    ASSERT(hash < CRYPT_HASH_COUNT);
    return hash_names[hash];
}

struct span scram_challenge(const struct scram_first *first, const struct scram_verifier *verifier,
                            const char *server_nonce, struct span extension, struct arena *arena)
{
    uint8_t random[18];
    struct buf nonce = {0};
    struct buf salt = {0};
    if (server_nonce) {
        buf_append_cstr(&nonce, server_nonce);
    } else {
        rand_bytes(random, sizeof(random));
        base64_encode(span_of((const char *)random, sizeof(random)), &nonce);
    }
    base64_encode(span_of((const char *)verifier->salt, verifier->salt_len), &salt);
    struct span message =
        arena_printf(arena, "r=%.*s%s,s=%s,i=%u%s%.*s", SPAN_ARG(first->nonce), buf_cstr(&nonce),
                     buf_cstr(&salt), (unsigned)verifier->iterations,
                     span_is_empty(extension) ? "" : ",", SPAN_ARG(extension));
    buf_deinit(&nonce);
    buf_deinit(&salt);
    return message;
}

/* c= must be what the client said first, followed by the channel's data (section 6). */
static bool binding_fits(struct span given, struct span gs2_header, struct span binding)
{
    struct buf want = {0};
    struct buf got = {0};
    buf_append_span(&want, gs2_header);
    buf_append_span(&want, binding);
    bool fits = base64_decode(given, &got) == 0 && crypt_equal(buf_span(&got), buf_span(&want));
    buf_deinit(&want);
    buf_deinit(&got);
    return fits;
}

/* The nonce of the server's first message: "r=" up to the first comma. */
static struct span nonce_of(struct span server_first)
{
    struct span rest = span_from(server_first, 2);
    return span_head(rest, span_find(rest, ','));
}

static bool proof_fits(enum crypt_hash hash, const struct scram_verifier *verifier,
                       struct span auth_message, struct span proof)
{
    uint8_t key[CRYPT_DIGEST_MAX];
    uint8_t stored[CRYPT_DIGEST_MAX];
    size_t size = crypt_hash_size(hash);
    crypt_hmac(hash, span_of((const char *)verifier->stored_key, size), auth_message, key);
    for (size_t i = 0; i < size; i++) {
        key[i] = (uint8_t)(key[i] ^ (uint8_t)proof.data[i]);
    }
    crypt_digest(hash, span_of((const char *)key, size), stored);
    bool fits = crypt_equal(span_of((const char *)stored, size),
                            span_of((const char *)verifier->stored_key, size));
    crypt_wipe(key, sizeof(key));
    return fits;
}

static struct span server_final(enum crypt_hash hash, const struct scram_verifier *verifier,
                                struct span auth_message, struct arena *arena)
{
    uint8_t signature[CRYPT_DIGEST_MAX];
    size_t size = crypt_hash_size(hash);
    struct buf text = {0};
    crypt_hmac(hash, span_of((const char *)verifier->server_key, size), auth_message, signature);
    buf_append_cstr(&text, "v=");
    base64_encode(span_of((const char *)signature, size), &text);
    struct span message = arena_copy(arena, buf_span(&text));
    buf_deinit(&text);
    return message;
}

enum scram_problem scram_final(const struct scram_mechanism *mechanism,
                               const struct scram_exchange *exchange, struct span binding,
                               struct span message, struct arena *arena,
                               struct span *server_final_out)
{
    struct scram_last last;
    struct buf proof = {0};
    enum scram_problem problem = scram_last_parse(message, &last);
    if (problem != SCRAM_FINE) {
        return problem;
    }
    if (!binding_fits(last.binding, exchange->gs2_header, binding)) {
        return mechanism->binds_channel ? SCRAM_INTERCEPTED : SCRAM_BINDING;
    }
    if (!span_eq(last.nonce, nonce_of(exchange->server_first))) {
        return SCRAM_MALFORMED;
    }
    if (base64_decode(last.proof, &proof) != 0 || proof.len != crypt_hash_size(mechanism->hash)) {
        buf_deinit(&proof);
        return SCRAM_MALFORMED;
    }
    struct span auth_message =
        arena_printf(arena, "%.*s,%.*s,%.*s", SPAN_ARG(exchange->client_first_bare),
                     SPAN_ARG(exchange->server_first), SPAN_ARG(last.without_proof));
    bool fits = proof_fits(mechanism->hash, &exchange->verifier, auth_message, buf_span(&proof));
    buf_deinit(&proof);
    if (!fits) {
        return SCRAM_WRONG;
    }
    *server_final_out = server_final(mechanism->hash, &exchange->verifier, auth_message, arena);
    return SCRAM_FINE;
}
