/* OAUTHBEARER: tokens that let in and those that do not, the dummy message between error and failure,
 * accounts that are made, keys that change. */
#include "rig.h"

#include <openssl/evp.h>
#include <openssl/pem.h>

#define GOOD "\"aud\":\"example.org\",\"exp\":4000000000"

static EVP_PKEY *key, *other;
static char keys_path[100];

static void write_keys(EVP_PKEY *written)
{
    FILE *file = fopen(keys_path, "w");
    assert_int_equal(PEM_write_PUBKEY(file, written), 1);
    fclose(file);
}

static int setup(void **state)
{
    rig_setup(state);
    struct rig *rig = *state;
    assert_string_equal(rig_add(rig, "juliet@example.org", "wherefore", WIRE_ACCOUNT_BY_OPERATOR),
                        "");
    key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    other = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    snprintf(keys_path, sizeof(keys_path), "%s/keys.pem", rig->dir);
    write_keys(key);
    rig_option(rig, "JACKDAW_SESSION_OAUTH_KEYS", keys_path);
    session_reload(rig->session, rig->conf);
    return 0;
}

static int teardown(void **state)
{
    static const char *const set[] = {"JACKDAW_SESSION_OAUTH_KEYS", "JACKDAW_SESSION_OAUTH_ISSUER",
                                      "JACKDAW_SESSION_OAUTH_AUDIENCE",
                                      "JACKDAW_SESSION_OAUTH_CLAIM",
                                      "JACKDAW_SESSION_OAUTH_ACCOUNTS"};
    for (size_t i = 0; i < sizeof(set) / sizeof(set[0]); i++) {
        (void)unsetenv(set[i]);
    }
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
    return rig_teardown(state);
}

static void base64url(struct span bytes, struct buf *out)
{
    size_t from = out->len;
    base64_encode(bytes, out);
    while (out->len > from && out->data[out->len - 1] == '=') {
        out->len--;
    }
    for (size_t i = from; i < out->len; i++) {
        char c = (char)out->data[i];
        out->data[i] = c == '+' ? '-' : c == '/' ? '_' : out->data[i];
    }
}

static void add_token(EVP_PKEY *signer, const char *claims, struct buf *out)
{
    unsigned char signature[64];
    size_t len = sizeof(signature), from = out->len;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    base64url(SPAN("{\"alg\":\"EdDSA\"}"), out);
    buf_append_cstr(out, ".");
    base64url(span_cstr(claims), out);
    assert_int_equal(EVP_DigestSignInit(context, NULL, NULL, NULL, signer), 1);
    assert_int_equal(EVP_DigestSign(context, signature, &len,
                                    (const unsigned char *)out->data + from, out->len - from),
                     1);
    EVP_MD_CTX_free(context);
    buf_append_cstr(out, ".");
    base64url(span_of((const char *)signature, len), out);
}

static void say(struct rig *rig, struct span message)
{
    struct wire_msg msg = {.id = WIRE_ID_sasl_start};
    msg.u.sasl_start = (struct wire_sasl_start){
        .domain = SPAN("example.org"),
        .mechanism = SPAN("OAUTHBEARER"),
        .address = SPAN("192.0.2.7"),
        .flags = WIRE_SASL_SECURE,
        .initial = message,
    };
    rig_call(rig, &msg);
}

static void bearer(struct rig *rig, EVP_PKEY *signer, const char *header, const char *claims)
{
    struct buf message = {0};
    buf_printf(&message,
               "%s\x01host=example.org\x01port=5222\x01"
               "auth=Bearer ",
               header);
    add_token(signer, claims, &message);
    buf_append_cstr(&message, "\x01\x01");
    say(rig, buf_span(&message));
    buf_deinit(&message);
}

static void assert_in(struct rig *rig, const char *account)
{
    if (rig->outcome != WIRE_SASL_SUCCESS) {
        fail_msg("outcome %u %s", rig->outcome, rig->condition);
    }
    assert_string_equal(rig->account, account);
    assert_int_equal(rig->data.len, 0);
}

static void assert_failed(const struct rig *rig, const char *condition)
{
    assert_int_equal(rig->outcome, WIRE_SASL_FAILURE);
    assert_string_equal(rig->condition, condition);
}

/* An error in JSON, then the client's dummy, then the failure. */
static void assert_refused(struct rig *rig)
{
    struct buf state = {0};
    struct wire_msg msg = {.id = WIRE_ID_sasl_step};
    assert_int_equal(rig->outcome, WIRE_SASL_CHALLENGE);
    assert_true(span_is(buf_span(&rig->data), "{\"status\":\"invalid_token\"}"));
    buf_append_span(&state, buf_span(&rig->state));
    msg.u.sasl_step.state = buf_span(&state);
    msg.u.sasl_step.response = SPAN("\x01");
    rig_call(rig, &msg);
    buf_deinit(&state);
    assert_failed(rig, "not-authorized");
    assert_string_equal(rig->account, "");
}

static void a_token_names_the_account(void **state)
{
    struct rig *rig = *state;
    bearer(rig, key, "n,,", "{\"sub\":\"juliet\"," GOOD "}");
    assert_in(rig, "juliet@example.org");
    bearer(rig, key, "y,,", "{\"sub\":\"Juliet@EXAMPLE.org\"," GOOD "}");
    assert_in(rig, "juliet@example.org");
    bearer(rig, key, "n,a=juliet@example.org,", "{\"sub\":\"juliet\"," GOOD "}");
    assert_in(rig, "juliet@example.org");
}

static void a_token_that_is_not_good_is_refused(void **state)
{
    struct rig *rig = *state;
    bearer(rig, other, "n,,", "{\"sub\":\"juliet\"," GOOD "}");
    assert_refused(rig);
    bearer(rig, key, "n,,", "{\"sub\":\"juliet\",\"aud\":\"example.org\",\"exp\":1}");
    assert_refused(rig);
    bearer(rig, key, "n,,", "{\"sub\":\"juliet\",\"aud\":\"elsewhere\",\"exp\":4000000000}");
    assert_refused(rig);
    bearer(rig, key, "n,,", "{\"sub\":\"juliet@example.net\"," GOOD "}");
    assert_refused(rig);
    bearer(rig, key, "n,,", "{\"sub\":\"juliet@example.org/x\"," GOOD "}");
    assert_refused(rig);
    bearer(rig, key, "n,,", "{\"sub\":\"jul iet\"," GOOD "}");
    assert_refused(rig);
    bearer(rig, key, "n,,", "{\"sub\":\"@example.org\"," GOOD "}");
    assert_refused(rig);
    bearer(rig, key, "n,,", "{\"sub\":\"romeo\"," GOOD "}");
    assert_refused(rig);
    say(rig, SPAN("n,,\x01"
                  "auth=Bearer x.y.z\x01\x01"));
    assert_refused(rig);
    say(rig, SPAN("n,,\x01"
                  "auth=\x01\x01")); /* only asks what is needed */
    assert_refused(rig);
}

static void nobody_acts_for_another(void **state)
{
    struct rig *rig = *state;
    bearer(rig, key, "n,a=romeo@example.org,", "{\"sub\":\"juliet\"," GOOD "}");
    assert_failed(rig, "invalid-authzid");
}

static void malformed_messages_are_refused(void **state)
{
    struct rig *rig = *state;
    static const char *const messages[] = {
        "n,,",
        "n,,\x01",
        "n,,\x01\x01",
        "n,,\x01host=x\x01\x01",
        "n,,\x01"
        "auth=Basic dTpw\x01\x01",
        "n,,\x01"
        "auth=Bearer x",
        "n,,\x01"
        "auth=Bearer x\x01",
        "p=tls-exporter,,\x01"
        "auth=Bearer x\x01\x01",
        "n,juliet,\x01"
        "auth=Bearer x\x01\x01",
        "n,a=x=2,\x01"
        "auth=Bearer x\x01\x01",
        "n\x01"
        "auth=Bearer x\x01\x01",
        "n,,\x01"
        "au1th=Bearer x\x01\x01",
        "x",
    };
    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
        say(rig, span_cstr(messages[i]));
        if (rig->outcome != WIRE_SASL_FAILURE || strcmp(rig->condition, "malformed-request") != 0) {
            fail_msg("message %zu: outcome %u %s", i, rig->outcome, rig->condition);
        }
    }
    struct buf huge = {0};
    buf_append_cstr(&huge, "n,,\x01"
                           "auth=Bearer ");
    for (int i = 0; i < 30000; i++) {
        buf_append_cstr(&huge, "x");
    }
    buf_append_cstr(&huge, "\x01\x01");
    say(rig, buf_span(&huge));
    assert_failed(rig, "malformed-request");
    buf_deinit(&huge);
}

static void options_say_which_tokens_and_which_claim(void **state)
{
    struct rig *rig = *state;
    rig_option(rig, "JACKDAW_SESSION_OAUTH_ISSUER", "https://id.example");
    rig_option(rig, "JACKDAW_SESSION_OAUTH_AUDIENCE", "chat");
    rig_option(rig, "JACKDAW_SESSION_OAUTH_CLAIM", "preferred_username");
    bearer(rig, key, "n,,",
           "{\"preferred_username\":\"juliet\",\"sub\":\"4711\",\"aud\":[\"chat\"],"
           "\"iss\":\"https://id.example\",\"exp\":4000000000}");
    assert_in(rig, "juliet@example.org");
    bearer(rig, key, "n,,",
           "{\"preferred_username\":\"juliet\",\"aud\":\"chat\","
           "\"iss\":\"https://evil.example\",\"exp\":4000000000}");
    assert_refused(rig);
    bearer(rig, key, "n,,",
           "{\"preferred_username\":\"juliet\",\"iss\":\"https://id.example\"," GOOD "}");
    assert_refused(rig);
}

static void an_account_may_be_made(void **state)
{
    struct rig *rig = *state;
    rig_option(rig, "JACKDAW_SESSION_OAUTH_ACCOUNTS", "yes");
    assert_string_equal(rig_exists(rig, "romeo@example.org"), "item-not-found");
    for (int i = 0; i < 2; i++) {
        bearer(rig, key, "n,,", "{\"sub\":\"romeo\"," GOOD "}");
        assert_in(rig, "romeo@example.org");
        assert_string_equal(rig_exists(rig, "romeo@example.org"), "");
    }
    bearer(rig, other, "n,,", "{\"sub\":\"tybalt\"," GOOD "}");
    assert_refused(rig);
    assert_string_equal(rig_exists(rig, "tybalt@example.org"), "item-not-found");
    assert_string_equal(rig_bind(rig, "romeo@example.org", "orchard", "edge-1"), "");
}

static void keys_are_read_again(void **state)
{
    struct rig *rig = *state;
    write_keys(other);
    session_reload(rig->session, rig->conf);
    bearer(rig, key, "n,,", "{\"sub\":\"juliet\"," GOOD "}");
    assert_refused(rig);
    bearer(rig, other, "n,,", "{\"sub\":\"juliet\"," GOOD "}");
    assert_in(rig, "juliet@example.org");
    assert_int_equal(truncate(keys_path, 10), 0);
    session_reload(rig->session, rig->conf); /* the old ones stay */
    bearer(rig, other, "n,,", "{\"sub\":\"juliet\"," GOOD "}");
    assert_in(rig, "juliet@example.org");
    rig_option(rig, "JACKDAW_SESSION_OAUTH_KEYS", "");
    session_reload(rig->session, rig->conf);
    bearer(rig, other, "n,,", "{\"sub\":\"juliet\"," GOOD "}");
    assert_failed(rig, "invalid-mechanism");
}

static void who_guesses_too_often_must_wait(void **state)
{
    struct rig *rig = *state;
    rig_option(rig, "JACKDAW_SESSION_MAX_FAILURES", "2");
    for (int i = 0; i < 3; i++) { /* asking is no guess */
        say(rig, SPAN("n,,\x01"
                      "auth=\x01\x01"));
        assert_refused(rig);
    }
    for (int i = 0; i < 2; i++) {
        bearer(rig, other, "n,,", "{\"sub\":\"juliet\"," GOOD "}");
        assert_refused(rig);
    }
    bearer(rig, key, "n,,", "{\"sub\":\"juliet\"," GOOD "}");
    assert_failed(rig, "temporary-auth-failure");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_token_names_the_account),
        TEST(a_token_that_is_not_good_is_refused),
        TEST(nobody_acts_for_another),
        TEST(malformed_messages_are_refused),
        TEST(options_say_which_tokens_and_which_claim),
        TEST(an_account_may_be_made),
        TEST(keys_are_read_again),
        TEST(who_guesses_too_often_must_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
