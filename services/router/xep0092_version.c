/* XEP-0092: Software Version. The operating system is nobody's business. */
#include "own.h"
#include "xml/ns.h"

const char *xep0092_version(const struct own_request *request, struct buf *payload)
{
    (void)request;
    buf_append_cstr(payload, "<query xmlns=\"" NS_VERSION "\"><name>Jackdaw</name>"
                             "<version>" JACKDAW_VERSION "</version></query>");
    return NULL;
}
