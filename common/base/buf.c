/* Growing byte buffer. */
#include "base/buf.h"

#include "base/assert.h"
#include "base/mem.h"

#include <stdio.h>

#define FIRST_CAPACITY ((size_t)64)

void buf_deinit(struct buf *b)
{
    mem_free(b->data);
    *b = (struct buf){0};
}

void buf_reset(struct buf *b)
{
    b->len = 0;
}

void buf_shrink(struct buf *b)
{
    if (b->len == 0) {
        buf_deinit(b);
    } else if (b->cap > b->len) {
        b->data = mem_realloc(b->data, b->len);
        b->cap = b->len;
    }
}

char *buf_reserve(struct buf *b, size_t more)
{
    ASSERT(more <= SIZE_MAX / 4 - b->len);
    size_t needed = b->len + more;

    if (needed > b->cap || !b->data) {
        size_t cap = b->cap ? b->cap : FIRST_CAPACITY;
        while (cap < needed)
            cap *= 2;
        b->data = mem_realloc(b->data, cap);
        b->cap = cap;
    }
    return b->data + b->len;
}

void buf_consume(struct buf *b, size_t n)
{
    ASSERT(n <= b->len);
    if (n == 0)
        return;
    b->len -= n;
    if (b->len)
        memmove(b->data, b->data + n, b->len);
}

void buf_append(struct buf *b, const void *data, size_t len)
{
    if (len == 0)
        return;
    memcpy(buf_reserve(b, len), data, len);
    b->len += len;
}

void buf_append_span(struct buf *b, struct span s)
{
    buf_append(b, s.data, s.len);
}

void buf_append_cstr(struct buf *b, const char *text)
{
    buf_append(b, text, strlen(text));
}

void buf_append_u8(struct buf *b, uint8_t value)
{
    *buf_reserve(b, 1) = (char)value;
    b->len++;
}

/* The `bytes` low bytes of `value`, lowest first. */
static void append_le(struct buf *b, uint64_t value, size_t bytes)
{
    char *to = buf_reserve(b, bytes);

    for (size_t i = 0; i < bytes; i++)
        to[i] = (char)(unsigned char)(value >> (8 * i));
    b->len += bytes;
}

void buf_append_u16(struct buf *b, uint16_t value)
{
    append_le(b, value, 2);
}

void buf_append_u32(struct buf *b, uint32_t value)
{
    append_le(b, value, 4);
}

void buf_append_u64(struct buf *b, uint64_t value)
{
    append_le(b, value, 8);
}

void buf_vprintf(struct buf *b, const char *format, va_list args)
{
    va_list again;

    va_copy(again, args);
    char *to = buf_reserve(b, FIRST_CAPACITY);
    size_t room = b->cap - b->len;
    int len = vsnprintf(to, room, format, args);
    ASSERT(len >= 0);
    if ((size_t)len >= room) {
        to = buf_reserve(b, (size_t)len + 1);
        len = vsnprintf(to, (size_t)len + 1, format, again);
        ASSERT(len >= 0);
    }
    va_end(again);
    b->len += (size_t)len;
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    buf_vprintf(b, format, args);
    va_end(args);
}

const char *buf_cstr(struct buf *b)
{
    *buf_reserve(b, 1) = '\0';
    return b->data;
}
