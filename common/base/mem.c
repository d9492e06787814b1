/* malloc and friends that end the process rather than return NULL. */
#include "base/mem.h"

#include "base/log.h"

#include <stdlib.h>

static _Noreturn void out_of_memory(size_t size)
{
    log_write(LOG_LEVEL_ERROR, "out_of_memory", "bytes=%zu", size);
    abort();
}

void *mem_alloc(size_t size)
{
    void *memory = malloc(size ? size : 1);

    if (!memory)
        out_of_memory(size);
    return memory;
}

void *mem_calloc(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size ? size : 1);

    if (!memory)
        out_of_memory(count);
    return memory;
}

void *mem_realloc(void *old, size_t size)
{
    void *memory = realloc(old, size ? size : 1);

    if (!memory)
        out_of_memory(size);
    return memory;
}

void *mem_realloc_array(void *old, size_t count, size_t size)
{
    if (size && count > SIZE_MAX / size)
        out_of_memory(SIZE_MAX);
    return mem_realloc(old, count * size);
}

void mem_free(void *memory)
{
    free(memory);
}

char *mem_strdup(const char *text)
{
    return mem_strdup_span(span_cstr(text));
}

char *mem_strdup_span(struct span s)
{
    char *copy = mem_alloc(s.len + 1);

    if (s.len)
        memcpy(copy, s.data, s.len);
    copy[s.len] = '\0';
    return copy;
}
