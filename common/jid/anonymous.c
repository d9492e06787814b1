/* Names of temporary accounts: UUIDs of version 8 (RFC 9562 section 5.8), all bits random that are
 * not the version's. Nobody's user names look like that by chance. */
#include "base/rand.h"
#include "jid/jid.h"

#include <string.h>

#define UUID_LENGTH    36
#define VERSION_AT     14
#define VARIANT_AT     19
#define VERSION        '8'
#define VARIANT_DIGITS "89ab"
#define HEX_DIGITS     "0123456789abcdef"

static bool is_dash_at(size_t i)
{
    return i == 8 || i == 13 || i == 18 || i == 23;
}

static bool is_of(char c, const char *digits)
{
    return c != '\0' && strchr(digits, c);
}

bool jid_is_anonymous(struct span jid)
{
    struct span node = jid_node(jid);

    if (node.len != UUID_LENGTH || node.data[VERSION_AT] != VERSION ||
        !is_of(node.data[VARIANT_AT], VARIANT_DIGITS))
        return false;
    for (size_t i = 0; i < UUID_LENGTH; i++) {
        if (is_dash_at(i) ? node.data[i] != '-' : !is_of(node.data[i], HEX_DIGITS))
            return false;
    }
    return true;
}

struct span jid_make_anonymous(struct span domain, struct arena *arena)
{
    unsigned char bytes[UUID_LENGTH];
    char node[UUID_LENGTH];

    rand_bytes(bytes, sizeof(bytes));
    for (size_t i = 0; i < UUID_LENGTH; i++)
        node[i] = is_dash_at(i) ? '-' : HEX_DIGITS[bytes[i] & 15];
    node[VERSION_AT] = VERSION;
    node[VARIANT_AT] = VARIANT_DIGITS[bytes[VARIANT_AT] & 3];
    return jid_join(span_of(node, sizeof(node)), domain, (struct span){0}, arena);
}
