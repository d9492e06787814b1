/* Accounts: added, listed, changed, removed; by the operator and by anybody. */
#include "scram_client.h"

static const char *change(struct rig *rig, const char *account, const char *password)
{
    struct wire_msg msg = {.id = WIRE_ID_account_password};
    msg.u.account_password.account = span_cstr(account);
    msg.u.account_password.password = span_cstr(password);
    rig_call(rig, &msg);
    return rig->condition;
}

static const char *remove_account(struct rig *rig, const char *account)
{
    struct wire_msg msg = {.id = WIRE_ID_account_remove};
    msg.u.account_remove.account = span_cstr(account);
    rig_call(rig, &msg);
    return rig->condition;
}

static const char *list(struct rig *rig, const char *domain, const char *after, uint32_t max)
{
    struct wire_msg msg = {.id = WIRE_ID_account_list};
    msg.u.account_list = (struct wire_account_list){span_cstr(domain), span_cstr(after), max};
    rig_call(rig, &msg);
    return rig->list;
}

static void the_operator_adds_accounts_once(void **state)
{
    struct rig *rig = *state;
    assert_string_equal(rig_exists(rig, "romeo@example.org"), "item-not-found");
    assert_string_equal(rig_add(rig, "Romeo@Example.ORG", "pw", WIRE_ACCOUNT_BY_OPERATOR), "");
    assert_string_equal(rig_exists(rig, "romeo@example.org"), "");
    assert_string_equal(rig_add(rig, "romeo@example.org", "pw2", WIRE_ACCOUNT_BY_OPERATOR),
                        "conflict");
    scram_login(rig, "SCRAM-SHA-1", "romeo", "pw");
    assert_int_equal(rig->outcome, WIRE_SASL_SUCCESS);
}

static void names_and_passwords_that_cannot_be_are_refused(void **state)
{
    struct rig *rig = *state;
    static const struct {
        const char *account;
        const char *password;
        const char *condition;
    } cases[] = {
        {"romeo", "pw", "jid-malformed"},
        {"", "pw", "jid-malformed"},
        {"@example.org", "pw", "jid-malformed"},
        {"ro meo@example.org", "pw", "jid-malformed"},
        {"romeo@example.org/balcony", "pw", "jid-malformed"},
        {"romeo@elsewhere.example", "pw", "item-not-found"},
        {"romeo@example.org", "", "not-acceptable"},
        {"romeo@example.org", "a\x07", "not-acceptable"},
        {"romeo@example.org", "\xff\xfe", "not-acceptable"},
        {"romeo@example.org", "\xc2\xad", "not-acceptable"}, /* prepared, it is empty */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_string_equal(
            rig_add(rig, cases[i].account, cases[i].password, WIRE_ACCOUNT_BY_OPERATOR),
            cases[i].condition);
    }
    assert_string_equal(rig_exists(rig, "romeo@example.org"), "item-not-found");
    assert_string_equal(rig_exists(rig, "romeo@elsewhere.example"), "item-not-found");
}

static void registration_is_off_until_it_is_turned_on_and_limited_per_address(void **state)
{
    struct rig *rig = *state;
    assert_string_equal(rig_add(rig, "a@example.org", "pw", 0), "not-allowed");
    rig_option(rig, "JACKDAW_SESSION_REGISTRATION", "yes");
    rig_option(rig, "JACKDAW_SESSION_MAX_REGISTRATIONS", "3");
    assert_string_equal(rig_add(rig, "a@example.org", "pw", 0), "");
    assert_string_equal(rig_add(rig, "a@example.org", "pw", 0), "conflict");
    assert_string_equal(rig_add(rig, "b@example.org", "pw", 0), "");
    assert_string_equal(rig_add(rig, "c@example.org", "pw", 0), "resource-constraint");
    assert_non_null(strstr(rig->text, "Too many registrations"));
    assert_string_equal(rig_add(rig, "c@example.org", "pw", WIRE_ACCOUNT_BY_OPERATOR), "");
}

static void registration_can_be_on_for_one_domain_alone(void **state)
{
    struct rig *rig = *state;
    rig_option(rig, "JACKDAW_SESSION_REGISTRATION__EXAMPLE_NET", "yes");
    assert_string_equal(rig_add(rig, "a@example.org", "pw", 0), "not-allowed");
    assert_string_equal(rig_add(rig, "a@example.net", "pw", 0), "");
    assert_string_equal(rig_exists(rig, "a@example.org"), "item-not-found");
    rig_option(rig, "JACKDAW_SESSION_REGISTRATION__EXAMPLE_ORG", "yes");
    rig_option(rig, "JACKDAW_SESSION_REGISTRATION__EXAMPLE_NET", "no");
    assert_string_equal(rig_add(rig, "b@example.org", "pw", 0), "");
    assert_string_equal(rig_add(rig, "b@example.net", "pw", 0), "not-allowed");
}

static void a_changed_password_replaces_the_old_one(void **state)
{
    struct rig *rig = *state;
    assert_string_equal(rig_add(rig, "a@example.org", "old", WIRE_ACCOUNT_BY_OPERATOR), "");
    assert_string_equal(change(rig, "a@example.org", "new"), "");
    scram_login(rig, "SCRAM-SHA-256", "a", "old");
    assert_int_equal(rig->outcome, WIRE_SASL_FAILURE);
    scram_login(rig, "SCRAM-SHA-256", "a", "new");
    assert_int_equal(rig->outcome, WIRE_SASL_SUCCESS);
    assert_string_equal(change(rig, "a@example.org", ""), "not-acceptable");
    assert_string_equal(change(rig, "b@example.org", "new"), "item-not-found");
    assert_string_equal(rig_exists(rig, "b@example.org"), "item-not-found");
}

static void lists_are_sorted_cut_and_by_domain(void **state)
{
    struct rig *rig = *state;
    static const char *const accounts[] = {"c@example.org", "a@example.org", "b@example.net",
                                           "d@example.org"};
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(rig_add(rig, accounts[i], "pw", WIRE_ACCOUNT_BY_OPERATOR), "");
    }
    assert_string_equal(list(rig, "", "", 0),
                        "a@example.org\nb@example.net\nc@example.org\nd@example.org\n");
    assert_false(rig->more);
    assert_string_equal(list(rig, "example.org", "", 2), "a@example.org\nc@example.org\n");
    assert_true(rig->more);
    assert_string_equal(list(rig, "example.org", "c@example.org", 2), "d@example.org\n");
    assert_false(rig->more);
}

static void removing_an_account_ends_its_sessions_and_tells_everybody(void **state)
{
    struct rig *rig = *state;
    char want[300];
    assert_string_equal(rig_add(rig, "a@example.org", "pw", WIRE_ACCOUNT_BY_OPERATOR), "");
    assert_string_equal(rig_bind(rig, "a@example.org", "desk", "edge-1"), "");
    uint64_t sid = rig->sid;
    rig->sent[0] = '\0';
    assert_string_equal(remove_account(rig, "a@example.org"), "");
    rig_until(rig, &rig->notices, 2);
    (void)snprintf(want, sizeof(want),
                   "end sid=%llx holder=edge-1 not-authorized\naccount_removed a@example.org\n",
                   (unsigned long long)sid);
    assert_string_equal(rig->sent, want);
    assert_string_equal(rig_exists(rig, "a@example.org"), "item-not-found");
    assert_string_equal(rig_bind(rig, "a@example.org", "late", "edge-1"), "not-authorized");
    assert_string_equal(remove_account(rig, "a@example.org"), "item-not-found");
    assert_string_equal(rig_add(rig, "a@example.org", "pw", WIRE_ACCOUNT_BY_OPERATOR), "");
    assert_string_equal(rig_bind(rig, "a@example.org", "new", "edge-1"), "");
}

static void passwords_beyond_what_may_wait_are_refused_for_now(void **state)
{
    struct rig *rig = *state;
    struct wire_msg msg = {.id = WIRE_ID_account_add};
    enum { MANY = 1200 };
    char name[40];
    rig_option(rig, "JACKDAW_SESSION_ITERATIONS", "20000");
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(name, sizeof(name), "u%d@example.org", i);
        msg.u.account_add.account = span_cstr(name);
        msg.u.account_add.password = SPAN("pw");
        msg.u.account_add.flags = WIRE_ACCOUNT_BY_OPERATOR;
        session_call(rig->session, &msg, rig_on_reply, rig);
    }
    assert_string_equal(rig->condition, "resource-constraint");
    assert_true(rig->answers > 100);
    /* those that wait are dropped with the daemon: nothing leaks */
}

static void a_name_is_cleared_before_it_is_given_to_somebody(void **state)
{
    struct rig *rig = *state;
    rig->settles = false;
    rig->sent[0] = '\0';
    assert_string_equal(rig_add(rig, "a@example.org", "pw", WIRE_ACCOUNT_BY_OPERATOR),
                        "resource-constraint"); /* the services do not answer */
    assert_string_equal(rig->sent, "clear a@example.org\n");
    assert_string_equal(rig_exists(rig, "a@example.org"), "item-not-found");
    rig->settles = true;
    assert_string_equal(rig_add(rig, "a@example.org", "pw", WIRE_ACCOUNT_BY_OPERATOR), "");
    rig->sent[0] = '\0';
    assert_string_equal(rig_add(rig, "a@example.org", "pw", WIRE_ACCOUNT_BY_OPERATOR), "conflict");
    assert_string_equal(rig->sent, ""); /* what somebody has is not cleared */
    rig->is_router_full = true;
    assert_string_equal(rig_add(rig, "b@example.org", "pw", WIRE_ACCOUNT_BY_OPERATOR),
                        "resource-constraint");
}

static void an_unknown_call_is_answered(void **state)
{
    struct rig *rig = *state;
    struct wire_msg msg = {.id = WIRE_ID_result};
    rig_call(rig, &msg);
    assert_string_equal(rig->condition, "feature-not-implemented");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_operator_adds_accounts_once),
        TEST(names_and_passwords_that_cannot_be_are_refused),
        TEST(registration_is_off_until_it_is_turned_on_and_limited_per_address),
        TEST(registration_can_be_on_for_one_domain_alone),
        TEST(a_changed_password_replaces_the_old_one),
        TEST(lists_are_sorted_cut_and_by_domain),
        TEST(removing_an_account_ends_its_sessions_and_tells_everybody),
        TEST(passwords_beyond_what_may_wait_are_refused_for_now),
        TEST(a_name_is_cleared_before_it_is_given_to_somebody),
        TEST(an_unknown_call_is_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
