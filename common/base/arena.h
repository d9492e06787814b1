/* An arena: memory that is taken in small pieces and given back all at once.
 *
 * Per-stanza memory lives in one and dies with it. An arena that is reset keeps its largest block,
 * so a long-lived one that is reset per stanza soon allocates nothing.
 */
#ifndef JACKDAW_BASE_ARENA_H
#define JACKDAW_BASE_ARENA_H

#include "base/span.h"

#include <stddef.h>

struct arena_block;

/* Embeddable. All zero is a valid arena too (first block 1 KiB). */
struct arena {
    struct arena_block *blocks; /* newest first */
    size_t next_size;           /* bytes of the next block */
};

/* Allocates nothing yet; the first block will have `first_block_size` bytes, each next one is
 * larger. */
void arena_init(struct arena *arena, size_t first_block_size);
/* Frees everything; the arena may be used again. */
void arena_deinit(struct arena *arena);
/* Forgets everything that was allocated but keeps the largest block. */
void arena_reset(struct arena *arena);

/* `size` uninitialised bytes aligned to 16, valid until reset or deinit. Never NULL. */
void *arena_alloc(struct arena *arena, size_t size) __attribute__((returns_nonnull));
/* As arena_alloc for an array, zeroed. Aborts on overflow. */
void *arena_calloc(struct arena *arena, size_t count, size_t size) __attribute__((returns_nonnull));
/* A copy of `s` in the arena, with a NUL behind it (not counted). */
struct span arena_copy(struct arena *arena, struct span s);
struct span arena_printf(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
