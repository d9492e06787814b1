/* Log lines about limits, without a flood of them: whoever makes the server refuse him must not be
 * able to fill its disk. */
#ifndef JACKDAW_ADMIT_QUIET_H
#define JACKDAW_ADMIT_QUIET_H

#include <stdbool.h>
#include <stdint.h>

#define ADMIT_QUIET_MS 10000 /* one line of a kind in this time */

/* One for each kind of line. All zero is fresh. */
struct admit_quiet {
    uint64_t next_ms;
    uint32_t held_back;
};

/* True when a line may be written now; *missed_out is how many were not since the last one. */
bool admit_may_say(struct admit_quiet *quiet, uint64_t now_ms, uint32_t *missed_out);

#endif
