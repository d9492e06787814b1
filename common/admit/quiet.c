/* One line, then silence, then how much was not said. */
#include "admit/quiet.h"

bool admit_may_say(struct admit_quiet *quiet, uint64_t now_ms, uint32_t *missed_out)
{
    if (now_ms < quiet->next_ms) {
        quiet->held_back++;
        return false;
    }
    *missed_out = quiet->held_back;
    *quiet = (struct admit_quiet){.next_ms = now_ms + ADMIT_QUIET_MS};
    return true;
}
