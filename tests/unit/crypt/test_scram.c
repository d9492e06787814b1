/* SCRAM against the conversations printed in RFC 5802 and RFC 7677, and against every wrong one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/codec.h"
#include "crypt/scram.h"

struct conversation {
    const char *mechanism;
    const char *salt; /* base64 */
    const char *client_first;
    const char *server_nonce;
    const char *server_first;
    const char *client_final;
    const char *server_final;
};

/* User "user", password "pencil". */
static const struct conversation rfc5802 = {
    "SCRAM-SHA-1",
    "QSXCR+Q6sek8bf92",
    "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
    "3rfcNHYJY1ZVvWVs7j",
    "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
    "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
    "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
};

static const struct conversation rfc7677 = {
    "SCRAM-SHA-256",
    "W22ZaJ0SNY7soEsUEjb6gQ==",
    "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
    "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
    "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
};

/* No RFC prints one for SHA-512: computed with Python's hashlib and hmac. */
static const struct conversation sha512 = {
    "SCRAM-SHA-512",
    "W22ZaJ0SNY7soEsUEjb6gQ==",
    "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
    "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    "p=gMGXRcevScNtxZ6/8lQYpGtnsNAc3mGcmNomv+xnoOMw+3R2xNJdMNnzMlTN8PPC6wdp6dybEmDYXYTxwnYPJQ==",
    "v=ZQnYEgWQMFmmsM8aQMF0nDDCy/AgCzkwk8CmMZYcMg0vSVlKDanekLtifDSeVGT4+5ZxXnJq199RVG2rR7N7Zw==",
};

/* The same, bound to a channel. */
#define CHANNEL "0123456789abcdef0123456789abcdef"

static const struct conversation sha512_plus = {
    "SCRAM-SHA-512-PLUS",
    "W22ZaJ0SNY7soEsUEjb6gQ==",
    "p=tls-exporter,,n=user,r=rOprNGfwEbeRWgbNEkqO",
    "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
    "c=cD10bHMtZXhwb3J0ZXIsLDAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZGVm,"
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    "p=nYF6dyqKugMftQQCoHB87R9uw7AH583WuYap5w83vUk3RJgbJ2rkavG5E+hwooa8VPGfHDHqbL1yAFvYnpnjSg==",
    "v=Ldw4q4IHkJJPcqUY1aOlISrFHR0IxmLFQD91e+1HjrSD35RDW1t+YLnon5IhoZ9LcwT9E0HQ9I9IaH/PM7Guxg==",
};

static struct scram_verifier verifier_of(const struct conversation *c, const char *password)
{
    struct scram_verifier verifier;
    struct buf salt = {0};
    assert_int_equal(base64_decode(span_cstr(c->salt), &salt), 0);
    scram_verifier_make(scram_find(span_cstr(c->mechanism))->hash, span_cstr(password),
                        buf_span(&salt), 4096, &verifier);
    buf_deinit(&salt);
    return verifier;
}

/* Plays the conversation with `final` as the client's last word. */
static enum scram_problem play(const struct conversation *c, const char *password,
                               const char *final, struct arena *arena, struct span *out)
{
    const struct scram_mechanism *mechanism = scram_find(span_cstr(c->mechanism));
    struct scram_first first;
    struct scram_exchange exchange = {.verifier = verifier_of(c, password)};
    assert_int_equal(scram_first_parse(mechanism, false, span_cstr(c->client_first), arena, &first),
                     SCRAM_FINE);
    assert_true(span_is(first.username, "user"));
    exchange.gs2_header = first.gs2_header;
    exchange.client_first_bare = first.bare;
    exchange.server_first =
        scram_challenge(&first, &exchange.verifier, c->server_nonce, (struct span){0}, arena);
    assert_true(span_is(exchange.server_first, c->server_first));
    return scram_final(mechanism, &exchange,
                       mechanism->binds_channel ? SPAN(CHANNEL) : (struct span){0},
                       span_cstr(final), arena, out);
}

static void the_conversations_of_the_rfcs_succeed(void **state)
{
    (void)state;
    const struct conversation *all[] = {&rfc5802, &rfc7677, &sha512, &sha512_plus};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        struct arena arena = {0};
        struct span out = {0};
        assert_int_equal(play(all[i], "pencil", all[i]->client_final, &arena, &out), SCRAM_FINE);
        assert_true(span_is(out, all[i]->server_final));
        assert_int_equal(play(all[i], "Pencil", all[i]->client_final, &arena, &out), SCRAM_WRONG);
        arena_deinit(&arena);
    }
}

static void a_final_message_that_differs_anywhere_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum scram_problem problem;
    } cases[] = {
        {"", SCRAM_MALFORMED},
        {"p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", SCRAM_MALFORMED},
        {"c=biws,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", SCRAM_MALFORMED},
        {"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j", SCRAM_MALFORMED},
        {"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=", SCRAM_MALFORMED},
        {"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=AAAA", SCRAM_MALFORMED},
        {"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4T",
         SCRAM_MALFORMED},
        /* another nonce, a nonce cut short */
        {"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7x,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
         SCRAM_MALFORMED},
        {"c=biws,r=fyko+d2lbbFgONRv9qkxdawL,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", SCRAM_MALFORMED},
        /* the channel binding of another header: y,, and n,a=x, */
        {"c=eSws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
         SCRAM_BINDING},
        {"c=bixhPXgs,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,"
         "p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
         SCRAM_BINDING},
        {"c=!!!!,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
         SCRAM_BINDING},
        /* extensions: mandatory, malformed; an optional one changes the proof */
        {"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,m=x,"
         "p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
         SCRAM_MALFORMED},
        {"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,,"
         "p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
         SCRAM_MALFORMED},
        {"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,x=y,"
         "p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
         SCRAM_WRONG},
        /* a proof of zeros */
        {"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=AAAAAAAAAAAAAAAAAAAAAAAAAAA=",
         SCRAM_WRONG},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arena arena = {0};
        struct span out = {0};
        assert_int_equal(play(&rfc5802, "pencil", cases[i].text, &arena, &out), cases[i].problem);
        arena_deinit(&arena);
    }
}

static void a_client_on_another_channel_is_refused(void **state)
{
    (void)state;
    static const char *const bindings[] = {
        /* another's data, none, of another header */
        "cD10bHMtZXhwb3J0ZXIsLDAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZGVn",
        "cD10bHMtZXhwb3J0ZXIsLA==",
        "cD10bHMtc2VydmVyLWVuZC1wb2ludCwsMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
        "biws",
    };
    for (size_t i = 0; i < sizeof(bindings) / sizeof(bindings[0]); i++) {
        struct arena arena = {0};
        struct span out = {0};
        struct span text =
            arena_printf(&arena, "c=%s%s", bindings[i], strchr(sha512_plus.client_final, ','));
        assert_int_equal(play(&sha512_plus, "pencil", text.data, &arena, &out), SCRAM_INTERCEPTED);
        arena_deinit(&arena);
    }
}

static void the_flag_of_the_header_goes_with_the_mechanism(void **state)
{
    (void)state;
    static const struct {
        const char *mechanism;
        const char *first;
        bool plus_offered;
        enum scram_problem problem;
    } cases[] = {
        {"SCRAM-SHA-1", "n,,n=user,r=abc", true, SCRAM_FINE},
        {"SCRAM-SHA-1", "y,,n=user,r=abc", false, SCRAM_FINE},
        {"SCRAM-SHA-1", "y,,n=user,r=abc", true, SCRAM_DOWNGRADED},
        {"SCRAM-SHA-1", "p=tls-exporter,,n=user,r=abc", true, SCRAM_BINDING},
        {"SCRAM-SHA-1-PLUS", "n,,n=user,r=abc", true, SCRAM_BINDING},
        {"SCRAM-SHA-1-PLUS", "y,,n=user,r=abc", true, SCRAM_BINDING},
        {"SCRAM-SHA-1-PLUS", "p=tls-exporter,,n=user,r=abc", true, SCRAM_FINE},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arena arena = {0};
        struct scram_first first;
        assert_int_equal(scram_first_parse(scram_find(span_cstr(cases[i].mechanism)),
                                           cases[i].plus_offered, span_cstr(cases[i].first), &arena,
                                           &first),
                         cases[i].problem);
        arena_deinit(&arena);
    }
}

static enum scram_problem parse(const char *text, struct scram_first *first, struct arena *arena)
{
    return scram_first_parse(scram_find(SPAN("SCRAM-SHA-1")), false, span_cstr(text), arena, first);
}

static void names_are_unescaped_and_identities_found(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct scram_first first;
    assert_int_equal(parse("y,a=a=2Cb=3Dc,n=x=3D=2Cy,r=abc,z=ignored", &first, &arena), SCRAM_FINE);
    assert_true(span_is(first.authzid, "a,b=c"));
    assert_true(span_is(first.username, "x=,y"));
    assert_true(span_is(first.nonce, "abc"));
    assert_true(span_is(first.gs2_header, "y,a=a=2Cb=3Dc,"));
    assert_true(span_is(first.bare, "n=x=3D=2Cy,r=abc,z=ignored"));
    arena_deinit(&arena);
}

static void a_first_message_outside_the_grammar_is_refused(void **state)
{
    (void)state;
    static const char *const malformed[] = {
        "",
        "n",
        "n,",
        "n,,",
        ",,n=user,r=abc",
        "x,,n=user,r=abc",
        "nn,,n=user,r=abc",
        "n,user,n=user,r=abc",
        "n,a=,n=user,r=abc",
        "n,a==2c,n=user,r=abc",
        "n,,n=,r=abc",
        "n,,n=user",
        "n,,n=user,",
        "n,,n=user,r=",
        "n,,n=user,r=abc,",
        "n,,n=user,r=abc,m=ext",
        "n,,m=ext,n=user,r=abc",
        "n,,r=abc,n=user",
        "n,,N=user,r=abc",
        "n,,n=us=er,r=abc",
        "n,,n=user=,r=abc",
        "n,,n=user=2,r=abc",
        "n,,n=user=2c,r=abc",
        "n,,n=user,r=a b",
        "n,,n=user,r=a\x7f",
        "n,,n=user,r=\xc3\xa9",
        "n,,n=user,r=abc,x",
        "n,,n=user,r=abc,1=2",
        "n,,n=user,r=abc,,x=y",
        "p=,,n=user,r=abc",
        "p=tls unique,,n=user,r=abc",
    };
    struct arena arena = {0};
    struct scram_first first;
    for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
        assert_int_equal(parse(malformed[i], &first, &arena), SCRAM_MALFORMED);
    }
    arena_deinit(&arena);
}

static void a_name_with_a_nul_and_a_nonce_too_long_are_refused(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct scram_first first;
    const struct scram_mechanism *m = scram_find(SPAN("SCRAM-SHA-1"));
    assert_int_equal(scram_first_parse(m, false, SPAN("n,,n=us\0er,r=abc"), &arena, &first),
                     SCRAM_MALFORMED);
    struct buf text = {0};
    buf_append_cstr(&text, "n,,n=user,r=");
    for (int i = 0; i < SCRAM_NONCE_MAX; i++) {
        buf_append_u8(&text, 'a');
    }
    assert_int_equal(scram_first_parse(m, false, buf_span(&text), &arena, &first), SCRAM_FINE);
    buf_append_u8(&text, 'a');
    assert_int_equal(scram_first_parse(m, false, buf_span(&text), &arena, &first), SCRAM_MALFORMED);
    buf_deinit(&text);
    arena_deinit(&arena);
}

static void channel_binding_flags_fit_the_mechanism(void **state)
{
    (void)state;
    static const struct scram_mechanism plus = {"SCRAM-SHA-1-PLUS", CRYPT_SHA1, true};
    const struct scram_mechanism *bare = scram_find(SPAN("SCRAM-SHA-1"));
    struct arena arena = {0};
    struct scram_first first;
    struct span n = SPAN("n,,n=user,r=abc");
    struct span y = SPAN("y,,n=user,r=abc");
    struct span p = SPAN("p=tls-exporter,,n=user,r=abc");
    assert_int_equal(scram_first_parse(bare, true, n, &arena, &first), SCRAM_FINE);
    assert_int_equal(scram_first_parse(bare, false, y, &arena, &first), SCRAM_FINE);
    assert_int_equal(scram_first_parse(bare, true, y, &arena, &first), SCRAM_DOWNGRADED);
    assert_int_equal(scram_first_parse(bare, true, p, &arena, &first), SCRAM_BINDING);
    assert_int_equal(scram_first_parse(&plus, true, n, &arena, &first), SCRAM_BINDING);
    assert_int_equal(scram_first_parse(&plus, true, y, &arena, &first), SCRAM_BINDING);
    assert_int_equal(scram_first_parse(&plus, true, p, &arena, &first), SCRAM_FINE);
    assert_true(span_is(first.binding_name, "tls-exporter"));
    arena_deinit(&arena);
}

static void a_verifier_fits_its_password_only(void **state)
{
    (void)state;
    struct scram_verifier verifier = verifier_of(&rfc7677, "pencil");
    assert_true(scram_verifier_fits(CRYPT_SHA256, SPAN("pencil"), &verifier));
    assert_false(scram_verifier_fits(CRYPT_SHA256, SPAN("pencils"), &verifier));
    assert_false(scram_verifier_fits(CRYPT_SHA256, (struct span){0}, &verifier));
}

static void a_fake_verifier_is_stable_and_differs_by_name_hash_and_secret(void **state)
{
    (void)state;
    struct scram_verifier a;
    struct scram_verifier b;
    scram_verifier_fake(CRYPT_SHA1, SPAN("secret"), SPAN("x@y"), 10000, &a);
    scram_verifier_fake(CRYPT_SHA1, SPAN("secret"), SPAN("x@y"), 10000, &b);
    assert_memory_equal(&a, &b, sizeof(a));
    assert_int_equal(a.salt_len, SCRAM_SALT_SIZE);
    assert_int_equal(a.iterations, 10000);
    scram_verifier_fake(CRYPT_SHA256, SPAN("secret"), SPAN("x@y"), 10000, &b);
    assert_memory_not_equal(a.salt, b.salt, SCRAM_SALT_SIZE);
    scram_verifier_fake(CRYPT_SHA1, SPAN("secret"), SPAN("z@y"), 10000, &b);
    assert_memory_not_equal(a.salt, b.salt, SCRAM_SALT_SIZE);
    scram_verifier_fake(CRYPT_SHA1, SPAN("other"), SPAN("x@y"), 10000, &b);
    assert_memory_not_equal(a.salt, b.salt, SCRAM_SALT_SIZE);
}

static void server_nonces_are_fresh(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct scram_verifier verifier = verifier_of(&rfc5802, "pencil");
    struct scram_first first;
    assert_int_equal(parse(rfc5802.client_first, &first, &arena), SCRAM_FINE);
    struct span a = scram_challenge(&first, &verifier, NULL, (struct span){0}, &arena);
    struct span b = scram_challenge(&first, &verifier, NULL, (struct span){0}, &arena);
    assert_false(span_eq(a, b));
    assert_true(span_find(a, ',') > 2 + first.nonce.len + 20);
    arena_deinit(&arena);
}

static void mechanisms_are_found_by_their_exact_names(void **state)
{
    (void)state;
    const struct scram_mechanism *table;
    assert_int_equal(scram_mechanisms(&table), 6);
    assert_string_equal(table[0].name, "SCRAM-SHA-512-PLUS");
    assert_non_null(scram_find(SPAN("SCRAM-SHA-1")));
    assert_null(scram_find(SPAN("scram-sha-1")));
    assert_null(scram_find(SPAN("SCRAM-SHA-1-plus")));
    assert_null(scram_find(SPAN("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_conversations_of_the_rfcs_succeed),
        cmocka_unit_test(a_final_message_that_differs_anywhere_is_refused),
        cmocka_unit_test(a_client_on_another_channel_is_refused),
        cmocka_unit_test(the_flag_of_the_header_goes_with_the_mechanism),
        cmocka_unit_test(names_are_unescaped_and_identities_found),
        cmocka_unit_test(a_first_message_outside_the_grammar_is_refused),
        cmocka_unit_test(a_name_with_a_nul_and_a_nonce_too_long_are_refused),
        cmocka_unit_test(channel_binding_flags_fit_the_mechanism),
        cmocka_unit_test(a_verifier_fits_its_password_only),
        cmocka_unit_test(a_fake_verifier_is_stable_and_differs_by_name_hash_and_secret),
        cmocka_unit_test(server_nonces_are_fresh),
        cmocka_unit_test(mechanisms_are_found_by_their_exact_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
