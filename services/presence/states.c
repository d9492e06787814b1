/* RFC 6121 Appendix A. Each row is a table of that appendix: A.2.1 to A.2.4 and A.3.1 to A.3.4. */
#include "states.h"

#include "base/assert.h"

/* The nine states of Appendix A.1. */
enum place { NONE, NONE_OUT, NONE_IN, NONE_OUT_IN, TO, TO_IN, FROM, FROM_OUT, BOTH, PLACE_COUNT };

static const unsigned char bits_of[PLACE_COUNT] = {
    [NONE] = 0,
    [NONE_OUT] = STATE_ASK,
    [NONE_IN] = STATE_PENDING,
    [NONE_OUT_IN] = STATE_ASK | STATE_PENDING,
    [TO] = STATE_TO,
    [TO_IN] = STATE_TO | STATE_PENDING,
    [FROM] = STATE_FROM,
    [FROM_OUT] = STATE_FROM | STATE_ASK,
    [BOTH] = STATE_BOTH,
};

/* Bits that say the same are one place: who is subscribed asks no more. */
static const unsigned char place_of[16] = {
    [0] = NONE,
    [STATE_TO] = TO,
    [STATE_FROM] = FROM,
    [STATE_BOTH] = BOTH,
    [STATE_ASK] = NONE_OUT,
    [STATE_ASK | STATE_TO] = TO,
    [STATE_ASK | STATE_FROM] = FROM_OUT,
    [STATE_ASK | STATE_BOTH] = BOTH,
    [STATE_PENDING] = NONE_IN,
    [STATE_PENDING | STATE_TO] = TO_IN,
    [STATE_PENDING | STATE_FROM] = FROM,
    [STATE_PENDING | STATE_BOTH] = BOTH,
    [STATE_PENDING | STATE_ASK] = NONE_OUT_IN,
    [STATE_PENDING | STATE_ASK | STATE_TO] = TO_IN,
    [STATE_PENDING | STATE_ASK | STATE_FROM] = FROM_OUT,
    [STATE_PENDING | STATE_ASK | STATE_BOTH] = BOTH,
};

struct cell {
    unsigned char next;
    unsigned char actions;
    unsigned char approved; /* what STATE_APPROVED becomes, when it changes */
};

enum { KEEP, SET, CLEAR };

/* Short names, so that a row of the appendix is a row here. */
#define PASS DO_PASS
#define AUTO (DO_ANSWER | DO_SEND_AVAILABLE)
#define SHOW (DO_PASS | DO_SEND_AVAILABLE)
#define HIDE (DO_PASS | DO_SEND_UNAVAILABLE)

/* clang-format off */
static const struct cell table[STATES_EVENT_COUNT][PLACE_COUNT] = {
    [OUT_SUBSCRIBE] = {
        [NONE]        = {NONE_OUT,    PASS, KEEP},
        [NONE_OUT]    = {NONE_OUT,    PASS, KEEP},
        [NONE_IN]     = {NONE_OUT_IN, PASS, KEEP},
        [NONE_OUT_IN] = {NONE_OUT_IN, PASS, KEEP},
        [TO]          = {TO,          PASS, KEEP},
        [TO_IN]       = {TO_IN,       PASS, KEEP},
        [FROM]        = {FROM_OUT,    PASS, KEEP},
        [FROM_OUT]    = {FROM_OUT,    PASS, KEEP},
        [BOTH]        = {BOTH,        PASS, KEEP},
    },
    [OUT_UNSUBSCRIBE] = {
        [NONE]        = {NONE,        PASS, KEEP},
        [NONE_OUT]    = {NONE,        PASS, KEEP},
        [NONE_IN]     = {NONE_IN,     PASS, KEEP},
        [NONE_OUT_IN] = {NONE_IN,     PASS, KEEP},
        [TO]          = {NONE,        PASS, KEEP},
        [TO_IN]       = {NONE_IN,     PASS, KEEP},
        [FROM]        = {FROM,        PASS, KEEP},
        [FROM_OUT]    = {FROM,        PASS, KEEP},
        [BOTH]        = {FROM,        PASS, KEEP},
    },
    [OUT_SUBSCRIBED] = { /* without a request: the pre-approval of section 3.4.1 */
        [NONE]        = {NONE,        0,    SET},
        [NONE_OUT]    = {NONE_OUT,    0,    SET},
        [NONE_IN]     = {FROM,        SHOW, CLEAR},
        [NONE_OUT_IN] = {FROM_OUT,    SHOW, CLEAR},
        [TO]          = {TO,          0,    SET},
        [TO_IN]       = {BOTH,        SHOW, CLEAR},
        [FROM]        = {FROM,        0,    KEEP},
        [FROM_OUT]    = {FROM_OUT,    0,    KEEP},
        [BOTH]        = {BOTH,        0,    KEEP},
    },
    [OUT_UNSUBSCRIBED] = {
        [NONE]        = {NONE,        0,    CLEAR},
        [NONE_OUT]    = {NONE_OUT,    0,    CLEAR},
        [NONE_IN]     = {NONE,        PASS, CLEAR},
        [NONE_OUT_IN] = {NONE_OUT,    PASS, CLEAR},
        [TO]          = {TO,          0,    CLEAR},
        [TO_IN]       = {TO,          PASS, CLEAR},
        [FROM]        = {NONE,        HIDE, CLEAR},
        [FROM_OUT]    = {NONE_OUT,    HIDE, CLEAR},
        [BOTH]        = {TO,          HIDE, CLEAR},
    },
    [IN_SUBSCRIBE] = {
        [NONE]        = {NONE_IN,     PASS, KEEP},
        [NONE_OUT]    = {NONE_OUT_IN, PASS, KEEP},
        [NONE_IN]     = {NONE_IN,     0,    KEEP},
        [NONE_OUT_IN] = {NONE_OUT_IN, 0,    KEEP},
        [TO]          = {TO_IN,       PASS, KEEP},
        [TO_IN]       = {TO_IN,       0,    KEEP},
        [FROM]        = {FROM,        AUTO, KEEP},
        [FROM_OUT]    = {FROM_OUT,    AUTO, KEEP},
        [BOTH]        = {BOTH,        AUTO, KEEP},
    },
    [IN_SUBSCRIBE_APPROVED] = { /* section 3.4.2: the approval is used up */
        [NONE]        = {FROM,        AUTO, CLEAR},
        [NONE_OUT]    = {FROM_OUT,    AUTO, CLEAR},
        [NONE_IN]     = {FROM,        AUTO, CLEAR},
        [NONE_OUT_IN] = {FROM_OUT,    AUTO, CLEAR},
        [TO]          = {BOTH,        AUTO, CLEAR},
        [TO_IN]       = {BOTH,        AUTO, CLEAR},
        [FROM]        = {FROM,        AUTO, CLEAR},
        [FROM_OUT]    = {FROM_OUT,    AUTO, CLEAR},
        [BOTH]        = {BOTH,        AUTO, CLEAR},
    },
    [IN_UNSUBSCRIBE] = {
        [NONE]        = {NONE,        0,    KEEP},
        [NONE_OUT]    = {NONE_OUT,    0,    KEEP},
        [NONE_IN]     = {NONE,        PASS, KEEP},
        [NONE_OUT_IN] = {NONE_OUT,    PASS, KEEP},
        [TO]          = {TO,          0,    KEEP},
        [TO_IN]       = {TO,          PASS, KEEP},
        [FROM]        = {NONE,        HIDE, KEEP},
        [FROM_OUT]    = {NONE_OUT,    HIDE, KEEP},
        [BOTH]        = {TO,          HIDE, KEEP},
    },
    [IN_SUBSCRIBED] = {
        [NONE]        = {NONE,        0,    KEEP},
        [NONE_OUT]    = {TO,          PASS, KEEP},
        [NONE_IN]     = {NONE_IN,     0,    KEEP},
        [NONE_OUT_IN] = {TO_IN,       PASS, KEEP},
        [TO]          = {TO,          0,    KEEP},
        [TO_IN]       = {TO_IN,       0,    KEEP},
        [FROM]        = {FROM,        0,    KEEP},
        [FROM_OUT]    = {BOTH,        PASS, KEEP},
        [BOTH]        = {BOTH,        0,    KEEP},
    },
    [IN_UNSUBSCRIBED] = {
        [NONE]        = {NONE,        0,    KEEP},
        [NONE_OUT]    = {NONE,        PASS, KEEP},
        [NONE_IN]     = {NONE_IN,     0,    KEEP},
        [NONE_OUT_IN] = {NONE_IN,     PASS, KEEP},
        [TO]          = {NONE,        PASS, KEEP},
        [TO_IN]       = {NONE_IN,     PASS, KEEP},
        [FROM]        = {FROM,        0,    KEEP},
        [FROM_OUT]    = {FROM,        PASS, KEEP},
        [BOTH]        = {FROM,        PASS, KEEP},
    },
};
/* clang-format on */

struct states_verdict states_next(unsigned state, enum states_event event)
{
    ASSERT(event < STATES_EVENT_COUNT);
    if (event == IN_SUBSCRIBE && (state & STATE_APPROVED)) {
        event = IN_SUBSCRIBE_APPROVED;
    }
    const struct cell *cell = &table[event][place_of[state & 15u]];
    unsigned approved = cell->approved == SET     ? STATE_APPROVED
                        : cell->approved == CLEAR ? 0
                                                  : state & STATE_APPROVED;
    struct states_verdict verdict = {
        .state = bits_of[cell->next] | approved | (state & STATE_LISTED),
        .actions = cell->actions,
    };
    /* All but a request nobody has answered shows in the roster. */
    if (verdict.state & ~(STATE_PENDING | STATE_LISTED)) {
        verdict.state |= STATE_LISTED;
    }
    return verdict;
}

int states_event_of(enum stanza_type type, bool inbound)
{
    static const struct {
        enum stanza_type type;
        enum states_event out;
        enum states_event in;
    } events[] = {
        {STANZA_SUBSCRIBE, OUT_SUBSCRIBE, IN_SUBSCRIBE},
        {STANZA_UNSUBSCRIBE, OUT_UNSUBSCRIBE, IN_UNSUBSCRIBE},
        {STANZA_SUBSCRIBED, OUT_SUBSCRIBED, IN_SUBSCRIBED},
        {STANZA_UNSUBSCRIBED, OUT_UNSUBSCRIBED, IN_UNSUBSCRIBED},
    };
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        if (events[i].type == type) {
            return (int)(inbound ? events[i].in : events[i].out);
        }
    }
    return -1;
}

const char *states_subscription(unsigned state)
{
    static const char *const names[] = {"none", "to", "from", "both"};
    return names[state & STATE_BOTH];
}
