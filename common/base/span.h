/* A borrowed run of bytes: pointer and length, never NUL-terminated by contract.
 *
 * Spans are how parsed things refer to the buffer they came from. A span owns nothing; whoever
 * holds one must know how long its buffer lives. The empty span has len 0 and may have a NULL
 * pointer.
 */
#ifndef JACKDAW_BASE_SPAN_H
#define JACKDAW_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
    const char *data;
    size_t len;
};

/* A span over a string literal. */
#define SPAN(literal) ((struct span){("" literal), sizeof(literal) - 1})
/* For printf("%.*s", SPAN_ARG(s)). */
#define SPAN_ARG(s) (int)(s).len, (s).len ? (s).data : ""

static inline struct span span_of(const char *data, size_t len)
{
    return (struct span){data, len};
}

static inline struct span span_cstr(const char *text)
{
    return (struct span){text, text ? strlen(text) : 0};
}

static inline bool span_is_empty(struct span s)
{
    return s.len == 0;
}

static inline bool span_eq(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool span_is(struct span a, const char *text)
{
    return span_eq(a, span_cstr(text));
}

static inline bool span_has_prefix(struct span s, struct span prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.data, prefix.data, prefix.len) == 0);
}

/* The rest of `s` from byte `from` on; empty when `from` is past the end. */
static inline struct span span_from(struct span s, size_t from)
{
    return from >= s.len ? span_of(NULL, 0) : span_of(s.data + from, s.len - from);
}

/* The first `len` bytes of `s`, all of it when it is shorter. */
static inline struct span span_head(struct span s, size_t len)
{
    return (struct span){s.data, len < s.len ? len : s.len};
}

/* Index of the first `c`, or s.len when there is none. */
size_t span_find(struct span s, char c);
/* `s` without XML white space (space, tab, CR, LF) at both ends. */
struct span span_trim(struct span s);
/* Decimal digits only, no sign or space, no overflow: 0 and *value_out, else -1. */
int span_to_u64(struct span s, uint64_t *value_out);
/* As span_to_u64 with an optional leading '-'. */
int span_to_i64(struct span s, int64_t *value_out);

#endif
