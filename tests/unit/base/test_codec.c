/* Base64 as RFC 4648 has it, strictly; hexadecimal; hashes that all daemons agree on; clocks. */
#include "base/clock.h"
#include "base/codec.h"
#include "base/hash.h"
#include "base/rand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void base64_has_the_vectors_of_rfc_4648(void **state)
{
    static const char *const vectors[][2] = {{"", ""},
                                             {"f", "Zg=="},
                                             {"fo", "Zm8="},
                                             {"foo", "Zm9v"},
                                             {"foob", "Zm9vYg=="},
                                             {"fooba", "Zm9vYmE="},
                                             {"foobar", "Zm9vYmFy"}};

    (void)state;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        struct buf text = {0}, bytes = {0};
        base64_encode(span_cstr(vectors[i][0]), &text);
        assert_true(span_is(buf_span(&text), vectors[i][1]));
        assert_int_equal(base64_decode(buf_span(&text), &bytes), 0);
        assert_true(span_is(buf_span(&bytes), vectors[i][0]));
        buf_deinit(&text);
        buf_deinit(&bytes);
    }
}

static void base64_that_is_not_canonical_is_refused(void **state)
{
    static const char *const wrong[] = {"Zg",       "Zg=",  "Zg===",         "=",    "====",
                                        "Z===",     "Zh==", "Zm9=",          "Z g=", "Zg==\n",
                                        "Zg==Zg==", "Zm-_", "Zm9v\xc3\xa4=="};
    struct buf out = {0};

    (void)state;
    buf_append_cstr(&out, "kept");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(base64_decode(span_cstr(wrong[i]), &out), -1);
    assert_int_equal(base64_decode(SPAN("Zg\0="), &out), -1);
    assert_true(span_is(buf_span(&out), "kept"));
    buf_deinit(&out);
}

static void random_bytes_survive_both_codecs(void **state)
{
    char bytes[257];

    (void)state;
    for (size_t len = 0; len < sizeof(bytes); len++) {
        struct buf text = {0}, back = {0};
        rand_bytes(bytes, len);
        base64_encode(span_of(bytes, len), &text);
        assert_int_equal(base64_decode(buf_span(&text), &back), 0);
        assert_true(span_eq(buf_span(&back), span_of(bytes, len)));
        buf_reset(&text);
        buf_reset(&back);
        hex_encode(span_of(bytes, len), &text);
        assert_int_equal(text.len, 2 * len);
        assert_int_equal(hex_decode(buf_span(&text), &back), 0);
        assert_true(span_eq(buf_span(&back), span_of(bytes, len)));
        buf_deinit(&text);
        buf_deinit(&back);
    }
}

static void hex_takes_both_cases_and_only_digits(void **state)
{
    struct buf out = {0};

    (void)state;
    assert_int_equal(hex_decode(SPAN("aB0f"), &out), 0);
    assert_true(span_is(buf_span(&out), "\xab\x0f"));
    assert_int_equal(hex_decode(SPAN("abc"), &out), -1);
    assert_int_equal(hex_decode(SPAN("0g"), &out), -1);
    buf_deinit(&out);
}

/* Other daemons, perhaps of another release, choose by the same value: it may never change. */
static void the_cluster_hash_is_fixed(void **state)
{
    (void)state;
    assert_true(hash_span(SPAN("alice@example.org")) == UINT64_C(0x758cdffbe21e36df));
    assert_true(hash_span(SPAN("a")) != hash_span(SPAN("a\0")));
    assert_true(hash_bytes(1, SPAN("a")) != hash_bytes(2, SPAN("a")));
    assert_true(hash_process_seed() != 0);
    assert_true(hash_process_seed() == hash_process_seed());
}

static void the_hash_spreads_evenly(void **state)
{
    unsigned hits[16] = {0};

    (void)state;
    for (uint32_t i = 0; i < 16000; i++)
        hits[hash_bytes(0, span_of((const char *)&i, sizeof(i))) % 16]++;
    for (size_t i = 0; i < 16; i++)
        assert_in_range(hits[i], 850, 1150);
}

static void times_are_written_as_xep_0082_has_them(void **state)
{
    char text[CLOCK_XEP82_SIZE];

    (void)state;
    clock_format_xep82(0, text);
    assert_string_equal(text, "1970-01-01T00:00:00.000Z");
    clock_format_xep82(UINT64_C(1709210096007), text);
    assert_string_equal(text, "2024-02-29T12:34:56.007Z");
    assert_true(clock_mono_us() / 1000 <= clock_mono_ms());
    assert_true(clock_real_ms() > UINT64_C(1700000000000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_has_the_vectors_of_rfc_4648),
        cmocka_unit_test(base64_that_is_not_canonical_is_refused),
        cmocka_unit_test(random_bytes_survive_both_codecs),
        cmocka_unit_test(hex_takes_both_cases_and_only_digits),
        cmocka_unit_test(the_cluster_hash_is_fixed),
        cmocka_unit_test(the_hash_spreads_evenly),
        cmocka_unit_test(times_are_written_as_xep_0082_has_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
