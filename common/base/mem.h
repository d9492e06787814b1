/* Heap memory that is never NULL: running out of memory logs and aborts.
 *
 * All sizes are bytes; a size of 0 returns a pointer that may be freed. Products that overflow
 * abort.
 */
#ifndef JACKDAW_BASE_MEM_H
#define JACKDAW_BASE_MEM_H

#include "base/span.h"

#include <stddef.h>

/* Returns owned, uninitialised. */
void *mem_alloc(size_t size) __attribute__((malloc, returns_nonnull));
/* Returns owned, zeroed. */
void *mem_calloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
/* Takes `old` (may be NULL), returns owned. */
void *mem_realloc(void *old, size_t size) __attribute__((returns_nonnull));
/* As mem_realloc for `count` elements of `size` bytes. */
void *mem_realloc_array(void *old, size_t count, size_t size) __attribute__((returns_nonnull));
/* Takes; NULL is fine. */
void mem_free(void *memory);
/* Returns owned: a NUL-terminated copy. */
char *mem_strdup(const char *text) __attribute__((malloc, returns_nonnull));
/* Returns owned: the bytes of `s` and a NUL behind them. */
char *mem_strdup_span(struct span s) __attribute__((malloc, returns_nonnull));

#endif
