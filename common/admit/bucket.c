/* The bucket as a time (the generic cell rate algorithm). */
#include "admit/bucket.h"

#define US_PER_S 1000000u

uint32_t admit_take(struct admit_bucket *bucket, const struct admit_rate *rate, uint64_t amount,
                    uint64_t now_ms)
{
    if (rate->per_second == 0)
        return 0;
    uint64_t now = now_ms * 1000;
    uint64_t allowed = now + (uint64_t)rate->burst * US_PER_S / rate->per_second;
    uint64_t from = bucket->full_at_us > now ? bucket->full_at_us : now;
    uint64_t full_at = from + amount * US_PER_S / rate->per_second;
    uint64_t latest = allowed + (uint64_t)ADMIT_WAIT_MAX_MS * 1000;
    bucket->full_at_us = full_at < latest ? full_at : latest;
    if (bucket->full_at_us <= allowed)
        return 0;
    uint32_t wait = (uint32_t)((bucket->full_at_us - allowed + 999) / 1000);
    return wait < ADMIT_WAIT_MIN_MS ? ADMIT_WAIT_MIN_MS : wait;
}
