/* The subscription state machine against RFC 6121 Appendix A, written down a second time in the
 * appendix's own terms: for each state, what happens to it on each stanza. */
#include "states.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const unsigned states[] = {
    0,
    STATE_ASK,
    STATE_PENDING,
    STATE_ASK | STATE_PENDING,
    STATE_TO,
    STATE_TO | STATE_PENDING,
    STATE_FROM,
    STATE_FROM | STATE_ASK,
    STATE_BOTH,
};

static const char *const names[] = {
    "None",
    "None + Pending Out",
    "None + Pending In",
    "None + Pending Out+In",
    "To",
    "To + Pending In",
    "From",
    "From + Pending Out",
    "Both",
};

enum { COUNT = sizeof(states) / sizeof(states[0]) };

/* One line a stanza: for each state in the order above, '+' routed or delivered, '-' not, and the
 * new state's place in that order. */
static const struct {
    enum states_event event;
    const char *line;
} appendix[] = {
    {OUT_SUBSCRIBE, "+1 +1 +3 +3 +4 +5 +7 +7 +8"},
    {OUT_UNSUBSCRIBE, "+0 +0 +2 +2 +0 +2 +6 +6 +6"},
    {OUT_SUBSCRIBED, "-0 -1 +6 +7 -4 +8 -6 -7 -8"},
    {OUT_UNSUBSCRIBED, "-0 -1 +0 +1 -4 +4 +0 +1 +4"},
    {IN_SUBSCRIBE, "+2 +3 -2 -3 +5 -5 -6 -7 -8"},
    {IN_UNSUBSCRIBE, "-0 -1 +0 +1 -4 +4 +0 +1 +4"},
    {IN_SUBSCRIBED, "-0 +4 -2 +5 -4 -5 -6 +8 -8"},
    {IN_UNSUBSCRIBED, "-0 +0 -2 +2 +0 +2 -6 +6 +6"},
};

static void the_table_is_appendix_a(void **state)
{
    (void)state;
    for (size_t e = 0; e < sizeof(appendix) / sizeof(appendix[0]); e++) {
        for (size_t i = 0; i < COUNT; i++) {
            const char *cell = appendix[e].line + 3 * i;
            struct states_verdict verdict = states_next(states[i], appendix[e].event);
            bool is_passed = (verdict.actions & DO_PASS) != 0;
            unsigned core = verdict.state & (STATE_BOTH | STATE_ASK | STATE_PENDING);
            if (is_passed != (cell[0] == '+') || core != states[cell[1] - '0']) {
                fail_msg("event %d in %s", (int)appendix[e].event, names[i]);
            }
        }
    }
}

static void presence_is_shown_and_hidden(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        for (int event = OUT_SUBSCRIBE; event <= IN_UNSUBSCRIBED; event++) {
            struct states_verdict verdict = states_next(states[i], (enum states_event)event);
            bool had = (states[i] & STATE_FROM) != 0;
            bool has = (verdict.state & STATE_FROM) != 0;
            bool again = event == IN_SUBSCRIBE && had;
            assert_int_equal((verdict.actions & DO_SEND_AVAILABLE) != 0, (!had && has) || again);
            assert_int_equal((verdict.actions & DO_SEND_UNAVAILABLE) != 0, had && !has);
            assert_int_equal((verdict.actions & DO_ANSWER) != 0, again);
        }
    }
}

static void approval_in_advance(void **state)
{
    (void)state;
    struct states_verdict verdict = states_next(0, OUT_SUBSCRIBED);
    assert_int_equal(verdict.state, STATE_APPROVED | STATE_LISTED);
    assert_int_equal(verdict.actions, 0);
    struct states_verdict used = states_next(verdict.state, IN_SUBSCRIBE);
    assert_int_equal(used.state, STATE_FROM | STATE_LISTED);
    assert_int_equal(used.actions, DO_ANSWER | DO_SEND_AVAILABLE);
    struct states_verdict withdrawn = states_next(verdict.state, OUT_UNSUBSCRIBED);
    assert_int_equal(withdrawn.state, STATE_LISTED);
    assert_int_equal(withdrawn.actions, 0);
    verdict = states_next(STATE_TO | STATE_LISTED | STATE_APPROVED, IN_SUBSCRIBE);
    assert_int_equal(verdict.state, STATE_BOTH | STATE_LISTED);
}

static void a_mere_request_is_not_in_the_roster(void **state)
{
    (void)state;
    assert_int_equal(states_next(0, IN_SUBSCRIBE).state, STATE_PENDING);
    assert_int_equal(states_next(STATE_PENDING, OUT_UNSUBSCRIBED).state, 0);
    assert_int_equal(states_next(STATE_PENDING, OUT_SUBSCRIBED).state, STATE_FROM | STATE_LISTED);
    assert_int_equal(states_next(0, OUT_SUBSCRIBE).state, STATE_ASK | STATE_LISTED);
    /* what is listed stays listed */
    assert_int_equal(states_next(STATE_FROM | STATE_LISTED, IN_UNSUBSCRIBE).state, STATE_LISTED);
}

static void types_and_names(void **state)
{
    (void)state;
    assert_int_equal(states_event_of(STANZA_SUBSCRIBE, false), OUT_SUBSCRIBE);
    assert_int_equal(states_event_of(STANZA_UNSUBSCRIBED, true), IN_UNSUBSCRIBED);
    assert_int_equal(states_event_of(STANZA_AVAILABLE, true), -1);
    assert_string_equal(states_subscription(STATE_FROM | STATE_ASK | STATE_LISTED), "from");
    assert_string_equal(states_subscription(STATE_BOTH), "both");
    assert_string_equal(states_subscription(STATE_PENDING), "none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_appendix_a),
        cmocka_unit_test(presence_is_shown_and_hidden),
        cmocka_unit_test(approval_in_advance),
        cmocka_unit_test(a_mere_request_is_not_in_the_roster),
        cmocka_unit_test(types_and_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
