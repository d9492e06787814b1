/* Domains as the protocols below XMPP spell them. */
#include "jid/jid.h"

#include "base/mem.h"

#include <idn2.h>

int jid_domain_to_ascii(struct span domain, struct arena *arena, struct span *ascii_out)
{
    char *ascii = NULL;
    char *unicode;
    int result;

    if (domain.len > 2 && domain.data[0] == '[') {
        *ascii_out = arena_copy(arena, span_of(domain.data + 1, domain.len - 2));
        return 0;
    }
    unicode = mem_strdup_span(domain);
    result = idn2_to_ascii_8z(unicode, &ascii, IDN2_NONTRANSITIONAL);
    if (result == IDN2_OK) {
        *ascii_out = arena_copy(arena, span_cstr(ascii));
        idn2_free(ascii);
    }
    mem_free(unicode);
    return result == IDN2_OK ? 0 : -1;
}
