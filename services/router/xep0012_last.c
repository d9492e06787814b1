/* XEP-0012: Last Activity of the server, which is its uptime. An account's is its presence
 * daemon's. */
#include "loop/loop.h"
#include "own.h"
#include "xml/ns.h"

const char *xep0012_last(const struct own_request *request, struct buf *payload)
{
    uint64_t up_ms = loop_now_ms(request->router->loop) - request->router->started_ms;

    buf_printf(payload, "<query xmlns=\"" NS_LAST "\" seconds=\"%llu\"/>",
               (unsigned long long)(up_ms / 1000));
    return NULL;
}
