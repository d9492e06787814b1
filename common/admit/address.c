/* Addresses and how many connections each has. Only hashes are kept. */
#include "admit/address.h"

#include "base/hash.h"

#include <arpa/inet.h>
#include <netinet/in.h>

static void copy(struct span text, char out[ADMIT_ADDRESS_MAX])
{
    struct span head = span_head(text, ADMIT_ADDRESS_MAX - 1);
    memcpy(out, head.len ? head.data : "", head.len);
    out[head.len] = '\0';
}

/* False: it is neither kind. */
static bool group_of(struct span address, char out[ADMIT_ADDRESS_MAX])
{
    struct in6_addr v6;
    struct in_addr v4;
    copy(address, out);
    if (inet_pton(AF_INET, out, &v4) == 1)
        return true;
    if (inet_pton(AF_INET6, out, &v6) != 1)
        return false;
    if (IN6_IS_ADDR_V4MAPPED(&v6))
        return inet_ntop(AF_INET, &v6.s6_addr[12], out, ADMIT_ADDRESS_MAX) != NULL;
    memset(&v6.s6_addr[8], 0, 8);
    return inet_ntop(AF_INET6, &v6, out, ADMIT_ADDRESS_MAX) != NULL;
}

void admit_address_group(struct span address, char out[ADMIT_ADDRESS_MAX])
{
    (void)group_of(address, out);
}

uint64_t admit_address_key(struct span address)
{
    char group[ADMIT_ADDRESS_MAX];
    if (!group_of(address, group))
        return 0;
    uint64_t key = hash_bytes(hash_process_seed(), span_cstr(group));
    return key ? key : 1;
}

static uintptr_t count_of(const struct admit_counts *counts, uint64_t key)
{
    return (uintptr_t)map64_get(&counts->by_key, key);
}

bool admit_has_room(const struct admit_counts *counts, uint64_t key, uint32_t max)
{
    return key == 0 || max == 0 || count_of(counts, key) < max;
}

bool admit_enter(struct admit_counts *counts, uint64_t key, uint32_t max)
{
    if (!admit_has_room(counts, key, max))
        return false;
    if (key != 0)
        (void)map64_put(&counts->by_key, key, (void *)(count_of(counts, key) + 1));
    return true;
}

void admit_leave(struct admit_counts *counts, uint64_t key)
{
    uintptr_t count = key ? count_of(counts, key) : 0;
    if (count > 1)
        (void)map64_put(&counts->by_key, key, (void *)(count - 1));
    else if (count == 1)
        (void)map64_remove(&counts->by_key, key);
}

void admit_counts_deinit(struct admit_counts *counts)
{
    map64_deinit(&counts->by_key);
}
