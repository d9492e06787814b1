/* Arbitrary bytes as a token and as a file of keys: no crash, and no token is good by luck. The input
 * is a file of keys, a line "--", and a token; without such a line it is both. */
#include "base/assert.h"
#include "jwt/jwt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t find_border(struct span text)
{
    for (size_t i = 0; i + 4 <= text.len; i++) {
        if (memcmp(text.data + i, "\n--\n", 4) == 0) {
            return i;
        }
    }
    return text.len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct arena arena;
    struct span text = span_of((const char *)data, size);
    size_t border = find_border(text);
    struct span token = border < text.len ? span_from(text, border + 4) : text;
    struct jwt_rules rules = {
        .audience = SPAN("example.org"), .claim = "sub", .now_ms = 1700000000000ull};
    char error[200];
    struct span name;
    arena_reset(&arena);
    struct jwt_keys *keys = jwt_keys_parse(span_head(text, border), error, sizeof(error));
    if (!keys) {
        return 0;
    }
    ASSERT(jwt_keys_count(keys) > 0 && jwt_keys_count(keys) <= JWT_KEYS_MAX);
    enum jwt_problem problem = jwt_check(keys, token, &rules, &arena, &name);
    ASSERT((problem == JWT_FINE) == !span_is_empty(name));
    jwt_keys_free(keys);
    return 0;
}
