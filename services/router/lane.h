/* Order for sessions that change hands: what is delivered to one of them waits while earlier
 * deliveries for it are unsettled at another holder (who may say that it has missed them, and then
 * they go ahead). A lane exists while something for its session is unsettled.
 */
#ifndef JACKDAW_ROUTER_LANE_H
#define JACKDAW_ROUTER_LANE_H

#include "base/span.h"

#include <stdbool.h>
#include <stdint.h>

struct holder;
struct lanes;
struct parcel;

/* Returns owned. */
struct lanes *lanes_new(void);
/* Frees parcels that wait, too. */
void lanes_free(struct lanes *lanes);

struct lane_entry {
    uint64_t sid;
    struct holder *holder;
    struct span account; /* bare JID of the session */
    bool is_ahead;       /* it came back: it waits for nobody */
};
/* Something for the session is to go to that holder. True: it may go, and lane_leave follows when it
 * is settled. False: lane_wait must follow. */
bool lane_enter(struct lanes *lanes, const struct lane_entry *entry);
/* Takes a parcel for this session alone; it is sent when its time has come, as if it had entered. */
void lane_wait(struct lanes *lanes, uint64_t sid, struct parcel *parcel);
void lane_leave(struct lanes *lanes, uint64_t sid);
/* Whose session it is, while something for it is unsettled; else empty. */
struct span lane_account(const struct lanes *lanes, uint64_t sid);

#endif
