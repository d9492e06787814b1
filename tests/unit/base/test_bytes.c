/* Spans, buffers, arenas and blobs keep the bytes they are given, and nothing else. */
#include "base/arena.h"
#include "base/blob.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/span.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void numbers_are_digits_without_overflow(void **state)
{
    static const struct {
        const char *text;
        int rc;
        uint64_t value;
    } cases[] = {{"0", 0, 0},
                 {"007", 0, 7},
                 {"18446744073709551615", 0, UINT64_MAX},
                 {"18446744073709551616", -1, 0},
                 {"99999999999999999999", -1, 0},
                 {"", -1, 0},
                 {"+1", -1, 0},
                 {"-1", -1, 0},
                 {" 1", -1, 0},
                 {"1a", -1, 0}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t value = 0;
        assert_int_equal(span_to_u64(span_cstr(cases[i].text), &value), cases[i].rc);
        assert_int_equal(value, cases[i].value);
    }
}

static void signed_numbers_reach_both_ends(void **state)
{
    int64_t value;

    (void)state;
    assert_int_equal(span_to_i64(SPAN("-9223372036854775808"), &value), 0);
    assert_true(value == INT64_MIN);
    assert_int_equal(span_to_i64(SPAN("9223372036854775807"), &value), 0);
    assert_true(value == INT64_MAX);
    assert_int_equal(span_to_i64(SPAN("9223372036854775808"), &value), -1);
    assert_int_equal(span_to_i64(SPAN("-9223372036854775809"), &value), -1);
    assert_int_equal(span_to_i64(SPAN("-"), &value), -1);
    assert_int_equal(span_to_i64(SPAN("--1"), &value), -1);
}

static void spans_are_cut_within_their_bounds(void **state)
{
    struct span s = SPAN(" \t a b\r\n ");

    (void)state;
    assert_true(span_is(span_trim(s), "a b"));
    assert_true(span_is_empty(span_trim(SPAN(" \n "))));
    assert_int_equal(span_find(SPAN("a@b"), '@'), 1);
    assert_int_equal(span_find(SPAN("ab"), '@'), 2);
    assert_int_equal(span_find((struct span){0}, '@'), 0);
    assert_true(span_is(span_from(SPAN("abc"), 1), "bc"));
    assert_true(span_is_empty(span_from(SPAN("abc"), 4)));
    assert_true(span_is(span_head(SPAN("abc"), 9), "abc"));
    assert_true(span_eq((struct span){0}, SPAN("")));
}

static void integers_are_little_endian(void **state)
{
    static const unsigned char expected[] = {1, 3, 2, 7, 6, 5, 4, 8, 0, 0, 0, 0, 0, 0, 0x80};
    struct buf b = {0};

    (void)state;
    buf_append_u8(&b, 1);
    buf_append_u16(&b, 0x0203);
    buf_append_u32(&b, 0x04050607);
    buf_append_u64(&b, UINT64_C(0x8000000000000008));
    assert_int_equal(b.len, sizeof(expected));
    assert_memory_equal(b.data, expected, sizeof(expected));
    buf_deinit(&b);
}

static void a_buffer_grows_consumes_and_shrinks(void **state)
{
    struct buf b = {0};

    (void)state;
    for (int i = 0; i < 1000; i++)
        buf_printf(&b, "%03d,", i);
    assert_int_equal(b.len, 4000);
    buf_consume(&b, 3996);
    assert_true(span_is(buf_span(&b), "999,"));
    buf_shrink(&b);
    assert_int_equal(b.cap, 4);
    assert_string_equal(buf_cstr(&b), "999,");
    assert_int_equal(b.len, 4);
    buf_reset(&b);
    buf_shrink(&b);
    assert_null(b.data);
    buf_append(&b, NULL, 0);
    assert_null(b.data);
}

static void long_text_is_formatted_whole(void **state)
{
    struct buf b = {0};
    struct arena arena = {0};
    char text[5000];

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    buf_append_cstr(&b, "a");
    buf_printf(&b, "%s", text);
    assert_int_equal(b.len, 5000);
    assert_int_equal(arena_printf(&arena, "%s!", text).len, 5000);
    buf_deinit(&b);
    arena_deinit(&arena);
}

static void arena_memory_is_aligned_and_apart(void **state)
{
    struct arena arena;
    char *pieces[500];

    (void)state;
    arena_init(&arena, 64);
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < 500; i++) {
            pieces[i] = arena_alloc(&arena, i);
            assert_int_equal((uintptr_t)pieces[i] % 16, 0);
            memset(pieces[i], (int)(i & 0xff), i);
        }
        for (size_t i = 1; i < 500; i++) {
            assert_int_equal((unsigned char)pieces[i][0], i & 0xff);
            assert_int_equal((unsigned char)pieces[i][i - 1], i & 0xff);
        }
        arena_reset(&arena);
    }
    struct span copy = arena_copy(&arena, SPAN("abc"));
    assert_string_equal(copy.data, "abc");
    uint64_t *zeros = arena_calloc(&arena, 10, sizeof(*zeros));
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(zeros[i], 0);
    arena_deinit(&arena);
}

static void a_reset_arena_allocates_nothing_new(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena, 4096);
    void *first = arena_alloc(&arena, 100);
    arena_reset(&arena);
    assert_ptr_equal(arena_alloc(&arena, 100), first);
    arena_deinit(&arena);
}

static void a_blob_lives_until_its_last_reference(void **state)
{
    struct blob *blob = blob_new(SPAN("bytes"));

    (void)state;
    assert_ptr_equal(blob_ref(blob), blob);
    blob_unref(blob);
    assert_true(span_is(blob_span(blob), "bytes"));
    blob_unref(blob);
    blob_unref(NULL);
}

static void copies_of_spans_end_in_nul(void **state)
{
    char *copy = mem_strdup_span(span_of("abcdef", 3));

    (void)state;
    assert_string_equal(copy, "abc");
    mem_free(copy);
    copy = mem_strdup_span((struct span){0});
    assert_string_equal(copy, "");
    mem_free(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_digits_without_overflow),
        cmocka_unit_test(signed_numbers_reach_both_ends),
        cmocka_unit_test(spans_are_cut_within_their_bounds),
        cmocka_unit_test(integers_are_little_endian),
        cmocka_unit_test(a_buffer_grows_consumes_and_shrinks),
        cmocka_unit_test(long_text_is_formatted_whole),
        cmocka_unit_test(arena_memory_is_aligned_and_apart),
        cmocka_unit_test(a_reset_arena_allocates_nothing_new),
        cmocka_unit_test(a_blob_lives_until_its_last_reference),
        cmocka_unit_test(copies_of_spans_end_in_nul),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
