/* The wire decoder on arbitrary bytes: no crash; what it accepts, it writes and reads back the
 * same. */
#include "base/assert.h"
#include "bus/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct arena arena;
    static struct buf once;
    static struct buf twice;
    struct wire_msg msg;
    size_t used;

    arena_reset(&arena);
    if (wire_decode(span_of((const char *)data, size), &arena, &msg, &used) != 0)
        return 0;
    ASSERT(used <= size);
    buf_reset(&once);
    wire_encode(&msg, &once);
    ASSERT(wire_decode(buf_span(&once), &arena, &msg, NULL) == 0);
    buf_reset(&twice);
    wire_encode(&msg, &twice);
    ASSERT(span_eq(buf_span(&once), buf_span(&twice)));
    return 0;
}
