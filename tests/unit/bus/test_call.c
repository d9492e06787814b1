/* Calls: answered once, in time or not, moved only where that does no harm. */
#include "rig.h"

static struct rig_node edge;
static struct rig_node session;

struct result {
    unsigned count;
    enum bus_outcome outcome;
    char text[64];
    char condition[64];
};

static void on_reply(void *arg, enum bus_outcome outcome, const struct wire_msg *reply)
{
    struct result *result = arg;

    result->count++;
    result->outcome = outcome;
    assert_true((reply != NULL) == (outcome == BUS_SETTLED));
    if (reply) {
        snprintf(result->text, sizeof result->text, "%.*s", SPAN_ARG(reply->u.result.text));
        snprintf(result->condition, sizeof result->condition, "%.*s",
                 SPAN_ARG(reply->u.result.condition));
    }
}

static struct wire_msg sasl_step(void)
{
    struct wire_msg msg = {.id = WIRE_ID_sasl_step};

    msg.u.sasl_step.response = SPAN("response");
    return msg;
}

static struct wire_msg exists(void)
{
    struct wire_msg msg = {.id = WIRE_ID_account_exists};

    msg.u.account_exists.account = SPAN("a@b");
    return msg;
}

static void open_pair(void)
{
    memset(&edge, 0, sizeof edge);
    memset(&session, 0, sizeof session);
    rig_listen(&session, "session", "session-0", rig_address("s0"));
    rig_dial(&edge, "edge", "edge-1", rig_address("s0"));
    RIG_UNTIL(edge.ups == 1 && session.ups == 1);
}

static void close_pair(void)
{
    rig_close(&edge);
    rig_close(&session);
}

static void a_call_is_answered_once(void **state)
{
    struct wire_msg msg = sasl_step();
    struct result results[500] = {0};

    (void)state;
    open_pair();
    for (unsigned i = 0; i < 500; i++) {
        assert_true(bus_call(edge.bus, "session", i, &msg, 5000, on_reply, &results[i]) != 0);
        assert_int_equal(results[i].count, 0);
        if (i % 100 == 50)
            rig_break(&edge, "session-0");
        if (i % 10 == 0)
            loop_run_once(rig_loop, 0);
    }
    for (unsigned i = 0; i < 500; i++) {
        RIG_UNTIL(results[i].count == 1);
        assert_int_equal(results[i].outcome, BUS_SETTLED);
        assert_string_equal(results[i].text, "session-0");
    }
    rig_run_ms(50);
    assert_int_equal(session.calls, 500);
    close_pair();
}

static void a_listener_can_call_its_dialler(void **state)
{
    struct wire_msg msg = exists();
    struct result result = {0};

    (void)state;
    open_pair();
    bus_call(session.bus, "edge", 1, &msg, 1000, on_reply, &result);
    RIG_UNTIL(result.count == 1);
    assert_string_equal(result.text, "edge-1");
    close_pair();
}

static void a_call_waits_for_an_instance_until_its_deadline(void **state)
{
    struct wire_msg msg = sasl_step();
    struct result early = {0};
    struct result late = {0};

    (void)state;
    memset(&edge, 0, sizeof edge);
    memset(&session, 0, sizeof session);
    rig_dial(&edge, "edge", "edge-1", rig_address("s0"));
    bus_call(edge.bus, "session", 1, &msg, 50, on_reply, &early);
    bus_call(edge.bus, "session", 1, &msg, 5000, on_reply, &late);
    RIG_UNTIL(early.count == 1);
    assert_int_equal(early.outcome, BUS_NO_PEER);
    rig_listen(&session, "session", "session-0", rig_address("s0"));
    RIG_UNTIL(late.count == 1);
    assert_int_equal(late.outcome, BUS_SETTLED);
    assert_int_equal(session.calls, 1);
    close_pair();
}

static void an_answer_after_the_deadline_is_dropped(void **state)
{
    struct wire_msg msg = sasl_step();
    struct result result = {0};

    (void)state;
    open_pair();
    session.keeps_calls = true;
    bus_call(edge.bus, "session", 1, &msg, 50, on_reply, &result);
    RIG_UNTIL(result.count == 1);
    assert_int_equal(result.outcome, BUS_TIMEOUT);
    rig_answer(session.call, "late");
    rig_run_ms(50);
    assert_int_equal(result.count, 1);
    close_pair();
}

static void a_cancelled_call_says_nothing(void **state)
{
    struct wire_msg msg = sasl_step();
    struct result result = {0};
    uint64_t handle;

    (void)state;
    open_pair();
    session.keeps_calls = true;
    handle = bus_call(edge.bus, "session", 1, &msg, 50, on_reply, &result);
    RIG_UNTIL(session.call);
    bus_call_cancel(edge.bus, handle);
    bus_call_cancel(edge.bus, handle);
    bus_call_cancel(edge.bus, 12345);
    rig_answer(session.call, "unwanted");
    rig_run_ms(100);
    assert_int_equal(result.count, 0);
    close_pair();
}

static void only_idempotent_calls_move_to_another_instance(void **state)
{
    struct rig_node other = {0};
    struct wire_msg step = sasl_step();
    struct wire_msg question = exists();
    struct result lost = {0};
    struct result moved = {0};
    struct result unsent = {0};

    (void)state;
    open_pair();
    session.keeps_calls = true;
    bus_call(edge.bus, "session", 1, &step, 5000, on_reply, &lost);
    RIG_UNTIL(session.calls == 1);
    bus_call(edge.bus, "session", 1, &question, 5000, on_reply, &moved);
    RIG_UNTIL(session.calls == 2);
    rig_break(&edge, "session-0");
    RIG_UNTIL(rig_peer(&edge, "session-0")->pipe == 0);
    bus_call(edge.bus, "session", 1, &step, 5000, on_reply, &unsent); /* never leaves */
    rig_close(&session);
    RIG_UNTIL(lost.count == 1);
    assert_int_equal(lost.outcome, BUS_LOST);
    rig_listen(&other, "session", "session-1", rig_address("s0"));
    RIG_UNTIL(moved.count == 1 && unsent.count == 1);
    assert_string_equal(moved.text, "session-1");
    assert_string_equal(unsent.text, "session-1");
    assert_int_equal(other.calls, 2);
    rig_close(&edge);
    rig_close(&other);
}

static void what_is_too_large_fails_cleanly(void **state)
{
    char *bytes = mem_calloc(1, (size_t)5 << 20);
    struct wire_msg msg = sasl_step();
    struct wire_msg reply = {.id = WIRE_ID_result};
    struct result call = {0};
    struct result answer = {0};

    (void)state;
    open_pair();
    msg.u.sasl_step.response = span_of(bytes, (size_t)5 << 20);
    bus_call(edge.bus, "session", 1, &msg, 5000, on_reply, &call);
    assert_int_equal(call.count, 0);
    RIG_UNTIL(call.count == 1);
    assert_int_equal(call.outcome, BUS_LOST);
    msg = sasl_step();
    session.keeps_calls = true;
    bus_call(edge.bus, "session", 1, &msg, 5000, on_reply, &answer);
    RIG_UNTIL(session.call);
    reply.u.result.text = span_of(bytes, (size_t)5 << 20);
    bus_reply(session.call, &reply);
    RIG_UNTIL(answer.count == 1);
    assert_string_equal(answer.condition, "resource-constraint");
    mem_free(bytes);
    close_pair();
}

static void answering_after_the_end_of_the_caller_is_harmless(void **state)
{
    struct wire_msg msg = sasl_step();
    struct result result = {0};

    (void)state;
    open_pair();
    session.keeps_calls = true;
    bus_call(edge.bus, "session", 1, &msg, 5000, on_reply, &result);
    RIG_UNTIL(session.call);
    rig_close(&edge);
    RIG_UNTIL(session.downs == 1);
    rig_answer(session.call, "nobody there");
    assert_int_equal(result.count, 0);
    rig_close(&session);
}

static void a_daemon_that_takes_no_calls_says_so(void **state)
{
    struct wire_msg msg = exists();
    struct result result = {0};
    struct bus_options options = rig_options(&session, "session", "session-0");

    (void)state;
    memset(&edge, 0, sizeof edge);
    memset(&session, 0, sizeof session);
    options.listen = rig_address("s0");
    options.handlers.call = NULL;
    rig_open(&session, &options);
    rig_dial(&edge, "edge", "edge-1", rig_address("s0"));
    bus_call(edge.bus, "session", 1, &msg, 5000, on_reply, &result);
    RIG_UNTIL(result.count == 1);
    assert_string_equal(result.condition, "feature-not-implemented");
    close_pair();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_call_is_answered_once, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(a_listener_can_call_its_dialler, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(a_call_waits_for_an_instance_until_its_deadline, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(an_answer_after_the_deadline_is_dropped, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(a_cancelled_call_says_nothing, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(only_idempotent_calls_move_to_another_instance, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(what_is_too_large_fails_cleanly, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(answering_after_the_end_of_the_caller_is_harmless,
                                        rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(a_daemon_that_takes_no_calls_says_so, rig_setup,
                                        rig_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
