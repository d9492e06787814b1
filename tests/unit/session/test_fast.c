/* Tokens (XEP-0484): asked for, used, replaced, given up, and what they die of; on SQLite and on
 * PostgreSQL. */
#include "../sql/private_postgres.h"
#include "scram_client.h"

#include "sql/sql.h"
#include "token_store.h"

#define ACCOUNT "juliet@example.org"
#define PHONE   "d4565fa7-4d72-4749-b3d3-740edbf87770"
#define NONE    "HT-SHA-256-NONE"
#define EXPR    "HT-SHA-256-EXPR"

static struct private_postgres postgres;

static void remove_account(struct rig *rig)
{
    struct wire_msg msg = {.id = WIRE_ID_account_remove};
    msg.u.account_remove.account = SPAN(ACCOUNT);
    rig_call(rig, &msg);
}

static int setup(void **state)
{
    rig_setup(state);
    assert_string_equal(rig_add(*state, ACCOUNT, "wherefore art", WIRE_ACCOUNT_BY_OPERATOR), "");
    return 0;
}

static int postgres_setup(void **state)
{
    rig_setup(state);
    struct rig *rig = *state;
    session_free(rig->session);
    rig->session = NULL;
    rig_option(rig, "JACKDAW_SQL_URL", postgres.url);
    rig->session = rig_session_new(rig);
    rig_wait_ready(rig);
    remove_account(rig); /* of the test before */
    assert_string_equal(rig_add(rig, ACCOUNT, "wherefore art", WIRE_ACCOUNT_BY_OPERATOR), "");
    return 0;
}

/* ---- a client ---- */

struct
try {
    const char *user;
    const char *client;
    const char *mechanism; /* NULL: NONE */
    const char *binding;   /* what the client thinks the exporter gives; NULL: nothing */
    const char *wants;     /* a token for this mechanism, or NULL */
    uint64_t count;
    bool invalidates;
};

static const struct try phone = {.user = "juliet", .client = PHONE};

static void hash(const char *who, const struct try *try, const char *token, uint8_t *mac_out)
{
    char text[100];
    (void)snprintf(text, sizeof(text), "%s%s", who, try->binding ? try->binding : "");
    crypt_hmac(CRYPT_SHA256, span_cstr(token), span_cstr(text), mac_out);
}

static struct wire_sasl_start start_of(const struct try *try, struct span initial)
{
    static const struct span types[] = {{"tls-exporter", 12}, {"tls-server-end-point", 20}};
    static const struct span data[] = {{"exported", 8}, {"hash", 4}};
    return (struct wire_sasl_start){
        .domain = SPAN("example.org"),
        .mechanism = span_cstr(try->mechanism ? try->mechanism : NONE),
        .address = SPAN("192.0.2.7"),
        .flags = WIRE_SASL_SECURE | WIRE_SASL_FAST | (try->invalidates ? WIRE_SASL_INVALIDATE : 0),
        .initial = initial,
        .binding_types = {types, 2},
        .bindings = {data, 2},
        .client = span_cstr(try->client),
        .token_mechanism = span_cstr(try->wants),
        .count = try->count,
    };
}

/* Logs in with a token; the outcome is in the rig. */
static bool use(struct rig *rig, const char *token, const struct try *try)
{
    uint8_t mac[CRYPT_DIGEST_MAX];
    char copy[100]; /* `token` may be the rig's */
    struct buf initial = {0};
    struct wire_msg msg = {.id = WIRE_ID_sasl_start};
    (void)snprintf(copy, sizeof(copy), "%s", token);
    hash("Initiator", try, copy, mac);
    buf_append_cstr(&initial, try->user);
    buf_append_u8(&initial, 0);
    buf_append(&initial, mac, 32);
    msg.u.sasl_start = start_of(try, buf_span(&initial));
    rig_call(rig, &msg);
    buf_deinit(&initial);
    if (rig->outcome != WIRE_SASL_SUCCESS) {
        assert_int_equal(rig->outcome, WIRE_SASL_FAILURE);
        assert_string_equal(rig->token, "");
        return false;
    }
    hash("Responder", try, copy, mac);
    assert_true(span_eq(buf_span(&rig->data), span_of((char *)mac, 32)));
    assert_string_equal(rig->account, ACCOUNT);
    return true;
}

static bool is_refused(struct rig *rig, const char *token, const struct try *try,
                       const char *condition)
{
    return !use(rig, token, try) && strcmp(rig->condition, condition) == 0;
}

/* Logs in with the password and asks for a token. */
static void ask(struct rig *rig, const char *client, const char *mechanism, char token_out[100])
{
    struct buf final = {0};
    struct wire_msg msg = {.id = WIRE_ID_sasl_start};
    msg.u.sasl_start = (struct wire_sasl_start){
        .domain = SPAN("example.org"),
        .mechanism = SPAN("SCRAM-SHA-1"),
        .address = SPAN("192.0.2.7"),
        .initial = SPAN("n,,n=juliet,r=abc"),
        .client = span_cstr(client),
        .token_mechanism = span_cstr(mechanism),
    };
    rig_call(rig, &msg);
    scram_prove(CRYPT_SHA1, "n=juliet,r=abc", "wherefore art", buf_span(&rig->data), &final);
    scram_step(rig, buf_span(&final));
    buf_deinit(&final);
    assert_int_equal(rig->outcome, WIRE_SASL_SUCCESS);
    assert_string_not_equal(rig->token, "");
    (void)snprintf(token_out, 100, "%s", rig->token);
}

/* ---- using it ---- */

static void a_token_opens_the_account_for_its_client_and_mechanism_only(void **state)
{
    struct rig *rig = *state;
    char token[100];
    ask(rig, PHONE, NONE, token);
    assert_true(rig->token_expires_ms > clock_real_ms() + 1000000);
    assert_true(use(rig, token, &phone));
    assert_true(use(rig, token, &phone)); /* by now it is the current one */
    assert_string_equal(rig->token, "");
    assert_true(is_refused(rig, "not it", &phone, "not-authorized"));
    assert_true(is_refused(rig, token, &(struct try){.user = "juliet", .client = "other"},
                           "not-authorized"));
    assert_true(
        is_refused(rig, token, &(struct try){.user = "romeo", .client = PHONE}, "not-authorized"));
    assert_true(is_refused(
        rig, token,
        &(struct try){.user = "juliet", .client = PHONE, .mechanism = EXPR, .binding = "exported"},
        "not-authorized"));
    assert_true(
        is_refused(rig, token, &(struct try){.user = "juliet", .client = ""}, "malformed-request"));
}

static void a_token_that_binds_the_channel_opens_on_that_channel_only(void **state)
{
    struct rig *rig = *state;
    char token[100];
    struct try bound = phone;
    ask(rig, PHONE, EXPR, token);
    bound.mechanism = EXPR;
    bound.binding = "exported";
    assert_true(use(rig, token, &bound));
    bound.binding = "of somebody between us";
    assert_true(is_refused(rig, token, &bound, "not-authorized"));
    assert_true(is_refused(rig, token, &phone, "not-authorized"));
}

static void a_mechanism_for_tokens_wants_a_client_that_says_so(void **state)
{
    struct rig *rig = *state;
    struct wire_msg msg = {.id = WIRE_ID_sasl_start};
    msg.u.sasl_start = start_of(&phone, SPAN("x"));
    msg.u.sasl_start.flags = WIRE_SASL_SECURE;
    rig_call(rig, &msg);
    assert_string_equal(rig->condition, "invalid-mechanism");
    msg.u.sasl_start = start_of(&phone, SPAN("n,,n=juliet,r=abc"));
    msg.u.sasl_start.mechanism = SPAN("SCRAM-SHA-1");
    rig_call(rig, &msg);
    assert_string_equal(rig->condition, "invalid-mechanism");
}

static void messages_that_are_none_are_refused(void **state)
{
    struct rig *rig = *state;
    static const struct span messages[] = {{"juliet", 6},
                                           {"juliet\0short", 12},
                                           {"\0aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 33},
                                           {"juliet\0aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 40}};
    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
        struct wire_msg msg = {.id = WIRE_ID_sasl_start};
        msg.u.sasl_start = start_of(&phone, messages[i]);
        rig_call(rig, &msg);
        assert_string_equal(rig->condition, "malformed-request");
    }
}

static void wrong_tokens_count_as_failures_of_the_address(void **state)
{
    struct rig *rig = *state;
    char token[100];
    rig_option(rig, "JACKDAW_SESSION_MAX_FAILURES", "2");
    ask(rig, PHONE, NONE, token);
    assert_true(is_refused(rig, "a", &phone, "not-authorized"));
    assert_true(
        is_refused(rig, "b", &(struct try){.user = "nobody", .client = PHONE}, "not-authorized"));
    assert_true(is_refused(rig, token, &phone, "temporary-auth-failure"));
}

static void without_redis_there_is_a_temporary_error(void **state)
{
    struct rig *rig = *state;
    char token[100];
    ask(rig, PHONE, NONE, token);
    private_redis_kill(&rig->server);
    assert_true(is_refused(rig, token, &phone, "temporary-auth-failure"));
}

/* ---- replacing it ---- */

static void an_old_token_is_replaced_and_ends_when_the_new_one_is_used(void **state)
{
    struct rig *rig = *state;
    char first[100], second[100], third[100];
    ask(rig, PHONE, NONE, first);
    assert_true(use(rig, first, &phone));
    assert_string_equal(rig->token, "");
    rig_option(rig, "JACKDAW_SESSION_TOKEN_ROTATION", "0");
    assert_true(use(rig, first, &phone));
    (void)snprintf(second, sizeof(second), "%s", rig->token);
    assert_string_not_equal(second, "");
    assert_string_not_equal(second, first);
    /* The client did not get it: the first one is good still, the second one no more. */
    assert_true(use(rig, first, &phone));
    (void)snprintf(third, sizeof(third), "%s", rig->token);
    assert_true(is_refused(rig, second, &phone, "not-authorized"));
    rig_option(rig, "JACKDAW_SESSION_TOKEN_ROTATION", "1d");
    assert_true(use(rig, third, &phone));
    assert_string_equal(rig->token, "");
    assert_true(is_refused(rig, first, &phone, "not-authorized"));
    assert_true(use(rig, third, &phone));
}

static void a_client_may_ask_for_another_token_with_its_token(void **state)
{
    struct rig *rig = *state;
    char token[100], other[100];
    struct try change = phone;
    ask(rig, PHONE, NONE, token);
    change.wants = EXPR;
    assert_true(use(rig, token, &change));
    (void)snprintf(other, sizeof(other), "%s", rig->token);
    struct try bound = {
        .user = "juliet", .client = PHONE, .mechanism = EXPR, .binding = "exported"};
    assert_true(use(rig, other, &bound));
    assert_true(is_refused(rig, token, &phone, "not-authorized"));
}

/* ---- the end of it ---- */

static void a_token_that_is_given_up_opens_nothing_any_more(void **state)
{
    struct rig *rig = *state;
    char token[100], unused[100];
    struct try last = phone;
    rig_option(rig, "JACKDAW_SESSION_TOKEN_ROTATION", "0");
    ask(rig, PHONE, NONE, token);
    assert_true(use(rig, token, &phone));
    (void)snprintf(unused, sizeof(unused), "%s", rig->token);
    last.invalidates = true;
    assert_true(use(rig, token, &last));
    assert_string_equal(rig->token, "");
    assert_true(is_refused(rig, token, &phone, "not-authorized"));
    assert_true(is_refused(rig, unused, &phone, "not-authorized"));
    ask(rig, PHONE, NONE, token);
    last.wants = NONE;
    assert_true(use(rig, token, &last));
    (void)snprintf(unused, sizeof(unused), "%s", rig->token);
    assert_true(is_refused(rig, token, &phone, "not-authorized"));
    assert_true(use(rig, unused, &phone));
}

static void a_count_is_used_once(void **state)
{
    struct rig *rig = *state;
    char token[100];
    struct try counted = phone;
    ask(rig, PHONE, NONE, token);
    counted.count = 5;
    assert_true(use(rig, token, &counted));
    assert_true(is_refused(rig, token, &counted, "not-authorized"));
    counted.count = 4;
    assert_true(is_refused(rig, token, &counted, "not-authorized"));
    assert_true(use(rig, token, &phone)); /* outside TLS 0-RTT nobody need count */
    counted.count = 5;
    assert_true(is_refused(rig, token, &counted, "not-authorized"));
    counted.count = 6;
    assert_true(use(rig, token, &counted));
}

struct race {
    int answers;
    int successes;
};

static void on_raced(void *arg, const struct wire_msg *reply)
{
    struct race *race = arg;
    race->answers++;
    race->successes += reply->u.sasl_reply.outcome == WIRE_SASL_SUCCESS;
}

static void of_two_that_use_the_same_count_one_comes_in(void **state)
{
    struct rig *rig = *state;
    char token[100];
    uint8_t mac[CRYPT_DIGEST_MAX];
    struct buf initial = {0};
    struct try counted = phone;
    ask(rig, PHONE, NONE, token);
    counted.count = 1;
    hash("Initiator", &counted, token, mac);
    buf_append(&initial, "juliet", 7);
    buf_append(&initial, mac, 32);
    struct wire_msg msg = {.id = WIRE_ID_sasl_start};
    msg.u.sasl_start = start_of(&counted, buf_span(&initial));
    struct race race = {0};
    session_call(rig->session, &msg, on_raced, &race);
    session_call(rig->session, &msg, on_raced, &race);
    rig_until(rig, &race.answers, 2);
    assert_int_equal(race.successes, 1);
    buf_deinit(&initial);
}

static void tokens_die_with_the_password_and_with_the_account(void **state)
{
    struct rig *rig = *state;
    char token[100];
    struct wire_msg msg = {.id = WIRE_ID_account_password};
    ask(rig, PHONE, NONE, token);
    msg.u.account_password.account = SPAN(ACCOUNT);
    msg.u.account_password.password = SPAN("wherefore art");
    rig_call(rig, &msg);
    assert_string_equal(rig->condition, "");
    assert_true(is_refused(rig, token, &phone, "not-authorized"));
    ask(rig, PHONE, NONE, token);
    remove_account(rig);
    assert_string_equal(rig_add(rig, ACCOUNT, "wherefore art", WIRE_ACCOUNT_BY_OPERATOR), "");
    assert_true(is_refused(rig, token, &phone, "not-authorized"));
}

/* The password changes between the proof's challenge and the proof. */
static void a_login_with_an_old_password_gets_no_token(void **state)
{
    struct rig *rig = *state;
    struct buf final = {0};
    struct buf kept = {0};
    struct wire_msg msg = {.id = WIRE_ID_sasl_start};
    msg.u.sasl_start = (struct wire_sasl_start){.domain = SPAN("example.org"),
                                                .mechanism = SPAN("SCRAM-SHA-1"),
                                                .address = SPAN("192.0.2.7"),
                                                .initial = SPAN("n,,n=juliet,r=abc"),
                                                .client = SPAN(PHONE),
                                                .token_mechanism = SPAN(NONE)};
    rig_call(rig, &msg);
    scram_prove(CRYPT_SHA1, "n=juliet,r=abc", "wherefore art", buf_span(&rig->data), &final);
    buf_append_span(&kept, buf_span(&rig->state));
    struct wire_msg change = {.id = WIRE_ID_account_password};
    change.u.account_password.account = SPAN(ACCOUNT);
    change.u.account_password.password = SPAN("another");
    rig_call(rig, &change);
    msg = (struct wire_msg){.id = WIRE_ID_sasl_step};
    msg.u.sasl_step.state = buf_span(&kept);
    msg.u.sasl_step.response = buf_span(&final);
    rig_call(rig, &msg);
    assert_string_equal(rig->token, "");
    buf_deinit(&final);
    buf_deinit(&kept);
}

static void on_changed(void *arg, enum account_status status)
{
    struct rig *rig = arg;
    assert_int_equal(status, ACCOUNT_OK);
    rig->answers++;
}

static void an_expired_token_is_told_from_a_wrong_one(void **state)
{
    struct rig *rig = *state;
    struct buf sealed = {0};
    struct token_change change = {
        .owner = {SPAN(ACCOUNT), SPAN(PHONE)},
        .fresh = {.mechanism = SPAN(NONE),
                  .issued_ms = clock_real_ms() - 2000,
                  .expires_ms = clock_real_ms() + 1000000},
        .max_clients = 5,
    };
    int before = rig->answers;
    crypt_seal(rig->session->token_key, SPAN("fast " ACCOUNT " " PHONE), SPAN("over"), &sealed);
    change.fresh.sealed = buf_span(&sealed);
    token_store_change(rig->session->tokens, &change, on_changed, rig);
    rig_until(rig, &rig->answers, before + 1);
    assert_true(use(rig, "over", &phone));
    /* What has expired is removed when a token is made, so it is put there by hand. */
    sql_query(
        account_store_sql(rig->session->accounts), 0,
        &SQL("UPDATE tokens SET expires_ms = $1", sql_integer((int64_t)clock_real_ms() - 1000)),
        NULL, NULL);
    assert_true(is_refused(rig, "over", &phone, "credentials-expired"));
    assert_true(is_refused(rig, "another", &phone, "not-authorized"));
    buf_deinit(&sealed);
}

static void the_clients_that_were_away_longest_lose_their_tokens(void **state)
{
    struct rig *rig = *state;
    char tokens[3][100];
    static const char *const clients[] = {"client-1", "client-2", "client-3"};
    rig_option(rig, "JACKDAW_SESSION_MAX_TOKENS", "2");
    for (int i = 0; i < 3; i++) {
        ask(rig, clients[i], NONE, tokens[i]);
        rig_wait_ms(rig, 2); /* tokens' ages are in milliseconds */
    }
    assert_true(is_refused(rig, tokens[0], &(struct try){.user = "juliet", .client = clients[0]},
                           "not-authorized"));
    assert_true(use(rig, tokens[1], &(struct try){.user = "juliet", .client = clients[1]}));
    assert_true(use(rig, tokens[2], &(struct try){.user = "juliet", .client = clients[2]}));
}

static void the_token_is_nowhere_in_the_files(void **state)
{
    struct rig *rig = *state;
    char token[100];
    char command[300];
    ask(rig, PHONE, NONE, token);
    (void)snprintf(command, sizeof(command), "grep -rqF '%s' %s", token, rig->dir);
    assert_int_not_equal(system(command), 0);
    (void)snprintf(command, sizeof(command), "grep -rqF '%s' %s", PHONE, rig->dir);
    assert_int_equal(system(command), 0); /* the files are where the tokens are */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, rig_teardown)
#define POSTGRES(name)                                                                             \
    {                                                                                              \
#name "_postgresql", name, postgres_setup, rig_teardown, NULL                              \
    }
    const struct CMUnitTest tests[] = {
        TEST(a_token_opens_the_account_for_its_client_and_mechanism_only),
        TEST(a_token_that_binds_the_channel_opens_on_that_channel_only),
        TEST(a_mechanism_for_tokens_wants_a_client_that_says_so),
        TEST(messages_that_are_none_are_refused),
        TEST(wrong_tokens_count_as_failures_of_the_address),
        TEST(without_redis_there_is_a_temporary_error),
        TEST(an_old_token_is_replaced_and_ends_when_the_new_one_is_used),
        TEST(a_client_may_ask_for_another_token_with_its_token),
        TEST(a_token_that_is_given_up_opens_nothing_any_more),
        TEST(a_count_is_used_once),
        TEST(of_two_that_use_the_same_count_one_comes_in),
        TEST(tokens_die_with_the_password_and_with_the_account),
        TEST(a_login_with_an_old_password_gets_no_token),
        TEST(an_expired_token_is_told_from_a_wrong_one),
        TEST(the_clients_that_were_away_longest_lose_their_tokens),
        TEST(the_token_is_nowhere_in_the_files),
        POSTGRES(a_token_opens_the_account_for_its_client_and_mechanism_only),
        POSTGRES(an_old_token_is_replaced_and_ends_when_the_new_one_is_used),
        POSTGRES(a_token_that_is_given_up_opens_nothing_any_more),
        POSTGRES(a_count_is_used_once),
        POSTGRES(of_two_that_use_the_same_count_one_comes_in),
        POSTGRES(tokens_die_with_the_password_and_with_the_account),
        POSTGRES(a_login_with_an_old_password_gets_no_token),
        POSTGRES(an_expired_token_is_told_from_a_wrong_one),
        POSTGRES(the_clients_that_were_away_longest_lose_their_tokens),
    };
    if (private_postgres_start(&postgres) != 0) {
        return 1;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    private_postgres_stop(&postgres);
    return failed;
}
