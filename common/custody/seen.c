/* A ring of keys and a set of the same keys: the ring says which to forget. */
#include "custody/seen.h"

#include "base/hash.h"
#include "base/mem.h"

/* 64 bits of hash stand for the three numbers: among thousands a chance match is not to be feared. */
static uint64_t key_of(const struct seen_delivery *delivery)
{
    uint64_t key = hash_span(span_of((const char *)delivery, sizeof(*delivery)));
    return key ? key : 1;
}

void seen_init(struct seen *seen, size_t capacity)
{
    *seen = (struct seen){.capacity = capacity};
    map64_init(&seen->keys);
}

void seen_deinit(struct seen *seen)
{
    map64_deinit(&seen->keys);
    mem_free(seen->ring);
    seen->ring = NULL;
}

bool seen_has(const struct seen *seen, const struct seen_delivery *delivery)
{
    return delivery->origin_sid != 0 && map64_get(&seen->keys, key_of(delivery)) != NULL;
}

void seen_add(struct seen *seen, const struct seen_delivery *delivery)
{
    if (delivery->origin_sid == 0 || seen->capacity == 0)
        return;
    if (!seen->ring)
        seen->ring = mem_calloc(seen->capacity, sizeof(*seen->ring));
    uint64_t key = key_of(delivery);
    if (map64_put(&seen->keys, key, seen))
        return; /* it was there */
    if (seen->ring[seen->at] != 0)
        (void)map64_remove(&seen->keys, seen->ring[seen->at]);
    seen->ring[seen->at] = key;
    seen->at = (seen->at + 1) % seen->capacity;
}

/* Its place in the ring stays: what comes again may be forgotten a little early. */
void seen_remove(struct seen *seen, const struct seen_delivery *delivery)
{
    if (delivery->origin_sid != 0)
        (void)map64_remove(&seen->keys, key_of(delivery));
}
