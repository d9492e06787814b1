/* Open addressing with linear probing; removal shifts back, so there are no tombstones.
 *
 * A cursor starts just before a free slot and walks downwards: a removal moves entries only within
 * the run of its own, which that free slot ends, and only ones the cursor has already seen.
 */
#include "base/map.h"

#include "base/assert.h"
#include "base/hash.h"
#include "base/mem.h"

#define FIRST_SLOTS 8u

struct map_entry {
    void *value;
    uint32_t hash;
    uint32_t len;
    char key[];
};

/* 3/4 full is full. */
static bool is_full(uint32_t count, uint32_t slot_count)
{
    return (uint64_t)(count + 1) * 4 > (uint64_t)slot_count * 3;
}

/* Whether an entry at slot `at` whose home is `home` may move into the hole: it is not between
 * them. */
static bool may_fill(uint32_t hole, uint32_t at, uint32_t home, uint32_t mask)
{
    return ((at - home) & mask) >= ((at - hole) & mask);
}

void map_init(struct map *map)
{
    *map = (struct map){0};
}

void map_deinit(struct map *map)
{
    for (uint32_t i = 0; i < map->slot_count; i++)
        mem_free(map->slots[i]);
    mem_free(map->slots);
    map_init(map);
}

static uint32_t hash_key(struct span key)
{
    return (uint32_t)hash_bytes(hash_process_seed(), key);
}

/* The slot that holds `key`, or the free one where it belongs. The map has slots. */
static uint32_t find_slot(const struct map *map, uint32_t hash, struct span key)
{
    uint32_t mask = map->slot_count - 1;
    uint32_t at = hash & mask;

    for (; map->slots[at]; at = (at + 1) & mask) {
        const struct map_entry *entry = map->slots[at];
        if (entry->hash == hash && span_eq(span_of(entry->key, entry->len), key))
            break;
    }
    return at;
}

static void grow(struct map *map)
{
    struct map_entry **old = map->slots;
    uint32_t old_count = map->slot_count;

    ASSERT(old_count < UINT32_MAX / 2);
    map->slot_count = old_count ? old_count * 2 : FIRST_SLOTS;
    map->slots = mem_calloc(map->slot_count, sizeof(struct map_entry *));
    for (uint32_t i = 0; i < old_count; i++) {
        if (!old[i])
            continue;
        uint32_t at = old[i]->hash & (map->slot_count - 1);
        while (map->slots[at])
            at = (at + 1) & (map->slot_count - 1);
        map->slots[at] = old[i];
    }
    mem_free(old);
}

void *map_get(const struct map *map, struct span key)
{
    if (map->count == 0)
        return NULL;
    const struct map_entry *entry = map->slots[find_slot(map, hash_key(key), key)];
    return entry ? entry->value : NULL;
}

void *map_put(struct map *map, struct span key, void *value)
{
    uint32_t hash = hash_key(key);

    ASSERT(value && key.len <= UINT32_MAX);
    if (is_full(map->count, map->slot_count))
        grow(map);
    uint32_t at = find_slot(map, hash, key);
    struct map_entry *entry = map->slots[at];
    if (entry) {
        void *old = entry->value;
        entry->value = value;
        return old;
    }
    entry = mem_alloc(sizeof(*entry) + key.len);
    *entry = (struct map_entry){.value = value, .hash = hash, .len = (uint32_t)key.len};
    if (key.len)
        memcpy(entry->key, key.data, key.len);
    map->slots[at] = entry;
    map->count++;
    return NULL;
}

void *map_remove(struct map *map, struct span key)
{
    if (map->count == 0)
        return NULL;
    uint32_t mask = map->slot_count - 1;
    uint32_t hole = find_slot(map, hash_key(key), key);
    struct map_entry *entry = map->slots[hole];
    if (!entry)
        return NULL;
    void *old = entry->value;
    mem_free(entry);
    for (uint32_t at = (hole + 1) & mask; map->slots[at]; at = (at + 1) & mask) {
        if (may_fill(hole, at, map->slots[at]->hash, mask)) {
            map->slots[hole] = map->slots[at];
            hole = at;
        }
    }
    map->slots[hole] = NULL;
    map->count--;
    return old;
}

bool map_next(const struct map *map, struct map_cursor *cursor, struct span *key_out,
              void **value_out)
{
    uint32_t mask = map->slot_count - 1;

    if (cursor->left == 0) {
        while (map->slot_count && map->slots[cursor->at])
            cursor->at++;
        cursor->left = (size_t)map->slot_count + 1;
    }
    while (cursor->left > 1) {
        cursor->at = (cursor->at - 1) & mask;
        cursor->left--;
        const struct map_entry *entry = map->slots[cursor->at];
        if (!entry)
            continue;
        if (key_out)
            *key_out = span_of(entry->key, entry->len);
        if (value_out)
            *value_out = entry->value;
        return true;
    }
    return false;
}

/* ---- integer keys ---- */

void map64_init(struct map64 *map)
{
    *map = (struct map64){0};
}

void map64_deinit(struct map64 *map)
{
    mem_free(map->slots);
    map64_init(map);
}

static uint32_t home64(const struct map64 *map, uint64_t key)
{
    return (uint32_t)hash_u64(hash_process_seed(), key) & (map->slot_count - 1);
}

static uint32_t find_slot64(const struct map64 *map, uint64_t key)
{
    uint32_t at = home64(map, key);

    while (map->slots[at].value && map->slots[at].key != key)
        at = (at + 1) & (map->slot_count - 1);
    return at;
}

static void grow64(struct map64 *map)
{
    struct map64_slot *old = map->slots;
    uint32_t old_count = map->slot_count;

    ASSERT(old_count < UINT32_MAX / 2);
    map->slot_count = old_count ? old_count * 2 : FIRST_SLOTS;
    map->slots = mem_calloc(map->slot_count, sizeof(struct map64_slot));
    for (uint32_t i = 0; i < old_count; i++) {
        if (old[i].value)
            map->slots[find_slot64(map, old[i].key)] = old[i];
    }
    mem_free(old);
}

void *map64_get(const struct map64 *map, uint64_t key)
{
    return map->count ? map->slots[find_slot64(map, key)].value : NULL;
}

void *map64_put(struct map64 *map, uint64_t key, void *value)
{
    ASSERT(value);
    if (is_full(map->count, map->slot_count))
        grow64(map);
    struct map64_slot *slot = &map->slots[find_slot64(map, key)];
    void *old = slot->value;
    *slot = (struct map64_slot){key, value};
    map->count += old ? 0 : 1;
    return old;
}

void *map64_remove(struct map64 *map, uint64_t key)
{
    if (map->count == 0)
        return NULL;
    uint32_t mask = map->slot_count - 1;
    uint32_t hole = find_slot64(map, key);
    void *old = map->slots[hole].value;
    if (!old)
        return NULL;
    for (uint32_t at = (hole + 1) & mask; map->slots[at].value; at = (at + 1) & mask) {
        if (may_fill(hole, at, home64(map, map->slots[at].key), mask)) {
            map->slots[hole] = map->slots[at];
            hole = at;
        }
    }
    map->slots[hole].value = NULL;
    map->count--;
    return old;
}

bool map64_next(const struct map64 *map, struct map_cursor *cursor, uint64_t *key_out,
                void **value_out)
{
    uint32_t mask = map->slot_count - 1;

    if (cursor->left == 0) {
        while (map->slot_count && map->slots[cursor->at].value)
            cursor->at++;
        cursor->left = (size_t)map->slot_count + 1;
    }
    while (cursor->left > 1) {
        cursor->at = (cursor->at - 1) & mask;
        cursor->left--;
        const struct map64_slot *slot = &map->slots[cursor->at];
        if (!slot->value)
            continue;
        if (key_out)
            *key_out = slot->key;
        if (value_out)
            *value_out = slot->value;
        return true;
    }
    return false;
}
