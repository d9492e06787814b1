/* Arena: a chain of blocks, allocation bumps a pointer in the newest. */
#include "base/arena.h"

#include "base/assert.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>

#define ALIGNMENT      ((size_t)16)
#define DEFAULT_BLOCK  ((size_t)1024)
#define LARGEST_GROWTH ((size_t)256 * 1024) /* blocks double up to this */

struct arena_block {
    struct arena_block *older;
    size_t size; /* of data */
    size_t used;
    _Alignas(16) char data[];
};

void arena_init(struct arena *arena, size_t first_block_size)
{
    *arena = (struct arena){.blocks = NULL, .next_size = first_block_size};
}

void arena_deinit(struct arena *arena)
{
    for (struct arena_block *block = arena->blocks, *older; block; block = older) {
        older = block->older;
        mem_free(block);
    }
    arena->blocks = NULL;
}

void arena_reset(struct arena *arena)
{
    struct arena_block *largest = arena->blocks;

    for (struct arena_block *block = largest; block; block = block->older) {
        if (block->size > largest->size)
            largest = block;
    }
    for (struct arena_block *block = arena->blocks, *older; block; block = older) {
        older = block->older;
        if (block != largest)
            mem_free(block);
    }
    if (largest) {
        largest->older = NULL;
        largest->used = 0;
    }
    arena->blocks = largest;
}

static struct arena_block *add_block(struct arena *arena, size_t needed)
{
    size_t size = arena->next_size ? arena->next_size : DEFAULT_BLOCK;

    if (size < needed)
        size = needed;
    struct arena_block *block = mem_alloc(sizeof(*block) + size);
    block->older = arena->blocks;
    block->size = size;
    block->used = 0;
    arena->blocks = block;
    arena->next_size = size < LARGEST_GROWTH ? size * 2 : LARGEST_GROWTH;
    return block;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    struct arena_block *block = arena->blocks;

    ASSERT(size <= SIZE_MAX / 2);
    size = (size + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
    if (!block || block->size - block->used < size)
        block = add_block(arena, size);
    void *memory = block->data + block->used;
    block->used += size;
    return memory;
}

void *arena_calloc(struct arena *arena, size_t count, size_t size)
{
    ASSERT(size == 0 || count <= SIZE_MAX / 2 / size);
    return memset(arena_alloc(arena, count * size), 0, count * size);
}

struct span arena_copy(struct arena *arena, struct span s)
{
    char *copy = arena_alloc(arena, s.len + 1);

    if (s.len)
        memcpy(copy, s.data, s.len);
    copy[s.len] = '\0';
    return span_of(copy, s.len);
}

struct span arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;
    char probe[1];

    va_start(args, format);
    int len = vsnprintf(probe, sizeof(probe), format, args);
    va_end(args);
    ASSERT(len >= 0);
    char *text = arena_alloc(arena, (size_t)len + 1);
    va_start(args, format);
    len = vsnprintf(text, (size_t)len + 1, format, args);
    va_end(args);
    return span_of(text, (size_t)len);
}
