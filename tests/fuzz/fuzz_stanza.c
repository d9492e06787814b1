/* The stanza decoder on arbitrary bytes: no crash; what it accepts, it encodes as it was. */
#include "base/assert.h"
#include "stanza/stanza.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct arena arena;
    static struct buf out;
    struct stanza stanza;
    struct span in = span_of((const char *)data, size);
    arena_reset(&arena);
    if (stanza_decode(in, &arena, &stanza) != 0) {
        return 0;
    }
    buf_reset(&out);
    stanza_encode(&stanza, &out);
    ASSERT(span_eq(in, buf_span(&out)));
    for (uint32_t i = 0; i < stanza.child_count; i++) {
        struct span bytes = stanza_child_bytes(&stanza, &stanza.children[i]);
        ASSERT(bytes.data >= stanza.payload.data &&
               bytes.data + bytes.len <= stanza.payload.data + stanza.payload.len);
    }
    buf_reset(&out);
    stanza_write(&stanza, SPAN("a@b"), SPAN("jabber:client"), &out);
    struct stanza reply;
    stanza_make_error(&stanza, "bad-request", NULL, &arena, &reply);
    return 0;
}
