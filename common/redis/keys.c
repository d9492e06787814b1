/* Key names from their patterns. */
#include "redis/keys.h"

#include "base/assert.h"

#include <string.h>

static const char *const patterns[] = {
#define KEY(name, pattern, owner, lifetime, prose) pattern,
#include "redis/keys.def"
#undef KEY
};

/* Copies a part; returns its length. */
static size_t put(char *to, struct span part)
{
    if (part.len) {
        memcpy(to, part.data, part.len);
    }
    return part.len;
}

struct span redis_key(enum redis_key key, struct span tag, struct span rest, struct arena *arena)
{
    ASSERT(key < REDIS_KEY_COUNT);
    const struct span parts[2] = {tag, rest};
    size_t used = 0;
    size_t len = 0;
    char *text = arena_alloc(arena, strlen(patterns[key]) + tag.len + rest.len + 1);
    for (const char *p = patterns[key]; *p; p++) {
        if (p[0] == '%' && p[1] == 's') {
            ASSERT(used < 2);
            len += put(text + len, parts[used++]);
            p++;
        } else {
            text[len++] = *p;
        }
    }
    text[len] = '\0';
    return span_of(text, len);
}

void redis_keys_write(struct buf *out)
{
    buf_append_cstr(out, "| key | owner | lives | holds |\n|---|---|---|---|\n");
#define KEY(name, pattern, owner, lifetime, prose)                                                 \
    buf_append_cstr(out, "| `" pattern "` | " #owner " | " lifetime " | " prose " |\n");
#include "redis/keys.def"
#undef KEY
}
