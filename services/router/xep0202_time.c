/* XEP-0202: Entity Time, in UTC. */
#include "base/clock.h"
#include "own.h"
#include "xml/ns.h"

const char *xep0202_time(const struct own_request *request, struct buf *payload)
{
    char now[CLOCK_XEP82_SIZE];

    (void)request;
    clock_format_xep82(clock_real_ms(), now);
    buf_printf(payload, "<time xmlns=\"" NS_TIME "\"><tzo>+00:00</tzo><utc>%s</utc></time>", now);
    return NULL;
}
