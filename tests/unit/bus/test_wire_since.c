/* Messages that gained fields: SINCE(version, field) with a table of its own. */
#define WIRE_TABLE "../../tests/unit/bus/since.def" /* seen from common/bus */
#include "bus/wire.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct arena arena;
static const uint64_t numbers[] = {7, 8};

/* Encodes the newest form, pretends it to be of `version` with `drop` bytes fewer. */
static int decode_as(unsigned version, size_t drop, struct wire_msg *msg_out)
{
    struct wire_msg msg = {.id = WIRE_ID_after};
    struct buf out = {0};
    int result;

    msg.u.after = (struct wire_after){5, SPAN("text"), {numbers, 2}};
    wire_encode(&msg, &out);
    out.len -= drop;
    out.data[2] = (char)version;
    out.data[4] = (char)(out.len - 8);
    arena_reset(&arena);
    result = wire_decode(buf_span(&out), &arena, msg_out, NULL);
    if (!result)
        msg_out->u.after.b = arena_copy(&arena, msg_out->u.after.b);
    buf_deinit(&out);
    return result;
}

static void fields_of_the_same_version_are_read(void **state)
{
    struct wire_msg msg;

    (void)state;
    assert_int_equal(decode_as(3, 0, &msg), 0);
    assert_int_equal(msg.u.after.a, 5);
    assert_true(span_is(msg.u.after.b, "text"));
    assert_int_equal(msg.u.after.c.count, 2);
    assert_true(msg.u.after.c.items[1] == 8);
}

static void fields_an_older_sender_lacks_are_zero(void **state)
{
    struct wire_msg msg;

    (void)state;
    assert_int_equal(decode_as(2, 20, &msg), 0);
    assert_true(span_is(msg.u.after.b, "text"));
    assert_int_equal(msg.u.after.c.count, 0);
    assert_int_equal(decode_as(1, 28, &msg), 0);
    assert_int_equal(msg.u.after.a, 5);
    assert_int_equal(msg.u.after.b.len, 0);
}

static void an_older_version_with_newer_fields_is_refused(void **state)
{
    struct wire_msg msg;

    (void)state;
    assert_int_equal(decode_as(2, 0, &msg), -1);
    assert_int_equal(decode_as(1, 20, &msg), -1);
}

static void fields_that_the_version_has_must_be_there(void **state)
{
    struct wire_msg msg;

    (void)state;
    assert_int_equal(decode_as(3, 20, &msg), -1);
    assert_int_equal(decode_as(2, 28, &msg), -1);
    assert_int_equal(decode_as(9, 1, &msg), -1);
}

static void a_newer_sender_is_understood(void **state)
{
    struct wire_msg msg;

    (void)state;
    assert_int_equal(decode_as(9, 0, &msg), 0);
    assert_int_equal(msg.u.after.c.count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_of_the_same_version_are_read),
        cmocka_unit_test(fields_an_older_sender_lacks_are_zero),
        cmocka_unit_test(an_older_version_with_newer_fields_is_refused),
        cmocka_unit_test(fields_that_the_version_has_must_be_there),
        cmocka_unit_test(a_newer_sender_is_understood),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    arena_deinit(&arena);
    return failed;
}
