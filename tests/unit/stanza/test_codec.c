/* The encoded stanza: reads back the same; every truncation and every wrong length is refused. */
#include "stanza/stanza.h"
#include "xml/ns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* after the headers it needs */
#include <cmocka.h>

static struct arena arena;
static struct buf encoded;
static struct buf again;

static const struct xml_child children[] = {
    {.ns = {NS_CLIENT, sizeof NS_CLIENT - 1}, .name = {"body", 4}, .offset = 0, .length = 15},
    {.ns = {NS_HINTS, sizeof NS_HINTS - 1}, .name = {"store", 5}, .offset = 15, .length = 31},
};

static const char payload[] = "<body>hi</body><store xmlns=\"urn:xmpp:hints\"/>";

static int setup(void **state)
{
    (void)state;
    struct stanza stanza = {.kind = STANZA_MESSAGE,
                            .type = STANZA_CHAT,
                            .from = SPAN("romeo@montague.net/orchard"),
                            .to = SPAN("juliet@capulet.lit"),
                            .id = SPAN("42"),
                            .lang = SPAN("en"),
                            .children = children,
                            .child_count = 2,
                            .payload = span_cstr(payload)};
    stanza_encode(&stanza, &encoded);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_deinit(&arena);
    buf_deinit(&encoded);
    buf_deinit(&again);
    return 0;
}

static void test_reads_back_the_same(void **state)
{
    (void)state;
    struct stanza stanza;
    assert_int_equal(stanza_decode(buf_span(&encoded), &arena, &stanza), 0);
    assert_int_equal(stanza.kind, STANZA_MESSAGE);
    assert_int_equal(stanza.type, STANZA_CHAT);
    assert_true(span_is(stanza.from, "romeo@montague.net/orchard"));
    assert_true(span_is(stanza.to, "juliet@capulet.lit"));
    assert_true(span_is(stanza.id, "42"));
    assert_true(span_is(stanza.lang, "en"));
    assert_true(span_is(stanza.payload, payload));
    assert_int_equal(stanza.child_count, 2);
    assert_true(span_is(stanza.children[1].ns, NS_HINTS));
    assert_true(span_is(stanza.children[1].name, "store"));
    stanza_encode(&stanza, &again);
    assert_true(span_eq(buf_span(&encoded), buf_span(&again)));
}

static void test_nothing_but_a_kind(void **state)
{
    (void)state;
    struct stanza stanza = {.kind = STANZA_PRESENCE, .type = STANZA_AVAILABLE};
    stanza_encode(&stanza, &again);
    stanza = (struct stanza){.id = SPAN("x")};
    assert_int_equal(stanza_decode(buf_span(&again), &arena, &stanza), 0);
    assert_int_equal(stanza.kind, STANZA_PRESENCE);
    assert_null(stanza.id.data);
    assert_int_equal(stanza.child_count, 0);
    stanza.id = SPAN("");
    buf_reset(&again);
    stanza_encode(&stanza, &again);
    assert_int_equal(stanza_decode(buf_span(&again), &arena, &stanza), 0);
    assert_non_null(stanza.id.data);
    assert_int_equal(stanza.id.len, 0);
}

static void test_every_truncation_is_refused(void **state)
{
    (void)state;
    struct stanza stanza;
    for (size_t len = 0; len < encoded.len; len++) {
        assert_int_equal(stanza_decode(span_of(encoded.data, len), &arena, &stanza), -1);
    }
    buf_append_u8(&encoded, 0);
    assert_int_equal(stanza_decode(buf_span(&encoded), &arena, &stanza), -1);
}

/* Each length field with each of some wrong values: refused, or (by chance) still consistent. */
static void test_wrong_lengths_are_refused(void **state)
{
    (void)state;
    static const uint32_t wrong[] = {0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0x10000};
    for (size_t field = 4; field < 28; field += 4) {
        for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
            uint32_t right;
            struct stanza stanza;
            memcpy(&right, encoded.data + field, 4);
            memcpy(encoded.data + field, &wrong[i], 4);
            assert_int_equal(stanza_decode(buf_span(&encoded), &arena, &stanza), -1);
            memcpy(encoded.data + field, &right, 4);
        }
    }
}

static void test_wrong_heads_are_refused(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        char value;
    } wrong[] = {{0, 0},  {0, 2}, {1, 3},          {1, -1},       {2, STANZA_TYPE_COUNT},
                 {2, -1}, {3, 1}, {2, STANZA_GET}, {1, STANZA_IQ}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct stanza stanza;
        char right = encoded.data[wrong[i].at];
        encoded.data[wrong[i].at] = wrong[i].value;
        assert_int_equal(stanza_decode(buf_span(&encoded), &arena, &stanza), -1);
        encoded.data[wrong[i].at] = right;
    }
}

static void assert_bad_child(uint32_t offset, uint32_t length)
{
    struct xml_child child = {
        .ns = SPAN(NS_CLIENT), .name = SPAN("body"), .offset = offset, .length = length};
    struct stanza stanza = {.kind = STANZA_MESSAGE, .type = STANZA_NORMAL, .payload = SPAN("<a/>")};
    stanza.children = &child;
    stanza.child_count = 1;
    buf_reset(&again);
    stanza_encode(&stanza, &again);
    assert_int_equal(stanza_decode(buf_span(&again), &arena, &stanza), -1);
}

static void test_children_beyond_the_payload_are_refused(void **state)
{
    (void)state;
    assert_bad_child(0, 0);
    assert_bad_child(0, 5);
    assert_bad_child(5, 1);
    assert_bad_child(4, 1);
    assert_bad_child(0xffffffff, 5);
    assert_bad_child(1, 0xffffffff);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_reads_back_the_same),         TEST(test_nothing_but_a_kind),
        TEST(test_every_truncation_is_refused), TEST(test_wrong_lengths_are_refused),
        TEST(test_wrong_heads_are_refused),     TEST(test_children_beyond_the_payload_are_refused),
    };
    return cmocka_run_group_tests_name("stanza codec", tests, NULL, NULL);
}
