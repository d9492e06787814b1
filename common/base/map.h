/* Hash maps from bytes (struct map) and from integers (struct map64) to pointers.
 *
 * Open addressing with the hash seeded per process, so that nobody outside can aim at one slot.
 * Values are borrowed and never NULL. All zero is a valid empty map, without memory.
 *
 *     struct map_cursor at = {0};
 *     while (map_next(&m, &at, &key, &value)) ...
 * Inside, the entry just seen may be removed; nothing may be put.
 */
#ifndef JACKDAW_BASE_MAP_H
#define JACKDAW_BASE_MAP_H

#include "base/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_entry;

struct map {
    struct map_entry **slots;
    uint32_t count;
    uint32_t slot_count; /* a power of two, or 0 */
};

struct map64_slot {
    uint64_t key;
    void *value; /* NULL: free */
};

struct map64 {
    struct map64_slot *slots;
    uint32_t count;
    uint32_t slot_count;
};

struct map_cursor {
    size_t at;   /* slot last seen */
    size_t left; /* slots to look at, + 1; 0: not begun */
};

void map_init(struct map *map);
/* Frees the map, not its values. */
void map_deinit(struct map *map);
/* The value, or NULL. */
void *map_get(const struct map *map, struct span key);
/* Copies the key. Returns the value that was there, or NULL. */
void *map_put(struct map *map, struct span key, void *value);
/* Returns the value that was there, or NULL. */
void *map_remove(struct map *map, struct span key);
/* False at the end. `key_out` and `value_out` may be NULL; the key borrows the map. */
bool map_next(const struct map *map, struct map_cursor *cursor, struct span *key_out,
              void **value_out);

static inline size_t map_count(const struct map *map)
{
    return map->count;
}

void map64_init(struct map64 *map);
void map64_deinit(struct map64 *map);
void *map64_get(const struct map64 *map, uint64_t key);
void *map64_put(struct map64 *map, uint64_t key, void *value);
void *map64_remove(struct map64 *map, uint64_t key);
bool map64_next(const struct map64 *map, struct map_cursor *cursor, uint64_t *key_out,
                void **value_out);

static inline size_t map64_count(const struct map64 *map)
{
    return map->count;
}

#endif
