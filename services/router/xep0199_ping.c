/* XEP-0199: XMPP Ping, sections 4.2 (client to server) and, for one's own account, 4.3. */
#include "own.h"

const char *xep0199_ping(const struct own_request *request, struct buf *payload)
{
    (void)request;
    (void)payload; /* an empty result is the answer */
    return NULL;
}
