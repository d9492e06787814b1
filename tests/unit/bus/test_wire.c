/* The wire codec: every message survives the way there and back; nothing else is let in. */
#include "base/mem.h"
#include "bus/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* Fills a message of every kind with values that tell its fields apart. */
#define U8(f)          m->f = (uint8_t)(++n);
#define U32(f)         m->f = 0xa0000000u + (uint32_t)(++n);
#define U64(f)         m->f = 0xb000000000000000u + (uint64_t)(++n);
#define STR(f)         m->f = span_cstr(texts[++n % 4]);
#define BYTES(f)       m->f = SPAN("\0\xff\x01 bytes");
#define U64S(f)        m->f = (struct wire_u64s){numbers, 3};
#define STRS(f)        m->f = (struct wire_strs){strings, 3};
#define SINCE(v, decl) decl
#define WIRE(name, id, version, kind, flags, fields)                                               \
    static void fill_##name(struct wire_##name *m)                                                 \
    {                                                                                              \
        unsigned n = 0;                                                                            \
                                                                                                   \
        fields(void) n;                                                                            \
        (void)m;                                                                                   \
    }

static const uint64_t numbers[] = {1, UINT64_MAX, 0};
static const struct span strings[] = {{"one", 3}, {"", 0}, {"three", 5}};
static const char *const texts[] = {"", "user@example.org/phone", "x", "\xc3\xa4"};

#include "bus/wire.def"
#undef WIRE
#undef U8
#undef U32
#undef U64
#undef STR
#undef BYTES
#undef U64S
#undef STRS
#undef SINCE

static bool same_u64s(struct wire_u64s a, struct wire_u64s b)
{
    return a.count == b.count && (a.count == 0 || !memcmp(a.items, b.items, 8 * a.count));
}

static bool same_strs(struct wire_strs a, struct wire_strs b)
{
    for (uint32_t i = 0; a.count == b.count && i < a.count; i++) {
        if (!span_eq(a.items[i], b.items[i]))
            return false;
    }
    return a.count == b.count;
}

#define U8(f)          assert_int_equal(a->f, b->f);
#define U32(f)         assert_int_equal(a->f, b->f);
#define U64(f)         assert_true(a->f == b->f);
#define STR(f)         assert_true(span_eq(a->f, b->f));
#define BYTES(f)       assert_true(span_eq(a->f, b->f));
#define U64S(f)        assert_true(same_u64s(a->f, b->f));
#define STRS(f)        assert_true(same_strs(a->f, b->f));
#define SINCE(v, decl) decl
#define WIRE(name, id, version, kind, flags, fields)                                               \
    static void compare_##name(const struct wire_##name *a, const struct wire_##name *b)           \
    {                                                                                              \
        fields(void) a;                                                                            \
        (void)b;                                                                                   \
    }
#include "bus/wire.def"
#undef WIRE

/* Calls `each` with every message of the table, filled in and encoded. */
static void for_each_message(void (*each)(const struct wire_msg *msg, struct span encoded))
{
    struct buf out = {0};
    struct wire_msg msg;

#define WIRE(name, id_, version, kind, flags, fields)                                              \
    memset(&msg, 0, sizeof msg);                                                                   \
    msg.id = id_;                                                                                  \
    fill_##name(&msg.u.name);                                                                      \
    buf_reset(&out);                                                                               \
    wire_encode(&msg, &out);                                                                       \
    each(&msg, buf_span(&out));
#include "bus/wire.def"
#undef WIRE
    buf_deinit(&out);
}

static void compare(const struct wire_msg *a, const struct wire_msg *b)
{
    assert_int_equal(a->id, b->id);
    switch (a->id) {
#define WIRE(name, id_, version, kind, flags, fields)                                              \
    case WIRE_ID_##name:                                                                           \
        compare_##name(&a->u.name, &b->u.name);                                                    \
        break;
#include "bus/wire.def"
#undef WIRE
    }
}

/* Decodes from memory of exactly that size, so that a sanitizer sees any read beyond it. */
static int decode_exact(struct span in, size_t len, size_t *used_out)
{
    char *copy = mem_alloc(len);
    struct arena arena = {0};
    struct wire_msg msg;
    int result;

    memcpy(copy, in.data, len);
    result = wire_decode(span_of(copy, len), &arena, &msg, used_out);
    arena_deinit(&arena);
    mem_free(copy);
    return result;
}

static void check_round_trip(const struct wire_msg *msg, struct span encoded)
{
    struct arena arena = {0};
    struct wire_msg back;
    size_t used = 0;

    assert_int_equal(wire_decode(encoded, &arena, &back, NULL), 0);
    compare(msg, &back);
    assert_int_equal(wire_decode(encoded, &arena, &back, &used), 0);
    assert_int_equal(used, encoded.len);
    assert_string_not_equal(wire_name(msg->id), "unknown");
    arena_deinit(&arena);
}

static void every_message_round_trips(void **state)
{
    (void)state;
    for_each_message(check_round_trip);
}

static void check_truncations(const struct wire_msg *msg, struct span encoded)
{
    size_t used;

    (void)msg;
    for (size_t len = 0; len < encoded.len; len++) {
        assert_int_equal(decode_exact(encoded, len, NULL), -1);
        assert_int_equal(decode_exact(encoded, len, &used), -1);
    }
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    for_each_message(check_truncations);
}

/* A body that ends early by its own header: fields are missing. */
static void check_short_bodies(const struct wire_msg *msg, struct span encoded)
{
    char *copy = mem_alloc(encoded.len);

    (void)msg;
    memcpy(copy, encoded.data, encoded.len);
    for (size_t len = 0; len + 8 < encoded.len; len++) {
        for (unsigned i = 0; i < 4; i++)
            copy[4 + i] = (char)(len >> (8 * i) & 0xff);
        assert_int_equal(decode_exact(span_of(copy, encoded.len), 8 + len, NULL), -1);
    }
    mem_free(copy);
}

static void every_shortened_body_is_refused(void **state)
{
    (void)state;
    for_each_message(check_short_bodies);
}

/* Sets each run of four bytes to a huge length: it must be refused or be an integer field. */
static void check_huge_lengths(const struct wire_msg *msg, struct span encoded)
{
    static const uint32_t huge[] = {0xffffffff, 0x7fffffff, 0x80000000, 0x10000};
    char *copy = mem_alloc(encoded.len);

    (void)msg;
    for (size_t at = 4; at + 4 <= encoded.len; at++) {
        for (size_t h = 0; h < sizeof huge / sizeof huge[0]; h++) {
            memcpy(copy, encoded.data, encoded.len);
            for (unsigned i = 0; i < 4; i++)
                copy[at + i] = (char)(huge[h] >> (8 * i) & 0xff);
            (void)decode_exact(span_of(copy, encoded.len), encoded.len, NULL);
            if (at == 4)
                assert_int_equal(decode_exact(span_of(copy, encoded.len), encoded.len, NULL), -1);
        }
    }
    mem_free(copy);
}

static void lengths_beyond_the_message_are_refused(void **state)
{
    (void)state;
    for_each_message(check_huge_lengths);
}

static void a_length_one_too_large_is_refused(void **state)
{
    static const unsigned char bad[] = {52, 0, 1, 0, 5, 0, 0, 0, 2, 0, 0, 0, 'x'};
    static const unsigned char good[] = {52, 0, 1, 0, 5, 0, 0, 0, 1, 0, 0, 0, 'x'};

    (void)state;
    assert_int_equal(decode_exact(span_of((const char *)bad, sizeof bad), sizeof bad, NULL), -1);
    assert_int_equal(decode_exact(span_of((const char *)good, sizeof good), sizeof good, NULL), 0);
}

static void lists_that_cannot_fit_are_refused(void **state)
{
    struct wire_msg msg = {.id = WIRE_ID_deliver};
    struct buf out = {0};

    (void)state;
    msg.u.deliver.sids = (struct wire_u64s){numbers, 3};
    wire_encode(&msg, &out);
    assert_int_equal(out.data[24], 3);
    for (unsigned count = 4; count < 256; count++) {
        out.data[24] = (char)count;
        assert_int_equal(decode_exact(buf_span(&out), out.len, NULL), -1);
    }
    out.data[24] = 3;
    assert_int_equal(decode_exact(buf_span(&out), out.len, NULL), 0);
    buf_deinit(&out);
}

static void check_trailing(const struct wire_msg *msg, struct span encoded)
{
    char *copy = mem_alloc(encoded.len + 3);
    size_t body = encoded.len - 8 + 3;
    size_t used = 0;

    (void)msg;
    memcpy(copy, encoded.data, encoded.len);
    memset(copy + encoded.len, 'x', 3);
    /* Behind the message: an error unless the caller asks where the message ends. */
    assert_int_equal(decode_exact(span_of(copy, encoded.len + 3), encoded.len + 3, NULL), -1);
    assert_int_equal(decode_exact(span_of(copy, encoded.len + 3), encoded.len + 3, &used), 0);
    assert_int_equal(used, encoded.len);
    /* Inside the message: an error, unless a newer sender wrote more fields. */
    for (unsigned i = 0; i < 4; i++)
        copy[4 + i] = (char)(body >> (8 * i) & 0xff);
    assert_int_equal(decode_exact(span_of(copy, encoded.len + 3), encoded.len + 3, NULL), -1);
    copy[2]++;
    assert_int_equal(decode_exact(span_of(copy, encoded.len + 3), encoded.len + 3, NULL), 0);
    mem_free(copy);
}

static void trailing_bytes_are_for_newer_versions_only(void **state)
{
    (void)state;
    for_each_message(check_trailing);
}

static void unknown_ids_and_version_zero_are_refused(void **state)
{
    struct wire_msg msg = {.id = WIRE_ID_account_removed};
    struct buf out = {0};

    (void)state;
    wire_encode(&msg, &out);
    assert_int_equal(decode_exact(buf_span(&out), out.len, NULL), 0);
    out.data[2] = 0;
    assert_int_equal(decode_exact(buf_span(&out), out.len, NULL), -1);
    out.data[2] = 1;
    for (unsigned id = 0; id < 0x10000; id++) {
        out.data[0] = (char)(id & 0xff);
        out.data[1] = (char)(id >> 8);
        if (!strcmp(wire_name((enum wire_id)id), "unknown"))
            assert_int_equal(decode_exact(buf_span(&out), out.len, NULL), -1);
    }
    buf_deinit(&out);
}

static void the_table_says_kind_and_flags(void **state)
{
    (void)state;
    assert_int_equal(wire_kind_of(WIRE_ID_route), WIRE_ITEM);
    assert_int_equal(wire_kind_of(WIRE_ID_result), WIRE_REPLY);
    assert_int_equal(wire_kind_of(WIRE_ID_session_changed), WIRE_NOTICE);
    assert_int_equal(wire_kind_of(WIRE_ID_session_record), WIRE_RECORD);
    assert_true(wire_is_idempotent(WIRE_ID_account_exists));
    assert_false(wire_is_idempotent(WIRE_ID_sasl_step));
    assert_string_equal(wire_name(WIRE_ID_route), "route");
    assert_string_equal(wire_name((enum wire_id)9999), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_round_trips),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(every_shortened_body_is_refused),
        cmocka_unit_test(lengths_beyond_the_message_are_refused),
        cmocka_unit_test(a_length_one_too_large_is_refused),
        cmocka_unit_test(lists_that_cannot_fit_are_refused),
        cmocka_unit_test(trailing_bytes_are_for_newer_versions_only),
        cmocka_unit_test(unknown_ids_and_version_zero_are_refused),
        cmocka_unit_test(the_table_says_kind_and_flags),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
