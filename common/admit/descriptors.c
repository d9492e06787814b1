/* The limit is set to what is needed, not to what is allowed: libwebsockets (and others) keep tables
 * as long as it is high, and it may be millions. */
#include "admit/descriptors.h"

#include "base/log.h"

#include <sys/resource.h>

#define SPARE                                                                                      \
    320 /* beside connections: bus, Redis, files, listeners, who is told that it is full */

uint64_t admit_descriptors_for(uint32_t connections)
{
    return (uint64_t)connections + SPARE;
}

uint64_t admit_fit_descriptors(uint32_t connections)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)admit_descriptors_for(connections);
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return wanted;
    if (wanted > limit.rlim_max) {
        LOG_WARN("descriptor-limit", "wanted=%llu allowed=%llu", (unsigned long long)wanted,
                 (unsigned long long)limit.rlim_max);
        wanted = limit.rlim_max;
    }
    limit.rlim_cur = wanted;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    return wanted;
}
