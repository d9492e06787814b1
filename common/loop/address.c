/* Address literals: no name is ever looked up here, because that would block. */
#include "loop/loop_internal.h"

int address_parse(const char *address, uint16_t port, struct sockaddr_storage *out)
{
    *out = (struct sockaddr_storage){0};
    if (uv_ip4_addr(address, port, (struct sockaddr_in *)out) == 0)
        return 0;
    return uv_ip6_addr(address, port, (struct sockaddr_in6 *)out) == 0 ? 0 : -1;
}

const char *address_unix_path(const char *address)
{
    struct span prefix = SPAN("unix:");

    return span_has_prefix(span_cstr(address), prefix) ? address + prefix.len : NULL;
}
