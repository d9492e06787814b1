/* The names of the keys in Redis, from keys.def. */
#ifndef JACKDAW_REDIS_KEYS_H
#define JACKDAW_REDIS_KEYS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/span.h"

enum redis_key {
#define KEY(name, pattern, owner, lifetime, prose) REDIS_KEY_##name,
#include "redis/keys.def"
#undef KEY
    REDIS_KEY_COUNT
};

/* The key's name with its parts filled in, in `arena`. `rest` fills the second %s; both may be
 * empty where the pattern has no place for them. */
struct span redis_key(enum redis_key key, struct span tag, struct span rest, struct arena *arena);
/* Appends the reference of all keys as a Markdown table. */
void redis_keys_write(struct buf *out);

#endif
