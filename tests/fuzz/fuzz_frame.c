/* The frame decoder on arbitrary bytes: no crash, and what it accepted can be walked to its end. */
#include "base/assert.h"
#include "bus/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk_data(const struct frame_data *data)
{
    struct span rest = data->entries;
    struct frame_entry entry;
    struct frame_run run;
    uint32_t count = 0;

    while (frame_next_entry(&rest, &entry)) {
        count++;
        while (entry.kind == FRAME_SETTLE && frame_next_run(&entry.body, &run))
            ASSERT(run.count > 0);
        ASSERT(entry.kind != FRAME_SETTLE || entry.body.len == 0);
    }
    ASSERT(count == data->count && rest.len == 0);
}

static void walk_sections(struct span rest)
{
    struct frame_section section;
    struct span message;

    while (frame_next_section(&rest, &section)) {
        uint32_t count = 0;

        while (frame_next_message(&section.messages, &message))
            count++;
        ASSERT(count == section.count && section.messages.len == 0);
    }
    ASSERT(rest.len == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct arena arena;
    static struct buf out;
    struct span in = span_of((const char *)data, size);
    struct frame frame;

    arena_reset(&arena);
    if (frame_decode(in, &arena, &frame) != 0)
        return 0;
    if (frame.type == FRAME_DATA)
        walk_data(&frame.u.data);
    if (frame.type == FRAME_NOTICES)
        walk_sections(frame.u.sections);
    if (frame.type == FRAME_HELLO) {
        buf_reset(&out);
        frame_write_hello(&frame.u.hello, &out);
        ASSERT(span_eq(buf_span(&out), in));
    }
    return 0;
}
