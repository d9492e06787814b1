/* EXTERNAL: none, one or several JIDs in the certificate, with and without an authorization identity
 * (XEP-0178 section 2). */
#include "rig.h"

static int setup(void **state)
{
    static const char *const accounts[] = {"juliet@example.org", "nurse@example.org",
                                           "juliet@example.net"};
    rig_setup(state);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(rig_add(*state, accounts[i], "wherefore", WIRE_ACCOUNT_BY_OPERATOR),
                            "");
    }
    return 0;
}

/* `jids`: of the certificate, separated by blanks; NULL: there is none. */
static void external(struct rig *rig, const char *jids, const char *authzid)
{
    struct span items[8];
    struct wire_msg msg = {.id = WIRE_ID_sasl_start};
    struct wire_strs certificate = {items, 0};
    for (struct span rest = span_cstr(jids); rest.len > 0;) {
        size_t end = span_find(rest, ' ');
        items[certificate.count++] = span_head(rest, end);
        rest = span_from(rest, end + 1);
    }
    msg.u.sasl_start = (struct wire_sasl_start){
        .domain = SPAN("example.org"),
        .mechanism = SPAN("EXTERNAL"),
        .address = SPAN("192.0.2.7"),
        .flags = WIRE_SASL_SECURE | (jids ? WIRE_SASL_CERTIFICATE : 0),
        .initial = span_cstr(authzid),
        .certificate = certificate,
    };
    rig_call(rig, &msg);
}

#define assert_in(rig, jid)                                                                        \
    do {                                                                                           \
        assert_int_equal((rig)->outcome, WIRE_SASL_SUCCESS);                                       \
        assert_string_equal((rig)->account, jid);                                                  \
    } while (0)

#define assert_out(rig, said)                                                                      \
    do {                                                                                           \
        assert_int_equal((rig)->outcome, WIRE_SASL_FAILURE);                                       \
        assert_string_equal((rig)->condition, said);                                               \
        assert_string_equal((rig)->account, "");                                                   \
    } while (0)

static void one_account_needs_no_word(void **state)
{
    struct rig *rig = *state;
    external(rig, "juliet@example.org", "");
    assert_in(rig, "juliet@example.org");
    external(rig, "juliet@example.org", "juliet@example.org");
    assert_in(rig, "juliet@example.org");
    external(rig, "juliet@example.org", "Juliet@EXAMPLE.org");
    assert_in(rig, "juliet@example.org");
    external(rig, "juliet@elsewhere.example ghost@example.org juliet@example.org", "");
    assert_in(rig, "juliet@example.org");
    external(rig, "juliet@example.org juliet@example.org", "");
    assert_in(rig, "juliet@example.org");
}

static void of_several_accounts_one_must_be_named(void **state)
{
    struct rig *rig = *state;
    external(rig, "juliet@example.org nurse@example.org", "");
    assert_out(rig, "invalid-authzid");
    external(rig, "juliet@example.org nurse@example.org", "nurse@example.org");
    assert_in(rig, "nurse@example.org");
    external(rig, "juliet@example.org juliet@example.net", ""); /* virtual hosting */
    assert_out(rig, "invalid-authzid");
    external(rig, "juliet@example.net juliet@example.org", "juliet@example.org");
    assert_in(rig, "juliet@example.org");
}

static void a_certificate_without_an_account_lets_nobody_in(void **state)
{
    struct rig *rig = *state;
    external(rig, "", "");
    assert_out(rig, "not-authorized");
    external(rig, "ghost@example.org", "");
    assert_out(rig, "not-authorized");
    external(rig, "ghost@example.org", "ghost@example.org");
    assert_out(rig, "not-authorized");
    external(rig, "juliet@example.net", ""); /* not the stream's domain */
    assert_out(rig, "not-authorized");
}

static void nobody_acts_for_who_is_not_in_the_certificate(void **state)
{
    struct rig *rig = *state;
    external(rig, "juliet@example.org", "nurse@example.org");
    assert_out(rig, "invalid-authzid");
    external(rig, "", "nurse@example.org");
    assert_out(rig, "invalid-authzid");
    external(rig, "juliet@example.net", "juliet@example.net"); /* by a stream to example.org */
    assert_out(rig, "invalid-authzid");
    external(rig, "juliet@example.org", "@@");
    assert_out(rig, "invalid-authzid");
    external(rig, "juliet@example.org", "juliet@example.org/balcony");
    assert_out(rig, "invalid-authzid");
}

static void there_must_be_a_certificate(void **state)
{
    struct rig *rig = *state;
    external(rig, NULL, "juliet@example.org");
    assert_out(rig, "invalid-mechanism");
}

static void who_fails_too_often_must_wait(void **state)
{
    struct rig *rig = *state;
    rig_option(rig, "JACKDAW_SESSION_MAX_FAILURES", "2");
    external(rig, "ghost@example.org", "");
    external(rig, "juliet@example.org", "nurse@example.org");
    assert_out(rig, "invalid-authzid");
    external(rig, "juliet@example.org", "");
    assert_out(rig, "temporary-auth-failure");
    assert_non_null(strstr(rig->text, "Too many failed logins"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(one_account_needs_no_word),
        TEST(of_several_accounts_one_must_be_named),
        TEST(a_certificate_without_an_account_lets_nobody_in),
        TEST(nobody_acts_for_who_is_not_in_the_certificate),
        TEST(there_must_be_a_certificate),
        TEST(who_fails_too_often_must_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
