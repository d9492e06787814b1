/* The client's side of SCRAM, just enough to log in from a test. */
#ifndef JACKDAW_TESTS_SESSION_SCRAM_CLIENT_H
#define JACKDAW_TESTS_SESSION_SCRAM_CLIENT_H

#include "crypt/crypt.h"
#include "rig.h"

static inline void scram_start(struct rig *rig, const char *mechanism, const char *message,
                               size_t len)
{
    struct wire_msg msg = {.id = WIRE_ID_sasl_start};
    msg.u.sasl_start = (struct wire_sasl_start){
        .domain = SPAN("example.org"),
        .mechanism = span_cstr(mechanism),
        .address = SPAN("192.0.2.7"),
        .initial = span_of(message, len),
    };
    rig_call(rig, &msg);
}

static inline void scram_step(struct rig *rig, struct span response)
{
    struct buf state = {0};
    struct wire_msg msg = {.id = WIRE_ID_sasl_step};
    buf_append_span(&state, buf_span(&rig->state));
    msg.u.sasl_step.state = buf_span(&state);
    msg.u.sasl_step.response = response;
    rig_call(rig, &msg);
    buf_deinit(&state);
}

/* The same on a stream that offers channel binding, with TLS 1.3. */
#define SCRAM_EXPORTER  "\x01the exported secret\0"
#define SCRAM_END_POINT "the certificate's hash"
#define SCRAM_UNIQUE    "the Finished message"

static inline void scram_start_bound(struct rig *rig, const char *mechanism, const char *message)
{
    const struct span offered[] = {SPAN("SCRAM-SHA-1-PLUS"), SPAN("SCRAM-SHA-1")};
    const struct span types[] = {SPAN("tls-exporter"), SPAN("tls-server-end-point"),
                                 SPAN("tls-unique")};
    const struct span data[] = {SPAN(SCRAM_EXPORTER), SPAN(SCRAM_END_POINT), SPAN(SCRAM_UNIQUE)};
    struct wire_msg msg = {.id = WIRE_ID_sasl_start};
    msg.u.sasl_start = (struct wire_sasl_start){
        .domain = SPAN("example.org"),
        .mechanism = span_cstr(mechanism),
        .address = SPAN("192.0.2.7"),
        .flags = WIRE_SASL_SECURE,
        .initial = span_cstr(message),
        .mechanisms = {offered, 2},
        .binding_types = {types, 3},
        .bindings = {data, 3},
        .unadvertised = 1,
    };
    rig_call(rig, &msg);
}

/* The final message to the challenge in rig->data, for a first message "n,,BARE"; or behind
 * the "c=" that is in `final` already. */
static inline void scram_prove(enum crypt_hash hash, const char *bare, const char *password,
                               struct span challenge, struct buf *final)
{
    char nonce[200] = "";
    char salt64[100] = "";
    unsigned iterations = 0;
    char text[2000];
    uint8_t salted[CRYPT_DIGEST_MAX];
    uint8_t client[CRYPT_DIGEST_MAX];
    uint8_t stored[CRYPT_DIGEST_MAX];
    uint8_t proof[CRYPT_DIGEST_MAX];
    size_t size = crypt_hash_size(hash);
    struct buf salt = {0};
    (void)snprintf(text, sizeof(text), "%.*s", SPAN_ARG(challenge));
    assert_int_equal(sscanf(text, "r=%199[^,],s=%99[^,],i=%u", nonce, salt64, &iterations), 3);
    assert_int_equal(base64_decode(span_cstr(salt64), &salt), 0);
    crypt_pbkdf2(hash, span_cstr(password), buf_span(&salt), iterations, salted);
    crypt_hmac(hash, span_of((char *)salted, size), SPAN("Client Key"), client);
    crypt_digest(hash, span_of((char *)client, size), stored);
    if (final->len == 0) {
        buf_append_cstr(final, "c=biws");
    }
    buf_printf(final, ",r=%s", nonce);
    (void)snprintf(text, sizeof(text), "%s,%.*s,%s", bare, SPAN_ARG(challenge), buf_cstr(final));
    crypt_hmac(hash, span_of((char *)stored, size), span_cstr(text), proof);
    for (size_t i = 0; i < size; i++) {
        proof[i] = (uint8_t)(proof[i] ^ client[i]);
    }
    buf_append_cstr(final, ",p=");
    base64_encode(span_of((char *)proof, size), final);
    buf_deinit(&salt);
}

static inline enum crypt_hash scram_hash(const char *mechanism)
{
    return strstr(mechanism, "SHA-512")   ? CRYPT_SHA512
           : strstr(mechanism, "SHA-256") ? CRYPT_SHA256
                                          : CRYPT_SHA1;
}

/* A whole login; the outcome is in the rig. */
static inline void scram_login(struct rig *rig, const char *mechanism, const char *user,
                               const char *password)
{
    char bare[300];
    char first[310];
    struct buf final = {0};
    (void)snprintf(bare, sizeof(bare), "n=%s,r=abcdefghij", user);
    (void)snprintf(first, sizeof(first), "n,,%s", bare);
    scram_start(rig, mechanism, first, strlen(first));
    assert_int_equal(rig->outcome, WIRE_SASL_CHALLENGE);
    scram_prove(scram_hash(mechanism), bare, password, buf_span(&rig->data), &final);
    scram_step(rig, buf_span(&final));
    buf_deinit(&final);
}

#endif
