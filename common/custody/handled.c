/* A ring of flags, one for each stanza that is not settled or waits for an earlier one. */
#include "custody/handled.h"

#include "base/mem.h"

#define SIZE_FIRST 16u

void custody_handled_start(struct custody_handled *handled, uint64_t count)
{
    handled->count = handled->last = count;
}

void custody_handled_free(struct custody_handled *handled)
{
    mem_free(handled->settled);
    handled->settled = NULL;
    handled->size = 0;
}

static uint8_t *flag(const struct custody_handled *handled, uint64_t number)
{
    return &handled->settled[number & (handled->size - 1)];
}

static void grow(struct custody_handled *handled)
{
    struct custody_handled larger = *handled;
    larger.size = handled->size ? handled->size * 2 : SIZE_FIRST;
    larger.settled = mem_calloc(larger.size, 1);
    for (uint64_t n = handled->count + 1; n <= handled->last; n++)
        *flag(&larger, n) = *flag(handled, n);
    mem_free(handled->settled);
    *handled = larger;
}

uint64_t custody_handled_begin(struct custody_handled *handled)
{
    if (handled->last - handled->count >= handled->size)
        grow(handled);
    *flag(handled, ++handled->last) = 0;
    return handled->last;
}

bool custody_handled_settle(struct custody_handled *handled, uint64_t number)
{
    uint64_t before = handled->count;
    if (number <= handled->count || number > handled->last)
        return false;
    *flag(handled, number) = 1;
    while (handled->count < handled->last && *flag(handled, handled->count + 1))
        handled->count++;
    if (handled->count == handled->last)
        custody_handled_free(handled); /* an idle session costs nothing */
    return handled->count != before;
}
