/* The state machine of presence subscriptions: RFC 6121 Appendix A, with the pre-approval of
 * section 3.4, as a pure function over one table.
 *
 * A state belongs to one (account, contact): which way the subscription goes and what is pending,
 * as bits. Nothing here sends or stores; the actions say what the caller has to do.
 */
#ifndef JACKDAW_PRESENCE_STATES_H
#define JACKDAW_PRESENCE_STATES_H

#include "stanza/stanza.h"

#include <stdbool.h>

#define STATE_TO       1u  /* the account gets the contact's presence */
#define STATE_FROM     2u  /* the contact gets the account's presence */
#define STATE_ASK      4u  /* pending out: ask='subscribe' */
#define STATE_PENDING  8u  /* pending in: the account has not answered the contact's request */
#define STATE_APPROVED 16u /* a request that may come is approved already (section 3.4) */
#define STATE_LISTED   32u /* shown in the roster; kept by the caller, not by the table */
#define STATE_BOTH     (STATE_TO | STATE_FROM)

enum states_event {
    OUT_SUBSCRIBE, /* what the account's client sent */
    OUT_UNSUBSCRIBE,
    OUT_SUBSCRIBED,
    OUT_UNSUBSCRIBED,
    IN_SUBSCRIBE, /* what came from the contact */
    IN_UNSUBSCRIBE,
    IN_SUBSCRIBED,
    IN_UNSUBSCRIBED,
    IN_SUBSCRIBE_APPROVED, /* IN_SUBSCRIBE when STATE_APPROVED; chosen by states_next */
    STATES_EVENT_COUNT
};

/* What is to be done besides storing the new state. */
#define DO_PASS             1u /* out: route it to the contact; in: deliver it to the account */
#define DO_ANSWER           2u /* reply `subscribed` on behalf of the account */
#define DO_SEND_AVAILABLE   4u /* the contact gets the presence of the account's resources */
#define DO_SEND_UNAVAILABLE 8u /* the contact is told that they are gone */

struct states_verdict {
    unsigned state; /* with STATE_LISTED set where the contact now belongs into the roster */
    unsigned actions;
};

struct states_verdict states_next(unsigned state, enum states_event event);

/* The event of a presence stanza of one of the four types; -1 for any other. */
int states_event_of(enum stanza_type type, bool inbound);
/* "none", "to", "from", "both". */
const char *states_subscription(unsigned state);

#endif
