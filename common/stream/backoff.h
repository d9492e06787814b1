/* How long who failed to log in has to wait before the next attempt (RFC 6120 section 6.4.5).
 *
 * Two counts: of the connection, which delays from the first failure on, and of the address, which
 * delays all its connections but leaves room for a household's mistakes. A bounded number of
 * addresses is remembered in this process, the ones with the latest failures; session's own limit
 * (session.max_failures) is for the whole cluster.
 */
#ifndef JACKDAW_STREAM_BACKOFF_H
#define JACKDAW_STREAM_BACKOFF_H

#include "base/list.h"
#include "base/map.h"

#include <stdint.h>

#define BACKOFF_MAX_MS    10000
#define BACKOFF_ADDRESSES 4096

/* Embeddable. */
struct backoff {
    struct map64 by_key;     /* address → struct backoff_address */
    struct list_node oldest; /* the same, by their last failure */
};

struct backoff_rule {
    uint32_t first_ms;  /* 0: never wait */
    uint32_t free;      /* failures of an address without a delay */
    uint32_t forget_ms; /* without a failure */
};

void backoff_init(struct backoff *backoff);
void backoff_deinit(struct backoff *backoff);
/* A login failed, the `failures`-th of its connection (from 1). `key`: of its address (admit), 0:
 * unknown. How many ms the connection has to wait. */
uint32_t backoff_fail(struct backoff *backoff, const struct backoff_rule *rule, uint64_t key,
                      uint32_t failures, uint64_t now_ms);
/* How many ms a login from this address has to wait now. */
uint32_t backoff_wait(struct backoff *backoff, const struct backoff_rule *rule, uint64_t key,
                      uint64_t now_ms);

#endif
