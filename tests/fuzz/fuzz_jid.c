/* JIDs of arbitrary bytes: no crash; a normalised JID is valid, within limits and stays as it is.
 */
#include "base/assert.h"
#include "jid/jid.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct arena arena;
    struct span text = span_of((const char *)data, size);
    struct span jid;
    struct span again;
    arena_reset(&arena);
    if (jid_prepare_password(text, &arena, &jid) == 0) {
        ASSERT(!memchr(jid.data, '\0', jid.len));
    }
    if (jid_normalise(text, &arena, &jid) != 0) {
        return 0;
    }
    struct jid parts;
    ASSERT(jid.len <= JID_MAX);
    ASSERT(jid_split(jid, &parts) == 0);
    ASSERT(jid_normalise(jid, &arena, &again) == 0);
    ASSERT(span_eq(jid, again));
    return 0;
}
