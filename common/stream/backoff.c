/* A map of addresses and a list of the same, oldest failure first. */
#include "stream/backoff.h"

#include "base/mem.h"

struct backoff_address {
    struct list_node node;
    uint64_t key;
    uint64_t last_ms;
    uint64_t until_ms;
    uint32_t failures;
};

void backoff_init(struct backoff *backoff)
{
    map64_init(&backoff->by_key);
    list_init(&backoff->oldest);
}

static void forget(struct backoff *backoff, struct backoff_address *address)
{
    (void)map64_remove(&backoff->by_key, address->key);
    list_remove(&address->node);
    mem_free(address);
}

void backoff_deinit(struct backoff *backoff)
{
    while (!list_is_empty(&backoff->oldest))
        forget(backoff, CONTAINER_OF(backoff->oldest.next, struct backoff_address, node));
    map64_deinit(&backoff->by_key);
}

/* first_ms, twice, four times, ... */
static uint32_t delay(const struct backoff_rule *rule, uint32_t failures)
{
    uint32_t doublings = failures > 1 ? failures - 1 : 0;
    uint64_t ms = (uint64_t)rule->first_ms << (doublings < 16 ? doublings : 16);
    return ms < BACKOFF_MAX_MS ? (uint32_t)ms : BACKOFF_MAX_MS;
}

/* Drops what is too old, and the oldest when there are too many. */
static void trim(struct backoff *backoff, const struct backoff_rule *rule, uint64_t now_ms)
{
    while (!list_is_empty(&backoff->oldest)) {
        struct backoff_address *oldest =
            CONTAINER_OF(backoff->oldest.next, struct backoff_address, node);
        if (now_ms - oldest->last_ms < rule->forget_ms &&
            map64_count(&backoff->by_key) <= BACKOFF_ADDRESSES)
            return;
        forget(backoff, oldest);
    }
}

static struct backoff_address *note(struct backoff *backoff, uint64_t key)
{
    struct backoff_address *address = map64_get(&backoff->by_key, key);
    if (address) {
        list_remove(&address->node);
    } else {
        address = mem_calloc(1, sizeof(*address));
        address->key = key;
        (void)map64_put(&backoff->by_key, key, address);
    }
    list_add_tail(&backoff->oldest, &address->node);
    return address;
}

uint32_t backoff_fail(struct backoff *backoff, const struct backoff_rule *rule, uint64_t key,
                      uint32_t failures, uint64_t now_ms)
{
    if (rule->first_ms == 0)
        return 0;
    uint32_t own = delay(rule, failures);
    if (key == 0)
        return own;
    trim(backoff, rule, now_ms);
    struct backoff_address *address = note(backoff, key);
    address->last_ms = now_ms;
    address->failures++;
    if (address->failures <= rule->free)
        return own;
    uint32_t shared = delay(rule, address->failures - rule->free);
    address->until_ms = now_ms + shared;
    return own > shared ? own : shared;
}

uint32_t backoff_wait(struct backoff *backoff, const struct backoff_rule *rule, uint64_t key,
                      uint64_t now_ms)
{
    trim(backoff, rule, now_ms);
    const struct backoff_address *address = key ? map64_get(&backoff->by_key, key) : NULL;
    return address && address->until_ms > now_ms ? (uint32_t)(address->until_ms - now_ms) : 0;
}
