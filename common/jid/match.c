/* Every form of a JID that can match it is a part of its text: nothing is built. */
#include "jid/match.h"

#include "jid/jid.h"

size_t jid_match_forms(struct span jid, struct span forms_out[JID_MATCH_FORMS])
{
    struct span bare = jid_bare(jid);
    size_t count = 0;

    if (!jid_is_bare(jid))
        forms_out[count++] = jid;
    if (!span_is_empty(jid_node(jid)))
        forms_out[count++] = bare;
    forms_out[count++] = jid_domain(jid);
    return count;
}

bool jid_match(struct span item, struct span jid)
{
    return jid_match_any(&item, 1, jid);
}

bool jid_match_any(const struct span *items, size_t count, struct span jid)
{
    struct span forms[JID_MATCH_FORMS];
    size_t form_count = jid_match_forms(jid, forms);

    for (size_t form = 0; form < form_count; form++) {
        for (size_t i = 0; i < count; i++) {
            if (span_eq(items[i], forms[form]))
                return true;
        }
    }
    return false;
}
