/* Logging in: right, wrong, unknown, too often, too late, and everything malformed. */
#include "scram_client.h"

#define PLAIN(rig, secure, literal) plain(rig, secure, literal, sizeof(literal) - 1)

static int setup(void **state)
{
    rig_setup(state);
    assert_string_equal(
        rig_add(*state, "juliet@example.org", "wherefore art", WIRE_ACCOUNT_BY_OPERATOR), "");
    return 0;
}

static void plain(struct rig *rig, bool is_secure, const char *message, size_t len)
{
    struct wire_msg msg = {.id = WIRE_ID_sasl_start};
    msg.u.sasl_start = (struct wire_sasl_start){
        .domain = SPAN("example.org"),
        .mechanism = SPAN("PLAIN"),
        .address = SPAN("192.0.2.7"),
        .flags = is_secure ? WIRE_SASL_SECURE : 0,
        .initial = span_of(message, len),
    };
    rig_call(rig, &msg);
}

static void assert_failed(const struct rig *rig, const char *condition)
{
    assert_int_equal(rig->outcome, WIRE_SASL_FAILURE);
    assert_string_equal(rig->condition, condition);
    assert_string_equal(rig->account, "");
}

static void scram_lets_the_right_password_in_with_any_hash(void **state)
{
    struct rig *rig = *state;
    const char *const mechanisms[] = {"SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"};
    for (size_t i = 0; i < 3; i++) {
        scram_login(rig, mechanisms[i], "juliet", "wherefore art");
        assert_int_equal(rig->outcome, WIRE_SASL_SUCCESS);
        assert_string_equal(rig->account, "juliet@example.org");
        assert_true(span_has_prefix(buf_span(&rig->data), SPAN("v=")));
    }
}

/* Logs in with -PLUS; the client thinks its channel's data is `data`. */
static void bound_login(struct rig *rig, const char *type, struct span data)
{
    char first[100];
    struct buf header = {0};
    struct buf final = {0};
    (void)snprintf(first, sizeof(first), "p=%s,,n=juliet,r=abc", type);
    scram_start_bound(rig, "SCRAM-SHA-1-PLUS", first);
    if (rig->outcome != WIRE_SASL_CHALLENGE) {
        return;
    }
    buf_printf(&header, "p=%s,,", type);
    buf_append_span(&header, data);
    buf_append_cstr(&final, "c=");
    base64_encode(buf_span(&header), &final);
    scram_prove(CRYPT_SHA1, "n=juliet,r=abc", "wherefore art", buf_span(&rig->data), &final);
    scram_step(rig, buf_span(&final));
    buf_deinit(&header);
    buf_deinit(&final);
}

static void a_client_bound_to_this_channel_comes_in(void **state)
{
    struct rig *rig = *state;
    bound_login(rig, "tls-exporter", SPAN(SCRAM_EXPORTER));
    assert_int_equal(rig->outcome, WIRE_SASL_SUCCESS);
    assert_string_equal(rig->account, "juliet@example.org");
    bound_login(rig, "tls-server-end-point", SPAN(SCRAM_END_POINT));
    assert_int_equal(rig->outcome, WIRE_SASL_SUCCESS);
    bound_login(rig, "tls-unique", SPAN(SCRAM_UNIQUE)); /* not advertised */
    assert_int_equal(rig->outcome, WIRE_SASL_SUCCESS);
}

static void a_client_bound_to_another_channel_is_refused(void **state)
{
    struct rig *rig = *state;
    bound_login(rig, "tls-exporter", SPAN("what the client shares with somebody else"));
    assert_failed(rig, "not-authorized");
    assert_non_null(strstr(rig->text, "between"));
    bound_login(rig, "tls-exporter", SPAN(SCRAM_END_POINT));
    assert_failed(rig, "not-authorized");
    bound_login(rig, "tls-exporter", (struct span){0});
    assert_failed(rig, "not-authorized");
    bound_login(rig, "tls-unique", SPAN(SCRAM_EXPORTER));
    assert_failed(rig, "not-authorized");
    bound_login(rig, "tls-future", SPAN(SCRAM_EXPORTER));
    assert_failed(rig, "malformed-request");
}

static void a_list_of_mechanisms_without_plus_is_found_out(void **state)
{
    struct rig *rig = *state;
    scram_start_bound(rig, "SCRAM-SHA-1", "y,,n=juliet,r=abc");
    assert_failed(rig, "not-authorized");
    assert_non_null(strstr(rig->text, "tampered"));
    scram_start_bound(rig, "SCRAM-SHA-1", "n,,n=juliet,r=abc"); /* cannot bind at all */
    assert_int_equal(rig->outcome, WIRE_SASL_CHALLENGE);
    scram_start(rig, "SCRAM-SHA-1", "y,,n=juliet,r=abc", 17); /* nothing was offered: right */
    assert_int_equal(rig->outcome, WIRE_SASL_CHALLENGE);
    scram_start_bound(rig, "SCRAM-SHA-1", ""); /* the first message in the second step */
    scram_step(rig, SPAN("y,,n=juliet,r=abc"));
    assert_failed(rig, "not-authorized");
}

/* The lists of the example in XEP-0474, and their hash as printed there. */
static void the_challenge_vouches_for_what_was_offered(void **state)
{
    struct rig *rig = *state;
    scram_start_bound(rig, "SCRAM-SHA-1", "n,,n=juliet,r=abc");
    assert_non_null(strstr(buf_cstr(&rig->data), ",h=G6k/rBLDqgOhRRaCuuatSDFkJ08="));
    scram_start(rig, "SCRAM-SHA-1", "n,,n=juliet,r=abc", 17);
    assert_null(strstr(buf_cstr(&rig->data), ",h="));
}

static void on_set(void *arg, enum account_status status)
{
    assert_int_equal(status, ACCOUNT_OK);
    ((struct rig *)arg)->answers++;
}

static void an_account_from_before_a_hash_gains_it_by_plain(void **state)
{
    struct rig *rig = *state;
    struct account_verifiers verifiers;
    int now = rig->answers;
    account_verifiers_make(SPAN("wherefore art"), 4096, &verifiers);
    assert_int_equal(verifiers.hashes[0], CRYPT_SHA512);
    verifiers.hashes[0] = verifiers.hashes[2];
    verifiers.verifiers[0] = verifiers.verifiers[2];
    verifiers.count = 2;
    account_store_set(rig->session->accounts, SPAN("juliet@example.org"), &verifiers, on_set, rig);
    rig_until(rig, &rig->answers, now + 1);
    scram_login(rig, "SCRAM-SHA-512", "juliet", "wherefore art");
    assert_failed(rig, "not-authorized");
    scram_login(rig, "SCRAM-SHA-256", "juliet", "wherefore art");
    assert_int_equal(rig->outcome, WIRE_SASL_SUCCESS);
    PLAIN(rig, true, "\0juliet\0wherefore art");
    assert_int_equal(rig->outcome, WIRE_SASL_SUCCESS);
    for (int i = 0; i < 200 && session_pending(rig->session) > 0; i++) {
        rig_wait_ms(rig, 20);
    }
    scram_login(rig, "SCRAM-SHA-512", "juliet", "wherefore art");
    assert_int_equal(rig->outcome, WIRE_SASL_SUCCESS);
}

static void names_are_compared_as_the_profile_says(void **state)
{
    struct rig *rig = *state;
    scram_login(rig, "SCRAM-SHA-1", "JULIET", "wherefore art");
    assert_int_equal(rig->outcome, WIRE_SASL_SUCCESS);
    assert_string_equal(rig->account, "juliet@example.org");
}

static void a_wrong_password_and_an_unknown_user_get_the_same_answer(void **state)
{
    struct rig *rig = *state;
    static const char *const users[] = {"juliet", "nobody", "no=2Cbody", "a@b", "=3D", "\xff"};
    char text[256] = "";
    for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
        scram_login(rig, "SCRAM-SHA-256", users[i], "wrong");
        assert_failed(rig, "not-authorized");
        assert_true(i == 0 || strcmp(text, rig->text) == 0);
        (void)snprintf(text, sizeof(text), "%s", rig->text);
    }
}

static void an_unknown_user_gets_the_same_salt_every_time(void **state)
{
    struct rig *rig = *state;
    char salts[3][100];
    static const char *const firsts[] = {"n,,n=nobody,r=abc", "n,,n=nobody,r=abc",
                                         "n,,n=someone,r=abc"};
    for (int i = 0; i < 3; i++) {
        unsigned iterations;
        char text[500];
        scram_start(rig, "SCRAM-SHA-1", firsts[i], strlen(firsts[i]));
        assert_int_equal(rig->outcome, WIRE_SASL_CHALLENGE);
        (void)snprintf(text, sizeof(text), "%.*s", SPAN_ARG(buf_span(&rig->data)));
        assert_int_equal(sscanf(text, "r=%*[^,],s=%99[^,],i=%u", salts[i], &iterations), 2);
        assert_int_equal(iterations, 4096);
        assert_int_equal(strlen(salts[i]), 24);
    }
    assert_string_equal(salts[0], salts[1]);
    assert_string_not_equal(salts[0], salts[2]);
}

static void another_instance_can_take_the_next_step(void **state)
{
    struct rig *rig = *state;
    struct session *first = rig->session;
    struct session *second = rig_session_new(rig);
    struct buf final = {0};
    rig->session = second;
    rig_wait_ready(rig);
    rig->session = first;
    scram_start(rig, "SCRAM-SHA-1", "n,,n=juliet,r=xyz", 17);
    scram_prove(CRYPT_SHA1, "n=juliet,r=xyz", "wherefore art", buf_span(&rig->data), &final);
    rig->session = second;
    scram_step(rig, buf_span(&final));
    assert_int_equal(rig->outcome, WIRE_SASL_SUCCESS);
    session_free(first);
    buf_deinit(&final);
}

static void a_state_is_good_for_its_time_and_only_as_it_was_sealed(void **state)
{
    struct rig *rig = *state;
    struct buf final = {0};
    scram_start(rig, "SCRAM-SHA-1", "n,,n=juliet,r=xyz", 17);
    scram_prove(CRYPT_SHA1, "n=juliet,r=xyz", "wherefore art", buf_span(&rig->data), &final);
    rig->state.data[20] ^= 1;
    scram_step(rig, buf_span(&final));
    assert_failed(rig, "temporary-auth-failure");
    rig->state.data[20] ^= 1;
    rig_option(rig, "JACKDAW_SESSION_SASL_TIMEOUT", "1s");
    rig_wait_ms(rig, 1100);
    scram_step(rig, buf_span(&final));
    assert_failed(rig, "temporary-auth-failure");
    assert_non_null(strstr(rig->text, "too long"));
    buf_deinit(&final);
}

static void the_first_message_may_come_in_the_second_step(void **state)
{
    struct rig *rig = *state;
    struct buf final = {0};
    scram_start(rig, "SCRAM-SHA-1", NULL, 0);
    assert_int_equal(rig->outcome, WIRE_SASL_CHALLENGE);
    assert_int_equal(rig->data.len, 0);
    scram_step(rig, SPAN("n,,n=juliet,r=xyz"));
    assert_int_equal(rig->outcome, WIRE_SASL_CHALLENGE);
    scram_prove(CRYPT_SHA1, "n=juliet,r=xyz", "wherefore art", buf_span(&rig->data), &final);
    scram_step(rig, buf_span(&final));
    assert_int_equal(rig->outcome, WIRE_SASL_SUCCESS);
    scram_start(rig, "SCRAM-SHA-1", NULL, 0);
    scram_step(rig, (struct span){0});
    assert_failed(rig, "malformed-request");
    buf_deinit(&final);
}

static void acting_as_somebody_else_is_refused(void **state)
{
    struct rig *rig = *state;
    static const char *const others[] = {
        "n,a=romeo@example.org,n=juliet,r=abc", "n,a=juliet@example.net,n=juliet,r=abc",
        "n,a=juliet,n=juliet,r=abc", "n,a=juliet@example.org/x,n=juliet,r=abc"};
    for (size_t i = 0; i < 4; i++) {
        scram_start(rig, "SCRAM-SHA-1", others[i], strlen(others[i]));
        assert_failed(rig, "invalid-authzid");
    }
    const char own[] = "n,a=Juliet@Example.org,n=juliet,r=abc";
    scram_start(rig, "SCRAM-SHA-1", own, strlen(own));
    assert_int_equal(rig->outcome, WIRE_SASL_CHALLENGE);
}

static void what_is_no_mechanism_or_message_is_refused(void **state)
{
    struct rig *rig = *state;
    scram_start(rig, "SCRAM-SHA-1-PLUS", "p=tls-unique,,n=juliet,r=abc", 28);
    assert_failed(rig, "encryption-required");
    scram_start(rig, "SCRAM-MD5", "n,,n=juliet,r=abc", 17);
    assert_failed(rig, "invalid-mechanism");
    scram_start(rig, "", "x", 1);
    assert_failed(rig, "invalid-mechanism");
    scram_start(rig, "SCRAM-SHA-1", "p=tls-unique,,n=juliet,r=abc", 28);
    assert_failed(rig, "malformed-request");
    scram_start(rig, "SCRAM-SHA-1", "nonsense", 8);
    assert_failed(rig, "malformed-request");
    scram_start(rig, "SCRAM-SHA-1", "n,,n=juliet,r=abc", 17);
    scram_step(rig, SPAN("nonsense"));
    assert_failed(rig, "malformed-request");
}

static void plain_needs_an_encrypted_stream_and_the_right_password(void **state)
{
    struct rig *rig = *state;
    PLAIN(rig, false, "\0juliet\0wherefore art");
    assert_failed(rig, "encryption-required");
    PLAIN(rig, true, "\0juliet\0wherefore art");
    assert_int_equal(rig->outcome, WIRE_SASL_SUCCESS);
    assert_string_equal(rig->account, "juliet@example.org");
    PLAIN(rig, true, "juliet@example.org\0juliet\0wherefore art");
    assert_int_equal(rig->outcome, WIRE_SASL_SUCCESS);
    PLAIN(rig, true, "romeo@example.org\0juliet\0wherefore art");
    assert_failed(rig, "invalid-authzid");
    PLAIN(rig, true, "\0juliet\0wrong");
    assert_failed(rig, "not-authorized");
    PLAIN(rig, true, "\0nobody\0wherefore art");
    assert_failed(rig, "not-authorized");
    PLAIN(rig, true, "\0\xff\0\xff");
    assert_failed(rig, "not-authorized");
}

static void malformed_plain_messages_are_refused(void **state)
{
    struct rig *rig = *state;
    PLAIN(rig, true, "juliet");
    assert_failed(rig, "malformed-request");
    PLAIN(rig, true, "\0juliet");
    assert_failed(rig, "malformed-request");
    PLAIN(rig, true, "\0juliet\0");
    assert_failed(rig, "malformed-request");
    PLAIN(rig, true, "\0\0password");
    assert_failed(rig, "malformed-request");
    PLAIN(rig, true, "\0juliet\0pass\0word");
    assert_failed(rig, "malformed-request");
}

static void passwords_are_prepared_before_they_are_compared(void **state)
{
    struct rig *rig = *state;
    /* SASLprep (RFC 4013): a soft hyphen maps to nothing, U+2168 (roman nine) to "IX" */
    assert_string_equal(rig_add(rig, "prep@example.org", "I\xc2\xadX", WIRE_ACCOUNT_BY_OPERATOR),
                        "");
    scram_login(rig, "SCRAM-SHA-1", "prep", "IX");
    assert_int_equal(rig->outcome, WIRE_SASL_SUCCESS);
    PLAIN(rig, true, "\0prep\0\xe2\x85\xa8");
    assert_int_equal(rig->outcome, WIRE_SASL_SUCCESS);
}

static void an_address_that_fails_too_often_must_wait_even_with_the_right_password(void **state)
{
    struct rig *rig = *state;
    rig_option(rig, "JACKDAW_SESSION_MAX_FAILURES", "3");
    for (int i = 0; i < 3; i++) {
        scram_login(rig, "SCRAM-SHA-1", "juliet", "wrong");
        assert_failed(rig, "not-authorized");
    }
    scram_login(rig, "SCRAM-SHA-1", "juliet", "wherefore art");
    assert_failed(rig, "temporary-auth-failure");
    assert_non_null(strstr(rig->text, "Too many failed logins"));
    PLAIN(rig, true, "\0juliet\0wherefore art");
    assert_failed(rig, "temporary-auth-failure");
    rig_option(rig, "JACKDAW_SESSION_MAX_FAILURES", "0");
    scram_login(rig, "SCRAM-SHA-1", "juliet", "wherefore art");
    assert_int_equal(rig->outcome, WIRE_SASL_SUCCESS);
}

static void without_redis_a_login_gets_a_temporary_error(void **state)
{
    struct rig *rig = *state;
    private_redis_kill(&rig->server);
    scram_login(rig, "SCRAM-SHA-1", "juliet", "wherefore art");
    assert_failed(rig, "temporary-auth-failure");
    assert_non_null(strstr(rig->text, "Try again"));
    private_redis_spawn(&rig->server);
    rig_wait_ready(rig);
    scram_login(rig, "SCRAM-SHA-1", "juliet", "wherefore art");
    assert_int_equal(rig->outcome, WIRE_SASL_SUCCESS);
}

static void another_domain_has_other_accounts(void **state)
{
    struct rig *rig = *state;
    struct wire_msg msg = {.id = WIRE_ID_sasl_start};
    msg.u.sasl_start = (struct wire_sasl_start){.domain = SPAN("elsewhere.example"),
                                                .mechanism = SPAN("SCRAM-SHA-1"),
                                                .initial = SPAN("n,,n=juliet,r=abc")};
    rig_call(rig, &msg);
    assert_failed(rig, "not-authorized");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(scram_lets_the_right_password_in_with_any_hash),
        TEST(a_client_bound_to_this_channel_comes_in),
        TEST(a_client_bound_to_another_channel_is_refused),
        TEST(a_list_of_mechanisms_without_plus_is_found_out),
        TEST(the_challenge_vouches_for_what_was_offered),
        TEST(an_account_from_before_a_hash_gains_it_by_plain),
        TEST(names_are_compared_as_the_profile_says),
        TEST(a_wrong_password_and_an_unknown_user_get_the_same_answer),
        TEST(an_unknown_user_gets_the_same_salt_every_time),
        TEST(another_instance_can_take_the_next_step),
        TEST(a_state_is_good_for_its_time_and_only_as_it_was_sealed),
        TEST(the_first_message_may_come_in_the_second_step),
        TEST(acting_as_somebody_else_is_refused),
        TEST(what_is_no_mechanism_or_message_is_refused),
        TEST(plain_needs_an_encrypted_stream_and_the_right_password),
        TEST(malformed_plain_messages_are_refused),
        TEST(passwords_are_prepared_before_they_are_compared),
        TEST(an_address_that_fails_too_often_must_wait_even_with_the_right_password),
        TEST(without_redis_a_login_gets_a_temporary_error),
        TEST(another_domain_has_other_accounts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
