/* Tokens: right ones of each algorithm, and every way in which one is wrong. */
#include "jwt/jwt.h"

#include "base/buf.h"
#include "base/codec.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#define NOW 1700000000ull /* s */
#define FINE                                                                                       \
    "{\"sub\":\"juliet\",\"aud\":\"example.org\",\"iss\":\"https://"                               \
    "id.example\",\"exp\":1700000060}"

static EVP_PKEY *rsa, *other_rsa, *small_rsa, *p256, *ed25519;

/* ---- making keys and tokens ---- */

static void base64url(struct span bytes, struct buf *out)
{
    size_t from = out->len;
    base64_encode(bytes, out);
    while (out->len > from && out->data[out->len - 1] == '=') {
        out->len--;
    }
    for (size_t i = from; i < out->len; i++) {
        char c = (char)out->data[i];
        out->data[i] = c == '+' ? '-' : c == '/' ? '_' : out->data[i];
    }
}

/* The public key as PEM. */
static void add_pem(EVP_PKEY *key, struct buf *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    assert_int_equal(PEM_write_bio_PUBKEY(bio, key), 1);
    long len = BIO_get_mem_data(bio, &text);
    buf_append(out, text, (size_t)len);
    BIO_free(bio);
}

static void add_number(EVP_PKEY *key, const char *member, const char *name, struct buf *out)
{
    BIGNUM *number = NULL;
    unsigned char bytes[512];
    assert_int_equal(EVP_PKEY_get_bn_param(key, name, &number), 1);
    int len = EVP_PKEY_is_a(key, "EC") ? BN_bn2binpad(number, bytes, 32) : BN_bn2bin(number, bytes);
    buf_printf(out, ",\"%s\":\"", member);
    base64url(span_of((const char *)bytes, (size_t)len), out);
    buf_append_cstr(out, "\"");
    BN_free(number);
}

/* The key of a set, with `more` members (", ..."). */
static void add_jwk(EVP_PKEY *key, const char *more, struct buf *out)
{
    unsigned char raw[32];
    size_t len = sizeof(raw);
    if (EVP_PKEY_is_a(key, "RSA")) {
        buf_append_cstr(out, "{\"kty\":\"RSA\"");
        add_number(key, "n", "n", out);
        add_number(key, "e", "e", out);
    } else if (EVP_PKEY_is_a(key, "EC")) {
        buf_append_cstr(out, "{\"kty\":\"EC\",\"crv\":\"P-256\"");
        add_number(key, "x", "qx", out);
        add_number(key, "y", "qy", out);
    } else {
        assert_int_equal(EVP_PKEY_get_raw_public_key(key, raw, &len), 1);
        buf_append_cstr(out, "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"");
        base64url(span_of((const char *)raw, len), out);
        buf_append_cstr(out, "\"");
    }
    buf_printf(out, "%s}", more);
}

/* The signature by `key` in the form of tokens. */
static void sign(EVP_PKEY *key, struct span text, struct buf *out)
{
    unsigned char bytes[1024];
    size_t len = sizeof(bytes);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    const EVP_MD *digest = EVP_PKEY_is_a(key, "ED25519") ? NULL : EVP_sha256();
    assert_int_equal(EVP_DigestSignInit(context, NULL, digest, NULL, key), 1);
    assert_int_equal(
        EVP_DigestSign(context, bytes, &len, (const unsigned char *)text.data, text.len), 1);
    EVP_MD_CTX_free(context);
    if (EVP_PKEY_is_a(key, "EC")) {
        const unsigned char *der = bytes;
        ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &der, (long)len);
        unsigned char both[64];
        BN_bn2binpad(ECDSA_SIG_get0_r(pair), both, 32);
        BN_bn2binpad(ECDSA_SIG_get0_s(pair), both + 32, 32);
        ECDSA_SIG_free(pair);
        base64url(span_of((const char *)both, 64), out);
        return;
    }
    base64url(span_of((const char *)bytes, len), out);
}

static struct buf token_of(EVP_PKEY *key, const char *header, const char *claims)
{
    struct buf token = {0};
    base64url(span_cstr(header), &token);
    buf_append_cstr(&token, ".");
    base64url(span_cstr(claims), &token);
    struct buf text = {0};
    buf_append_span(&text, buf_span(&token));
    buf_append_cstr(&token, ".");
    if (key) {
        sign(key, buf_span(&text), &token);
    }
    buf_deinit(&text);
    return token;
}

static struct jwt_keys *keys_of(struct span text)
{
    char error[200] = "";
    struct jwt_keys *keys = jwt_keys_parse(text, error, sizeof(error));
    if (!keys) {
        fail_msg("%s", error);
    }
    return keys;
}

static struct jwt_keys *pem_keys(void)
{
    struct buf pem = {0};
    add_pem(rsa, &pem);
    add_pem(p256, &pem);
    add_pem(ed25519, &pem);
    struct jwt_keys *keys = keys_of(buf_span(&pem));
    assert_int_equal(jwt_keys_count(keys), 3);
    buf_deinit(&pem);
    return keys;
}

static char name[4096];

static enum jwt_problem check_at(const struct jwt_keys *keys, struct span token, uint64_t now,
                                 uint64_t skew)
{
    struct arena arena = {0};
    struct span found;
    struct jwt_rules rules = {.issuer = SPAN("https://id.example"),
                              .audience = SPAN("example.org"),
                              .claim = "sub",
                              .now_ms = now * 1000,
                              .skew_ms = skew * 1000};
    enum jwt_problem problem = jwt_check(keys, token, &rules, &arena, &found);
    snprintf(name, sizeof(name), "%.*s", SPAN_ARG(found));
    arena_deinit(&arena);
    return problem;
}

/* A token of `key` against the keys of pem_keys. */
static enum jwt_problem check(EVP_PKEY *key, const char *header, const char *claims)
{
    struct jwt_keys *keys = pem_keys();
    struct buf token = token_of(key, header, claims);
    enum jwt_problem problem = check_at(keys, buf_span(&token), NOW, 0);
    buf_deinit(&token);
    jwt_keys_free(keys);
    return problem;
}

#define assert_problem(call, problem)                                                              \
    assert_string_equal(jwt_problem_text(call), jwt_problem_text(problem))

/* ---- right ones ---- */

static void each_algorithm_is_good(void **state)
{
    (void)state;
    assert_problem(check(rsa, "{\"alg\":\"RS256\",\"typ\":\"JWT\"}", FINE), JWT_FINE);
    assert_string_equal(name, "juliet");
    assert_problem(check(p256, "{\"alg\":\"ES256\",\"kid\":\"whatever\"}", FINE), JWT_FINE);
    assert_string_equal(name, "juliet");
    assert_problem(check(ed25519, "{\"alg\":\"EdDSA\"}", FINE), JWT_FINE);
    assert_string_equal(name, "juliet");
}

/* RFC 7515 appendix A.3: made by others. It has no audience. */
static void the_example_of_the_rfc_is_good(void **state)
{
    (void)state;
    struct jwt_keys *keys =
        keys_of(SPAN("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\","
                     "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
                     "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}"));
    struct span token =
        SPAN("eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9"
             "leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFC"
             "gfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q");
    struct jwt_rules rules = {.issuer = SPAN("joe"), .claim = "iss", .now_ms = 1300819379000ull};
    struct arena arena = {0};
    struct span found;
    assert_problem(jwt_check(keys, token, &rules, &arena, &found), JWT_AUDIENCE);
    rules.now_ms = 1300819380000ull;
    assert_problem(jwt_check(keys, token, &rules, &arena, &found), JWT_EXPIRED);
    arena_deinit(&arena);
    jwt_keys_free(keys);
}

static void one_of_several_audiences_is_enough(void **state)
{
    (void)state;
    assert_problem(check(ed25519, "{\"alg\":\"EdDSA\"}",
                         "{\"sub\":\"x\",\"iss\":\"https://id.example\",\"exp\":1700000060.5,"
                         "\"aud\":[7,\"account\",\"example.org\"]}"),
                   JWT_FINE);
}

/* ---- wrong ones ---- */

static void what_is_said_must_fit_the_rules(void **state)
{
    (void)state;
#define CLAIMS(rest) "{\"sub\":\"juliet\"," rest "}"
#define WHO          "\"aud\":\"example.org\",\"iss\":\"https://id.example\""
    static const struct {
        const char *claims;
        enum jwt_problem problem;
    } cases[] = {
        {CLAIMS(WHO), JWT_TIMELESS},
        {CLAIMS(WHO ",\"exp\":1700000000"), JWT_EXPIRED},
        {CLAIMS(WHO ",\"exp\":-5"), JWT_EXPIRED},
        {CLAIMS(WHO ",\"exp\":\"1700000060\""), JWT_MALFORMED},
        {CLAIMS(WHO ",\"exp\":null"), JWT_MALFORMED},
        {CLAIMS(WHO ",\"exp\":1e400"), JWT_MALFORMED},
        {CLAIMS(WHO ",\"exp\":1e300"), JWT_FINE},
        {CLAIMS(WHO ",\"exp\":1700000060,\"exp\":1800000000"), JWT_MALFORMED},
        {CLAIMS(WHO ",\"exp\":1700000060,\"nbf\":1700000001"), JWT_EARLY},
        {CLAIMS(WHO ",\"exp\":1700000060,\"nbf\":1700000000"), JWT_FINE},
        {CLAIMS(WHO ",\"exp\":1700000060,\"nbf\":true"), JWT_MALFORMED},
        {CLAIMS(WHO ",\"exp\":1700000060,\"iat\":1700000001"), JWT_EARLY},
        {CLAIMS("\"exp\":1700000060,\"aud\":\"example.org\""), JWT_ISSUER},
        {CLAIMS("\"exp\":1700000060,\"aud\":\"example.org\",\"iss\":\"https://id.example/\""),
         JWT_ISSUER},
        {CLAIMS("\"exp\":1700000060,\"iss\":\"https://id.example\""), JWT_AUDIENCE},
        {CLAIMS("\"exp\":1700000060,\"iss\":\"https://id.example\",\"aud\":\"example.net\""),
         JWT_AUDIENCE},
        {CLAIMS("\"exp\":1700000060,\"iss\":\"https://id.example\",\"aud\":[]"), JWT_AUDIENCE},
        {CLAIMS("\"exp\":1700000060,\"iss\":\"https://id.example\",\"aud\":{\"example.org\":1}"),
         JWT_AUDIENCE},
        {"{" WHO ",\"exp\":1700000060}", JWT_NAMELESS},
        {"{" WHO ",\"exp\":1700000060,\"sub\":\"\"}", JWT_NAMELESS},
        {"{" WHO ",\"exp\":1700000060,\"sub\":[\"juliet\"]}", JWT_NAMELESS},
        {"{" WHO ",\"exp\":1700000060,\"sub\":\"a\\u0000b\"}", JWT_MALFORMED},
        {"[" FINE "]", JWT_MALFORMED},
        {"", JWT_MALFORMED},
        {FINE FINE, JWT_MALFORMED},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum jwt_problem problem = check(ed25519, "{\"alg\":\"EdDSA\"}", cases[i].claims);
        if (problem != cases[i].problem) {
            fail_msg("%s: %s", cases[i].claims, jwt_problem_text(problem));
        }
        assert_string_equal(name, problem == JWT_FINE ? "juliet" : "");
    }
}

static void clocks_may_differ_by_the_skew(void **state)
{
    (void)state;
    struct jwt_keys *keys = pem_keys();
    struct buf token =
        token_of(p256, "{\"alg\":\"ES256\"}",
                 CLAIMS(WHO ",\"exp\":1700000060,\"nbf\":1700000000,\"iat\":1700000000"));
    assert_problem(check_at(keys, buf_span(&token), 1700000089, 30), JWT_FINE);
    assert_problem(check_at(keys, buf_span(&token), 1700000090, 30), JWT_EXPIRED);
    assert_problem(check_at(keys, buf_span(&token), 1699999970, 30), JWT_FINE);
    assert_problem(check_at(keys, buf_span(&token), 1699999969, 30), JWT_EARLY);
    buf_deinit(&token);
    jwt_keys_free(keys);
}

static void no_other_algorithm_is_taken(void **state)
{
    (void)state;
    static const char *const headers[] = {
        "{\"alg\":\"none\"}",  "{\"alg\":\"None\"}",    "{\"alg\":\"HS256\"}",
        "{\"alg\":\"RS512\"}", "{\"alg\":\"PS256\"}",   "{\"alg\":\"ES384\"}",
        "{\"alg\":\"rs256\"}", "{\"alg\":[\"RS256\"]}", "{\"typ\":\"JWT\"}",
        "{\"alg\":\"\"}",
    };
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        assert_problem(check(rsa, headers[i], FINE), JWT_ALGORITHM);
        assert_problem(check(NULL, headers[i], FINE), JWT_ALGORITHM);
    }
    assert_problem(check(rsa, "{\"alg\":\"RS256\",\"crit\":[\"exp\"]}", FINE), JWT_CRITICAL);
}

/* The public key, which everybody has, is no shared secret. */
static void a_public_key_is_no_secret(void **state)
{
    (void)state;
    struct buf pem = {0};
    struct buf token = {0};
    unsigned char mac[32];
    unsigned len = sizeof(mac);
    add_pem(rsa, &pem);
    struct jwt_keys *keys = keys_of(buf_span(&pem));
    const char *headers[] = {"{\"alg\":\"HS256\"}", "{\"alg\":\"RS256\"}"};
    const enum jwt_problem expected[] = {JWT_ALGORITHM, JWT_SIGNATURE};
    for (size_t i = 0; i < 2; i++) {
        buf_reset(&token);
        base64url(span_cstr(headers[i]), &token);
        buf_append_cstr(&token, ".");
        base64url(SPAN(FINE), &token);
        HMAC(EVP_sha256(), pem.data, (int)pem.len, (const unsigned char *)token.data, token.len,
             mac, &len);
        buf_append_cstr(&token, ".");
        base64url(span_of((const char *)mac, len), &token);
        assert_problem(check_at(keys, buf_span(&token), NOW, 0), expected[i]);
    }
    buf_deinit(&token);
    buf_deinit(&pem);
    jwt_keys_free(keys);
}

static void a_key_is_for_its_algorithm_only(void **state)
{
    (void)state;
    assert_problem(check(other_rsa, "{\"alg\":\"RS256\"}", FINE), JWT_SIGNATURE);
    assert_problem(check(rsa, "{\"alg\":\"ES256\"}", FINE), JWT_SIGNATURE);
    assert_problem(check(p256, "{\"alg\":\"EdDSA\"}", FINE), JWT_SIGNATURE);
    assert_problem(check(ed25519, "{\"alg\":\"RS256\"}", FINE), JWT_SIGNATURE);
    struct buf pem = {0};
    add_pem(p256, &pem);
    struct jwt_keys *keys = keys_of(buf_span(&pem));
    struct buf token = token_of(rsa, "{\"alg\":\"RS256\"}", FINE);
    assert_problem(check_at(keys, buf_span(&token), NOW, 0), JWT_KEY);
    buf_deinit(&token);
    buf_deinit(&pem);
    jwt_keys_free(keys);
}

static void what_is_cut_or_changed_is_refused(void **state)
{
    (void)state;
    struct jwt_keys *keys = pem_keys();
    struct buf token = token_of(ed25519, "{\"alg\":\"EdDSA\"}", FINE);
    for (size_t len = 0; len < token.len; len++) {
        assert_true(check_at(keys, span_head(buf_span(&token), len), NOW, 0) != JWT_FINE);
    }
    for (size_t i = 0; i < token.len; i++) {
        token.data[i] ^= 1;
        if (check_at(keys, buf_span(&token), NOW, 0) == JWT_FINE) {
            fail_msg("byte %zu does not count", i);
        }
        token.data[i] ^= 1;
    }
    assert_problem(check_at(keys, buf_span(&token), NOW, 0), JWT_FINE);
    buf_append_cstr(&token, ".");
    assert_problem(check_at(keys, buf_span(&token), NOW, 0), JWT_MALFORMED);
    buf_append_cstr(&token, "e30.x");
    assert_problem(check_at(keys, buf_span(&token), NOW, 0), JWT_MALFORMED);
    buf_deinit(&token);
    jwt_keys_free(keys);
}

static void what_is_huge_or_deep_is_refused(void **state)
{
    (void)state;
    struct jwt_keys *keys = pem_keys();
    struct buf claims = {0};
    buf_append_cstr(&claims, "{\"sub\":\"juliet\"," WHO ",\"exp\":1700000060,\"x\":\"");
    for (int i = 0; i < 20000; i++) {
        buf_append_cstr(&claims, "x");
    }
    buf_append_cstr(&claims, "\"}");
    struct buf token = token_of(ed25519, "{\"alg\":\"EdDSA\"}", buf_cstr(&claims));
    assert_problem(check_at(keys, buf_span(&token), NOW, 0), JWT_MALFORMED);
    buf_deinit(&token);
    buf_reset(&claims);
    for (int i = 0; i < 11000; i++) {
        buf_append_cstr(&claims, "[");
    }
    token = token_of(ed25519, "{\"alg\":\"EdDSA\"}", buf_cstr(&claims));
    assert_true(token.len < JWT_TOKEN_MAX);
    assert_problem(check_at(keys, buf_span(&token), NOW, 0), JWT_MALFORMED);
    buf_deinit(&token);
    buf_deinit(&claims);
    jwt_keys_free(keys);
}

/* ---- sets of keys ---- */

static void a_key_is_found_by_its_id(void **state)
{
    (void)state;
    struct buf set = {0};
    buf_append_cstr(&set, "{\"keys\":[");
    add_jwk(other_rsa, ",\"kid\":\"old\",\"use\":\"sig\",\"alg\":\"RS256\"", &set);
    buf_append_cstr(&set, ",");
    add_jwk(rsa, ",\"kid\":\"new\",\"key_ops\":[\"verify\"]", &set);
    buf_append_cstr(&set, ",");
    add_jwk(p256, ",\"kid\":\"curve\"", &set);
    buf_append_cstr(&set, ",");
    add_jwk(ed25519, "", &set);
    buf_append_cstr(&set, "]}");
    struct jwt_keys *keys = keys_of(buf_span(&set));
    assert_int_equal(jwt_keys_count(keys), 4);
    const struct {
        EVP_PKEY *key;
        const char *header;
        enum jwt_problem problem;
    } cases[] = {
        {rsa, "{\"alg\":\"RS256\",\"kid\":\"new\"}", JWT_FINE},
        {other_rsa, "{\"alg\":\"RS256\",\"kid\":\"old\"}", JWT_FINE},
        {rsa, "{\"alg\":\"RS256\",\"kid\":\"old\"}", JWT_SIGNATURE},
        {rsa, "{\"alg\":\"RS256\",\"kid\":\"unheard of\"}", JWT_KEY},
        {rsa, "{\"alg\":\"RS256\",\"kid\":\"curve\"}", JWT_KEY},
        {rsa, "{\"alg\":\"RS256\"}", JWT_FINE},
        {p256, "{\"alg\":\"ES256\",\"kid\":\"curve\"}", JWT_FINE},
        {ed25519, "{\"alg\":\"EdDSA\",\"kid\":\"any\"}", JWT_FINE},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf token = token_of(cases[i].key, cases[i].header, FINE);
        assert_problem(check_at(keys, buf_span(&token), NOW, 0), cases[i].problem);
        buf_deinit(&token);
    }
    jwt_keys_free(keys);
    buf_deinit(&set);
}

static void assert_no_keys(struct span text)
{
    char error[200] = "";
    if (jwt_keys_parse(text, error, sizeof(error))) {
        fail_msg("these were taken: %.*s", SPAN_ARG(text));
    }
    assert_string_not_equal(error, "");
}

static void assert_no_jwk(EVP_PKEY *key, const char *more)
{
    struct buf set = {0};
    buf_append_cstr(&set, "{\"keys\":[");
    add_jwk(key, more, &set);
    buf_append_cstr(&set, "]}");
    assert_no_keys(buf_span(&set));
    buf_deinit(&set);
}

static void keys_for_something_else_are_passed_over(void **state)
{
    (void)state;
    assert_no_jwk(rsa, ",\"use\":\"enc\"");
    assert_no_jwk(rsa, ",\"alg\":\"RS512\"");
    assert_no_jwk(rsa, ",\"alg\":\"HS256\"");
    assert_no_jwk(rsa, ",\"key_ops\":[\"sign\"]");
    assert_no_jwk(small_rsa, "");
    assert_no_keys(SPAN("{\"keys\":[{\"kty\":\"oct\",\"k\":\"c2VjcmV0\",\"alg\":\"HS256\"}]}"));
    assert_no_keys(
        SPAN("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"}]}"));
    /* 32 bytes each, but no point of the curve */
    assert_no_keys(SPAN("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\","
                        "\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE\","
                        "\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE\"}]}"));
    assert_no_keys(SPAN("{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}]}"));
    assert_no_keys(SPAN("{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}]}"));
    assert_no_keys(SPAN("{\"keys\":[7,null,\"x\",[]]}"));
    assert_no_keys(SPAN("{\"keys\":{}}"));
    assert_no_keys(SPAN("{\"keys\":[]"));
    assert_no_keys(SPAN("{}"));
    assert_no_keys(SPAN(""));
    assert_no_keys(SPAN("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"));
}

static void a_private_or_small_key_as_pem_is_refused(void **state)
{
    (void)state;
    struct buf pem = {0};
    add_pem(rsa, &pem);
    add_pem(small_rsa, &pem);
    assert_no_keys(buf_span(&pem));
    buf_deinit(&pem);
}

static void a_file_that_is_not_there_is_named(void **state)
{
    (void)state;
    char error[200];
    assert_null(jwt_keys_load("/nonexistent/jwks.json", error, sizeof(error)));
    assert_non_null(strstr(error, "/nonexistent/jwks.json: No such file"));
    assert_null(jwt_keys_load("/tmp", error, sizeof(error)));
    assert_non_null(strstr(error, "/tmp: "));
}

static int make_keys(void **state)
{
    (void)state;
    rsa = EVP_RSA_gen(2048);
    other_rsa = EVP_RSA_gen(2048);
    small_rsa = EVP_RSA_gen(1024);
    p256 = EVP_EC_gen("P-256");
    ed25519 = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    return rsa && other_rsa && small_rsa && p256 && ed25519 ? 0 : -1;
}

static int free_keys(void **state)
{
    (void)state;
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(other_rsa);
    EVP_PKEY_free(small_rsa);
    EVP_PKEY_free(p256);
    EVP_PKEY_free(ed25519);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_algorithm_is_good),
        cmocka_unit_test(the_example_of_the_rfc_is_good),
        cmocka_unit_test(one_of_several_audiences_is_enough),
        cmocka_unit_test(what_is_said_must_fit_the_rules),
        cmocka_unit_test(clocks_may_differ_by_the_skew),
        cmocka_unit_test(no_other_algorithm_is_taken),
        cmocka_unit_test(a_public_key_is_no_secret),
        cmocka_unit_test(a_key_is_for_its_algorithm_only),
        cmocka_unit_test(what_is_cut_or_changed_is_refused),
        cmocka_unit_test(what_is_huge_or_deep_is_refused),
        cmocka_unit_test(a_key_is_found_by_its_id),
        cmocka_unit_test(keys_for_something_else_are_passed_over),
        cmocka_unit_test(a_private_or_small_key_as_pem_is_refused),
        cmocka_unit_test(a_file_that_is_not_there_is_named),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
