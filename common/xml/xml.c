/* Small things about parsed elements. */
#include "xml/xml.h"

#include "base/assert.h"

struct span xml_attr_get(const struct xml_top *top, const char *name)
{
    for (uint32_t i = 0; i < top->attr_count; i++) {
        if (span_is_empty(top->attrs[i].ns) && span_is(top->attrs[i].name, name)) {
            return top->attrs[i].value;
        }
    }
    return (struct span){0};
}

const char *xml_error_condition(enum xml_error error)
{
    static const char *const conditions[XML_ERROR_COUNT] = {
        [XML_NOT_WELL_FORMED] = "not-well-formed",
        [XML_RESTRICTED] = "restricted-xml",
        [XML_TOO_BIG] = "policy-violation",
        [XML_BAD_ENCODING] = "unsupported-encoding",
    };
    ASSERT(error > XML_OK && error < XML_ERROR_COUNT);
    return conditions[error];
}
