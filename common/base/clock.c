/* Clocks of the kernel in handy units. */
#include "base/clock.h"

#include "base/assert.h"

#include <stdio.h>
#include <time.h>

static uint64_t read_us(clockid_t clock)
{
    struct timespec now;
    int rc = clock_gettime(clock, &now);

    ASSERT(rc == 0);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t clock_mono_ms(void)
{
    return read_us(CLOCK_MONOTONIC) / 1000;
}

uint64_t clock_mono_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

uint64_t clock_cpu_us(void)
{
    return read_us(CLOCK_PROCESS_CPUTIME_ID);
}

uint64_t clock_real_us(void)
{
    return read_us(CLOCK_REALTIME);
}

uint64_t clock_real_ms(void)
{
    return clock_real_us() / 1000;
}

void clock_format_xep82(uint64_t real_ms, char out[CLOCK_XEP82_SIZE])
{
    time_t seconds = (time_t)(real_ms / 1000);
    struct tm utc;

    ASSERT(gmtime_r(&seconds, &utc) != NULL);
    size_t len = strftime(out, CLOCK_XEP82_SIZE, "%Y-%m-%dT%H:%M:%S", &utc);
    ASSERT(len > 0);
    int rest = snprintf(out + len, CLOCK_XEP82_SIZE - len, ".%03uZ", (unsigned)(real_ms % 1000));
    ASSERT(rest == 5);
}
