/* Hashes, key derivation and sealing against published vectors; the development certificate. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/codec.h"
#include "crypt/crypt.h"
#include "crypt/devcert.h"

static void assert_hex(const uint8_t *bytes, size_t len, const char *hex)
{
    struct buf text = {0};
    hex_encode(span_of((const char *)bytes, len), &text);
    assert_string_equal(buf_cstr(&text), hex);
    buf_deinit(&text);
}

static void digests_match_fips_180(void **state)
{
    (void)state;
    uint8_t out[CRYPT_DIGEST_MAX];
    crypt_digest(CRYPT_SHA1, SPAN("abc"), out);
    assert_hex(out, 20, "a9993e364706816aba3e25717850c26c9cd0d89d");
    crypt_digest(CRYPT_SHA256, SPAN("abc"), out);
    assert_hex(out, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    crypt_digest(CRYPT_SHA1, (struct span){0}, out);
    assert_hex(out, 20, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
}

static void hmac_matches_rfc_4231(void **state)
{
    (void)state;
    uint8_t out[CRYPT_DIGEST_MAX];
    crypt_hmac(CRYPT_SHA256, SPAN("Jefe"), SPAN("what do ya want for nothing?"), out);
    assert_hex(out, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

static void pbkdf2_matches_rfc_6070(void **state)
{
    (void)state;
    uint8_t out[CRYPT_DIGEST_MAX];
    crypt_pbkdf2(CRYPT_SHA1, SPAN("password"), SPAN("salt"), 4096, out);
    assert_hex(out, 20, "4b007901b765489abead49d926f721d065a429c1");
}

static void equality_needs_same_length_and_bytes(void **state)
{
    (void)state;
    assert_true(crypt_equal(SPAN("same"), SPAN("same")));
    assert_false(crypt_equal(SPAN("same"), SPAN("sane")));
    assert_false(crypt_equal(SPAN("same"), SPAN("sam")));
    assert_true(crypt_equal((struct span){0}, SPAN("")));
}

static void a_sealed_blob_opens_only_with_its_key_context_and_bytes(void **state)
{
    (void)state;
    uint8_t key[CRYPT_KEY_SIZE] = {1, 2, 3};
    uint8_t other[CRYPT_KEY_SIZE] = {1, 2, 4};
    struct buf sealed = {0};
    struct buf plain = {0};
    crypt_seal(key, SPAN("sasl"), SPAN("a secret"), &sealed);
    assert_int_equal(crypt_open(key, SPAN("sasl"), buf_span(&sealed), &plain), 0);
    assert_true(span_is(buf_span(&plain), "a secret"));
    assert_int_equal(crypt_open(other, SPAN("sasl"), buf_span(&sealed), &plain), -1);
    assert_int_equal(crypt_open(key, SPAN("bind"), buf_span(&sealed), &plain), -1);
    for (size_t i = 0; i < sealed.len; i++) {
        sealed.data[i] ^= 1;
        assert_int_equal(crypt_open(key, SPAN("sasl"), buf_span(&sealed), &plain), -1);
        sealed.data[i] ^= 1;
    }
    for (size_t len = 0; len < sealed.len; len++) {
        assert_int_equal(crypt_open(key, SPAN("sasl"), span_of(sealed.data, len), &plain), -1);
    }
    assert_int_equal(plain.len, 8);
    buf_deinit(&sealed);
    buf_deinit(&plain);
}

static void sealing_twice_gives_different_blobs_and_nothing_can_be_sealed(void **state)
{
    (void)state;
    uint8_t key[CRYPT_KEY_SIZE] = {9};
    struct buf a = {0};
    struct buf b = {0};
    struct buf plain = {0};
    crypt_seal(key, (struct span){0}, (struct span){0}, &a);
    crypt_seal(key, (struct span){0}, (struct span){0}, &b);
    assert_false(span_eq(buf_span(&a), buf_span(&b)));
    assert_int_equal(crypt_open(key, (struct span){0}, buf_span(&a), &plain), 0);
    assert_int_equal(plain.len, 0);
    buf_deinit(&a);
    buf_deinit(&b);
    buf_deinit(&plain);
}

static void the_development_certificate_is_made_once_with_a_private_key_file(void **state)
{
    (void)state;
    char dir[] = "/tmp/jackdaw-devcert-XXXXXX";
    char cert[64];
    char key[64];
    char error[200] = "";
    char command[256];
    struct stat first;
    struct stat second;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(cert, sizeof(cert), "%s/cert.pem", dir);
    (void)snprintf(key, sizeof(key), "%s/key.pem", dir);
    struct span names[] = {SPAN("localhost"), SPAN("127.0.0.1"), SPAN("::1")};
    struct devcert_options options = {cert, key, names, 3};
    assert_int_equal(devcert_ensure(&options, error, sizeof(error)), 0);
    assert_int_equal(stat(key, &first), 0);
    assert_int_equal(first.st_mode & 0777, 0600);
    assert_int_equal(devcert_ensure(&options, error, sizeof(error)), 0);
    assert_int_equal(stat(key, &second), 0);
    assert_true(first.st_ino == second.st_ino);
    (void)snprintf(command, sizeof(command),
                   "openssl verify -x509_strict -verify_hostname localhost -verify_ip 127.0.0.1"
                   " -CAfile %s %s >/dev/null",
                   cert, cert);
    assert_int_equal(system(command), 0);
    (void)unlink(cert);
    (void)unlink(key);
    (void)snprintf(command, sizeof(command), "%s.lock", key);
    (void)unlink(command);
    assert_int_equal(rmdir(dir), 0);
    assert_int_equal(devcert_ensure(&options, error, sizeof(error)), -1);
    assert_non_null(strstr(error, "cannot write"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_match_fips_180),
        cmocka_unit_test(hmac_matches_rfc_4231),
        cmocka_unit_test(pbkdf2_matches_rfc_6070),
        cmocka_unit_test(equality_needs_same_length_and_bytes),
        cmocka_unit_test(a_sealed_blob_opens_only_with_its_key_context_and_bytes),
        cmocka_unit_test(sealing_twice_gives_different_blobs_and_nothing_can_be_sealed),
        cmocka_unit_test(the_development_certificate_is_made_once_with_a_private_key_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
