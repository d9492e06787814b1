/* ANONYMOUS: names that nobody else gets, and that end with their session. */
#include "rig.h"

#include "jid/jid.h"

static int setup(void **state)
{
    rig_setup(state);
    rig_option(*state, "JACKDAW_SESSION_ANONYMOUS", "yes");
    return 0;
}

static int teardown(void **state)
{
    (void)unsetenv("JACKDAW_SESSION_ANONYMOUS");
    (void)unsetenv("JACKDAW_SESSION_MAX_ANONYMOUS");
    return rig_teardown(state);
}

static void anonymous(struct rig *rig, struct span trace)
{
    struct wire_msg msg = {.id = WIRE_ID_sasl_start};
    msg.u.sasl_start = (struct wire_sasl_start){
        .domain = SPAN("example.org"),
        .mechanism = SPAN("ANONYMOUS"),
        .address = SPAN("192.0.2.7"),
        .initial = trace,
    };
    rig_call(rig, &msg);
}

static void guest_in(struct rig *rig, struct span trace, char name[100])
{
    anonymous(rig, trace);
    assert_int_equal(rig->outcome, WIRE_SASL_SUCCESS);
    assert_int_equal(rig->data.len, 0);
    assert_true(jid_is_anonymous(span_cstr(rig->account)));
    assert_true(span_is(jid_domain(span_cstr(rig->account)), "example.org"));
    rig_keep(name, 100, span_cstr(rig->account));
}

static void everybody_gets_a_name_of_their_own(void **state)
{
    struct rig *rig = *state;
    char first[100], second[100];
    guest_in(rig, (struct span){0}, first);
    guest_in(rig, SPAN("sirhc@example.com"), second);
    assert_string_not_equal(first, second);
    assert_null(strstr(second, "sirhc"));
}

static void it_is_off_unless_it_is_on(void **state)
{
    struct rig *rig = *state;
    rig_option(rig, "JACKDAW_SESSION_ANONYMOUS", "no");
    anonymous(rig, (struct span){0});
    assert_int_equal(rig->outcome, WIRE_SASL_FAILURE);
    assert_string_equal(rig->condition, "invalid-mechanism");
}

static void a_trace_has_its_length(void **state)
{
    struct rig *rig = *state;
    static char trace[1021];
    memset(trace, 'x', sizeof(trace));
    anonymous(rig, span_of(trace, sizeof(trace)));
    assert_int_equal(rig->outcome, WIRE_SASL_FAILURE);
    assert_string_equal(rig->condition, "malformed-request");
}

static void nobody_else_gets_such_a_name(void **state)
{
    struct rig *rig = *state;
    char name[100];
    guest_in(rig, (struct span){0}, name);
    assert_string_equal(rig_add(rig, name, "secret", WIRE_ACCOUNT_BY_OPERATOR), "not-acceptable");
    rig_option(rig, "JACKDAW_SESSION_REGISTRATION", "yes");
    assert_string_equal(rig_add(rig, name, "secret", 0), "not-acceptable");
    struct wire_msg msg = {.id = WIRE_ID_account_password};
    msg.u.account_password.account = span_cstr(name);
    msg.u.account_password.password = SPAN("secret");
    rig_call(rig, &msg);
    assert_string_equal(rig->condition, "item-not-found");
}

static void it_is_there_while_it_has_its_session(void **state)
{
    struct rig *rig = *state;
    char name[100], ended[200];
    guest_in(rig, (struct span){0}, name);
    assert_string_equal(rig_exists(rig, name), "item-not-found");
    assert_string_equal(rig_bind(rig, name, "x", "edge-1"), "");
    uint64_t sid = rig->sid;
    char full[300];
    rig_keep(full, sizeof(full), span_cstr(rig->account));
    assert_string_equal(rig_exists(rig, name), "");
    assert_string_equal(rig_bind(rig, name, "y", "edge-1"), "resource-constraint");
    int notices = rig->notices;
    struct wire_msg msg = {.id = WIRE_ID_unbind};
    msg.u.unbind =
        (struct wire_unbind){.jid = span_cstr(full), .sid = sid, .holder = SPAN("edge-1")};
    rig_call(rig, &msg);
    rig_until(rig, &rig->notices, notices + 2); /* session_changed, account_removed */
    (void)snprintf(ended, sizeof(ended), "account_removed %s\n", name);
    assert_non_null(strstr(rig->sent, ended));
    assert_string_equal(rig_exists(rig, name), "item-not-found");
    assert_string_equal(rig_bind(rig, name, "x", "edge-1"), "not-authorized");
}

static void one_address_gets_so_many(void **state)
{
    struct rig *rig = *state;
    char name[100];
    rig_option(rig, "JACKDAW_SESSION_MAX_ANONYMOUS", "2");
    guest_in(rig, (struct span){0}, name);
    guest_in(rig, (struct span){0}, name);
    anonymous(rig, (struct span){0});
    assert_int_equal(rig->outcome, WIRE_SASL_FAILURE);
    assert_string_equal(rig->condition, "temporary-auth-failure");
    assert_non_null(strstr(rig->text, "Too many anonymous logins"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(everybody_gets_a_name_of_their_own),
        TEST(it_is_off_unless_it_is_on),
        TEST(a_trace_has_its_length),
        TEST(nobody_else_gets_such_a_name),
        TEST(it_is_there_while_it_has_its_session),
        TEST(one_address_gets_so_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
