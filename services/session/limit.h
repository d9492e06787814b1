/* How often something may fail or happen from one network address: counters in Redis that expire,
 * shared by all session daemons. */
#ifndef JACKDAW_SESSION_LIMIT_H
#define JACKDAW_SESSION_LIMIT_H

#include "base/arena.h"
#include "base/span.h"
#include "redis/keys.h"

#include <stdbool.h>
#include <stdint.h>

struct redis;

struct limit {
    enum redis_key key; /* failures or registrations */
    uint32_t max;       /* 0: no limit */
    uint32_t window_ms; /* from the first one on */
    struct span address;
};

enum limit_verdict {
    LIMIT_FINE,
    LIMIT_REACHED,
    LIMIT_UNKNOWN, /* Redis is away */
};

/* `wait_ms`: when the counter expires, for LIMIT_REACHED. */
typedef void limit_fn(void *arg, enum limit_verdict verdict, uint64_t wait_ms);
/* Whether the limit is reached; when it is not and `count` is set, counts one more. One round trip.
 * Without a limit, or for an address that is empty, the answer comes from inside the call. */
void limit_check(struct redis *redis, const struct limit *limit, bool count, limit_fn *fn,
                 void *arg);

/* What counts as one address: an IPv6 address stands for its /64, an IPv4-mapped one is IPv4. */
struct span limit_address(struct span address, struct arena *arena);
/* "Try again in 5 minutes." and the like, in `arena`. */
struct span limit_text(const char *what, uint64_t wait_ms, struct arena *arena);

#endif
