/* Searching, trimming and number parsing on spans. */
#include "base/span.h"

size_t span_find(struct span s, char c)
{
    const char *at = s.len ? memchr(s.data, c, s.len) : NULL;

    return at ? (size_t)(at - s.data) : s.len;
}

static bool is_xml_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct span span_trim(struct span s)
{
    while (s.len && is_xml_space(s.data[0])) {
        s.data++;
        s.len--;
    }
    while (s.len && is_xml_space(s.data[s.len - 1]))
        s.len--;
    return s;
}

int span_to_u64(struct span s, uint64_t *value_out)
{
    uint64_t value = 0;

    if (s.len == 0)
        return -1;
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9')
            return -1;
        uint64_t digit = (uint64_t)(s.data[i] - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return -1;
        value = value * 10 + digit;
    }
    *value_out = value;
    return 0;
}

int span_to_i64(struct span s, int64_t *value_out)
{
    bool negative = s.len && s.data[0] == '-';
    uint64_t magnitude;
    uint64_t limit = (uint64_t)INT64_MAX + (negative ? 1 : 0);

    if (span_to_u64(span_from(s, negative ? 1 : 0), &magnitude) < 0 || magnitude > limit)
        return -1;
    *value_out = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return 0;
}
