/* The frame codec: what is not whole or not ours is refused; what passes can be walked. */
#include "base/mem.h"
#include "bus/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct arena arena;

static int decode_exact(struct span in, size_t len, struct frame *frame_out)
{
    char *copy = mem_alloc(len);
    int result;

    memcpy(copy, in.data, len);
    arena_reset(&arena);
    result = frame_decode(span_of(copy, len), &arena, frame_out);
    mem_free(copy);
    return result;
}

static void write_hello(struct buf *out)
{
    static const struct span lines[] = {{"presence", 8}, {"", 0}, {"iq urn:x both", 13}};
    const struct frame_hello hello = {FRAME_LISTENS,  1,     2, 3, 4, SPAN("edge"),
                                      SPAN("edge-1"), lines, 3};

    frame_write_hello(&hello, out);
}

static void write_data(struct buf *out)
{
    const struct frame_data data = {.link = 9, .received = 10, .first = 11, .gap = true};
    struct buf runs = {0};

    frame_write_run(&(struct frame_run){5, 2}, &runs);
    frame_write_run(&(struct frame_run){9, 1}, &runs);
    frame_begin_data(&data, out);
    frame_write_entry(&(struct frame_entry){FRAME_ITEM, 0, SPAN("item")}, out);
    frame_write_entry(&(struct frame_entry){FRAME_CALL, 77, SPAN("call")}, out);
    frame_write_entry(&(struct frame_entry){FRAME_REPLY, 78, SPAN("")}, out);
    frame_write_entry(&(struct frame_entry){FRAME_SETTLE, 0, buf_span(&runs)}, out);
    frame_end_data(4, out);
    buf_deinit(&runs);
}

static void write_notices(struct buf *out)
{
    struct frame_section section = {.publisher = SPAN("session-0"), .boot = 1, .first = 2};
    struct buf messages = {0};

    frame_begin_notices(out);
    frame_write_section(&section, out);
    frame_write_message(SPAN("one"), &messages);
    frame_write_message(SPAN(""), &messages);
    section.count = 2;
    section.messages = buf_span(&messages);
    frame_write_section(&section, out);
    buf_deinit(&messages);
}

static void write_bye(struct buf *out)
{
    frame_write_bye(5, out);
}

static void (*const writers[])(struct buf *out) = {write_hello, write_data, write_notices,
                                                   write_bye};

static void frames_come_back_as_they_went(void **state)
{
    struct buf out = {0};
    struct frame frame;
    struct frame_entry entry;
    struct frame_section section;
    struct frame_run run;
    struct span message;

    (void)state;
    write_hello(&out);
    assert_int_equal(frame_decode(buf_span(&out), &arena, &frame), 0);
    assert_int_equal(frame.u.hello.lane, FRAME_LISTENS);
    assert_int_equal(frame.u.hello.received, 4);
    assert_true(span_is(frame.u.hello.instance, "edge-1"));
    assert_true(span_is(frame.u.hello.announce[2], "iq urn:x both"));
    buf_reset(&out);
    write_data(&out);
    assert_int_equal(frame_decode(buf_span(&out), &arena, &frame), 0);
    assert_true(frame.u.data.gap);
    assert_int_equal(frame.u.data.count, 4);
    assert_int_equal(frame.u.data.first, 11);
    assert_true(frame_next_entry(&frame.u.data.entries, &entry));
    assert_true(span_is(entry.body, "item"));
    assert_true(frame_next_entry(&frame.u.data.entries, &entry));
    assert_int_equal(entry.handle, 77);
    assert_true(frame_next_entry(&frame.u.data.entries, &entry));
    assert_true(frame_next_entry(&frame.u.data.entries, &entry));
    assert_true(frame_next_run(&entry.body, &run));
    assert_int_equal(run.first + run.count, 7);
    assert_true(frame_next_run(&entry.body, &run));
    assert_false(frame_next_run(&entry.body, &run));
    assert_false(frame_next_entry(&frame.u.data.entries, &entry));
    buf_reset(&out);
    write_notices(&out);
    assert_int_equal(frame_decode(buf_span(&out), &arena, &frame), 0);
    assert_true(frame_next_section(&frame.u.sections, &section));
    assert_int_equal(section.count, 0);
    assert_true(frame_next_section(&frame.u.sections, &section));
    assert_true(frame_next_message(&section.messages, &message));
    assert_true(span_is(message, "one"));
    buf_deinit(&out);
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    for (size_t w = 0; w < sizeof writers / sizeof writers[0]; w++) {
        struct buf out = {0};
        struct frame frame;

        writers[w](&out);
        assert_int_equal(decode_exact(buf_span(&out), out.len, &frame), 0);
        for (size_t len = 0; len < out.len; len++) {
            /* A notices frame may end after any of its sections. */
            if (writers[w] == write_notices && (len == 6 || len == 43))
                continue;
            assert_int_equal(decode_exact(buf_span(&out), len, &frame), -1);
        }
        buf_append_u8(&out, 0);
        assert_int_equal(decode_exact(buf_span(&out), out.len, &frame), -1);
        buf_deinit(&out);
    }
}

static void huge_lengths_are_refused_or_harmless(void **state)
{
    (void)state;
    for (size_t w = 0; w < sizeof writers / sizeof writers[0]; w++) {
        struct buf out = {0};
        struct frame frame;

        writers[w](&out);
        for (size_t at = 0; at + 4 <= out.len; at++) {
            char saved[4];

            memcpy(saved, out.data + at, 4);
            memset(out.data + at, 0xff, 4);
            (void)decode_exact(buf_span(&out), out.len, &frame);
            memcpy(out.data + at, saved, 4);
        }
        buf_deinit(&out);
    }
}

static void foreign_frames_are_refused(void **state)
{
    struct buf out = {0};
    struct frame frame;

    (void)state;
    write_bye(&out);
    for (size_t at = 0; at < 6; at++) { /* magic, version, type */
        out.data[at] ^= 0x40;
        assert_int_equal(decode_exact(buf_span(&out), out.len, &frame), -1);
        out.data[at] ^= 0x40;
    }
    assert_int_equal(decode_exact(buf_span(&out), out.len, &frame), 0);
    assert_int_equal(decode_exact(SPAN("GET / HTTP/1.1\r\n\r\n"), 18, &frame), -1);
    buf_deinit(&out);
}

static void names_and_counts_have_limits(void **state)
{
    static const char name[] = "0123456789012345678901234567890123456789012345678901234567890123";
    struct frame_hello hello = {.link = 1, .kind = SPAN("edge"), .instance = SPAN("e")};
    struct buf out = {0};
    struct frame frame;

    (void)state;
    hello.instance = span_of(name, 63);
    frame_write_hello(&hello, &out);
    assert_int_equal(decode_exact(buf_span(&out), out.len, &frame), 0);
    buf_reset(&out);
    hello.instance = span_of(name, 64);
    frame_write_hello(&hello, &out);
    assert_int_equal(decode_exact(buf_span(&out), out.len, &frame), -1);
    buf_reset(&out);
    hello.instance = SPAN("");
    frame_write_hello(&hello, &out);
    assert_int_equal(decode_exact(buf_span(&out), out.len, &frame), -1);
    buf_reset(&out);
    hello = (struct frame_hello){.kind = SPAN("edge"), .instance = SPAN("e")}; /* link 0 */
    frame_write_hello(&hello, &out);
    assert_int_equal(decode_exact(buf_span(&out), out.len, &frame), -1);
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_come_back_as_they_went),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(huge_lengths_are_refused_or_harmless),
        cmocka_unit_test(foreign_frames_are_refused),
        cmocka_unit_test(names_and_counts_have_limits),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    arena_deinit(&arena);
    return failed;
}
