/* A growing byte buffer, for encoding and for what waits to be written.
 *
 * All zero is a valid empty buffer. `data` may move with every append; indexes stay valid.
 */
#ifndef JACKDAW_BASE_BUF_H
#define JACKDAW_BASE_BUF_H

#include "base/span.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    char *data; /* NULL while nothing was ever appended */
    size_t len;
    size_t cap;
};

/* Frees the memory; the buffer is empty and may be used again. */
void buf_deinit(struct buf *b);
/* Empties the buffer, keeps its memory. */
void buf_reset(struct buf *b);
/* Gives back memory: all of it when empty, else what is not in use. */
void buf_shrink(struct buf *b);
/* Makes room for `more` bytes behind len; returns where they go (the caller then raises len). */
char *buf_reserve(struct buf *b, size_t more);
/* Drops `n` (<= len) bytes from the front: moves the rest, so consume in large steps. */
void buf_consume(struct buf *b, size_t n);

void buf_append(struct buf *b, const void *data, size_t len);
void buf_append_span(struct buf *b, struct span s);
void buf_append_cstr(struct buf *b, const char *text);
void buf_append_u8(struct buf *b, uint8_t value);
/* Little endian. */
void buf_append_u16(struct buf *b, uint16_t value);
void buf_append_u32(struct buf *b, uint32_t value);
void buf_append_u64(struct buf *b, uint64_t value);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
/* The content, NUL-terminated (the NUL is not counted); borrows. */
const char *buf_cstr(struct buf *b);

static inline struct span buf_span(const struct buf *b)
{
    return (struct span){b->data, b->len};
}

#endif
