/* A token bucket: so much at once, so much a second, and who takes more waits.
 *
 * It is one number: when the bucket would be full again. What was never used, or rested long
 * enough, is full without anybody's doing: nothing runs and nothing is allocated for it.
 */
#ifndef JACKDAW_ADMIT_BUCKET_H
#define JACKDAW_ADMIT_BUCKET_H

#include <stdint.h>

#define ADMIT_WAIT_MIN_MS 100   /* who waits at all waits so long: fewer wake-ups */
#define ADMIT_WAIT_MAX_MS 30000 /* and never longer at a time; what is owed beyond is forgiven */

struct admit_rate {
    uint32_t per_second; /* 0: no limit */
    uint32_t burst;      /* how much a full bucket holds */
};

/* All zero is a full bucket. */
struct admit_bucket {
    uint64_t full_at_us;
};

/* Takes `amount`, more than there is if need be. How many milliseconds to take nothing more, 0:
 * go on. */
uint32_t admit_take(struct admit_bucket *bucket, const struct admit_rate *rate, uint64_t amount,
                    uint64_t now_ms);

#endif
