/* The forms of a Redis address. */
#include "redis/redis_internal.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

static char *copy_span(struct span s)
{
    char *text = mem_alloc(s.len + 1);
    if (s.len) {
        memcpy(text, s.data, s.len);
    }
    text[s.len] = '\0';
    return text;
}

static int parse_number(struct span digits, uint64_t max, uint64_t *out)
{
    return span_to_u64(digits, out) == 0 && *out <= max ? 0 : -1;
}

static int parse_unix(struct span rest, struct redis_address *out)
{
    size_t mark = span_find(rest, '?');
    uint64_t database = 0;
    if (mark == 0) {
        return -1;
    }
    if (mark < rest.len && parse_number(span_from(rest, mark + 1), 65535, &database) != 0) {
        return -1;
    }
    out->path = copy_span(span_head(rest, mark));
    out->database = (uint32_t)database;
    return 0;
}

/* [:password@]host[:port][/database]; an IPv6 host is in brackets. */
static int parse_tcp(struct span rest, struct redis_address *out)
{
    uint64_t database = 0;
    uint64_t port = 6379;
    size_t at = span_find(rest, '@');
    if (at < rest.len) {
        size_t colon = span_find(rest, ':');
        if (colon >= at) {
            return -1;
        }
        out->password = copy_span(span_of(rest.data + colon + 1, at - colon - 1));
        rest = span_from(rest, at + 1);
    }
    size_t slash = span_find(rest, '/');
    struct span digits = span_from(rest, slash + 1);
    if (digits.len && parse_number(digits, 65535, &database) != 0) {
        return -1;
    }
    struct span host = span_head(rest, slash);
    size_t after = span_find(host, ':');
    struct span port_text = span_from(host, after + 1);
    if (host.len && host.data[0] == '[') {
        size_t close = span_find(host, ']');
        port_text = span_from(host, close + 2);
        host = span_of(host.data + 1, close - 1);
    } else {
        host = span_head(host, after);
    }
    if (host.len == 0 || (port_text.len && parse_number(port_text, 65535, &port) != 0)) {
        return -1;
    }
    out->host = copy_span(host);
    out->port = (uint16_t)port;
    out->database = (uint32_t)database;
    return 0;
}

int redis_address_parse(const char *url, struct redis_address *address_out, char *error,
                        size_t error_size)
{
    struct span text = span_cstr(url);
    int status = -1;
    memset(address_out, 0, sizeof(*address_out));
    if (span_has_prefix(text, SPAN("unix:"))) {
        status = parse_unix(span_from(text, 5), address_out);
    } else if (span_has_prefix(text, SPAN("redis://"))) {
        status = parse_tcp(span_from(text, 8), address_out);
    }
    if (status != 0) {
        redis_address_deinit(address_out);
        (void)snprintf(error, error_size,
                       "redis address is neither redis://[:password@]host:port[/database] nor "
                       "unix:/path[?database]");
    }
    return status;
}

void redis_address_deinit(struct redis_address *address)
{
    mem_free(address->host);
    mem_free(address->path);
    mem_free(address->password);
    memset(address, 0, sizeof(*address));
}
