/* Binding, unbinding, conflicts, and the sweep of a dead holder's sessions. */
#include "rig.h"

#include "registry/lease.h"

static const char *unbind(struct rig *rig, const char *jid, uint64_t sid, const char *holder)
{
    struct wire_msg msg = {.id = WIRE_ID_unbind};
    msg.u.unbind = (struct wire_unbind){span_cstr(jid), sid, span_cstr(holder), 1};
    rig_call(rig, &msg);
    return rig->condition;
}

static void a_resource_is_made_when_none_is_asked_for(void **state)
{
    struct rig *rig = *state;
    char first[256];
    assert_string_equal(rig_bind(rig, "a@example.org", "", "edge-1"), "");
    (void)snprintf(first, sizeof(first), "%s", rig->account);
    assert_int_equal(strlen(first), strlen("a@example.org/") + 24);
    assert_string_equal(rig_bind(rig, "a@example.org", "", "edge-1"), "");
    assert_string_not_equal(first, rig->account);
    assert_true(rig->sid != 0);
}

static void a_resource_asked_for_is_normalised_and_announced(void **state)
{
    struct rig *rig = *state;
    char want[200];
    assert_string_equal(rig_bind(rig, "a@example.org", "\xe2\x85\xa8 home", "edge-1"), "");
    assert_string_equal(rig->account, "a@example.org/IX home");
    (void)snprintf(want, sizeof(want), "changed a@example.org/IX home sid=%llx bound=1\n",
                   (unsigned long long)rig->sid);
    assert_string_equal(rig->sent, want);
    rig_list(rig);
    assert_string_equal(rig->list, "a@example.org/IX home\n");
    assert_string_equal(rig_bind(rig, "a@example.org", "a\x07", "edge-1"), "bad-request");
    assert_string_equal(rig_bind(rig, "example.org", "x", "edge-1"), "bad-request");
    assert_string_equal(rig_bind(rig, "a@example.org", "x", ""), "bad-request");
}

static void the_older_session_goes_by_default(void **state)
{
    struct rig *rig = *state;
    char want[400];
    assert_string_equal(rig_bind(rig, "a@example.org", "desk", "edge-1"), "");
    unsigned long long old = rig->sid;
    rig->sent[0] = '\0';
    assert_string_equal(rig_bind(rig, "a@example.org", "desk", "edge-2"), "");
    (void)snprintf(want, sizeof(want),
                   "changed a@example.org/desk sid=%llx bound=0\n"
                   "end sid=%llx holder=edge-1 conflict\n"
                   "changed a@example.org/desk sid=%llx bound=1\n",
                   old, old, (unsigned long long)rig->sid);
    assert_string_equal(rig->sent, want);
    /* the loser's unbind does not take the winner away */
    assert_string_equal(unbind(rig, "a@example.org/desk", old, "edge-1"), "");
    rig_list(rig);
    assert_string_equal(rig->list, "a@example.org/desk\n");
}

static void conflicts_are_refused_or_renamed_when_configured(void **state)
{
    struct rig *rig = *state;
    assert_string_equal(rig_bind(rig, "a@example.org", "desk", "edge-1"), "");
    rig_option(rig, "JACKDAW_SESSION_CONFLICT", "refuse");
    assert_string_equal(rig_bind(rig, "a@example.org", "desk", "edge-1"), "conflict");
    rig_option(rig, "JACKDAW_SESSION_CONFLICT", "rename");
    assert_string_equal(rig_bind(rig, "a@example.org", "desk", "edge-1"), "");
    assert_string_not_equal(rig->account, "a@example.org/desk");
    assert_int_equal(rig->ends, 0);
}

static void an_account_has_a_limited_number_of_sessions(void **state)
{
    struct rig *rig = *state;
    rig_option(rig, "JACKDAW_SESSION_MAX_SESSIONS", "2");
    assert_string_equal(rig_bind(rig, "a@example.org", "", "edge-1"), "");
    assert_string_equal(rig_bind(rig, "a@example.org", "x", "edge-1"), "");
    uint64_t sid = rig->sid;
    assert_string_equal(rig_bind(rig, "a@example.org", "", "edge-1"), "resource-constraint");
    assert_string_equal(unbind(rig, "a@example.org/x", sid, "edge-1"), "");
    assert_string_equal(rig_bind(rig, "a@example.org", "", "edge-1"), "");
}

static void without_redis_a_bind_gets_a_temporary_error(void **state)
{
    struct rig *rig = *state;
    private_redis_kill(&rig->server);
    assert_string_equal(rig_bind(rig, "a@example.org", "", "edge-1"), "resource-constraint");
    assert_non_null(strstr(rig->text, "Try again soon"));
    assert_string_equal(unbind(rig, "a@example.org/x", 1, "edge-1"), "resource-constraint");
    private_redis_spawn(&rig->server);
    rig_wait_ready(rig);
    assert_string_equal(rig_bind(rig, "a@example.org", "", "edge-1"), "");
}

static const char *set_flags(struct rig *rig, const char *jid, uint64_t sid, uint32_t set)
{
    struct wire_msg msg = {.id = WIRE_ID_session_flags};
    msg.u.session_flags =
        (struct wire_session_flags){.jid = span_cstr(jid), .sid = sid, .set = set};
    rig_call(rig, &msg);
    return rig->condition;
}

static void flags_of_a_session_are_set_and_told_once(void **state)
{
    struct rig *rig = *state;
    assert_string_equal(rig_bind(rig, "a@example.org", "desk", "edge-1"), "");
    int before = rig->notices;
    assert_string_equal(set_flags(rig, "a@example.org/desk", rig->sid, WIRE_SESSION_CARBONS), "");
    assert_int_equal(rig->notices, before + 1);
    assert_int_equal(rig->flags, WIRE_SESSION_CARBONS);
    assert_string_equal(set_flags(rig, "a@example.org/desk", rig->sid, WIRE_SESSION_CARBONS), "");
    assert_int_equal(rig->notices, before + 1);
    assert_string_equal(set_flags(rig, "a@example.org/desk", rig->sid, WIRE_SESSION_RESUMABLE), "");
    assert_int_equal(rig->flags, WIRE_SESSION_CARBONS | WIRE_SESSION_RESUMABLE);
    assert_string_equal(set_flags(rig, "a@example.org/desk", rig->sid + 1, WIRE_SESSION_CARBONS),
                        "item-not-found");
    private_redis_kill(&rig->server);
    assert_string_equal(set_flags(rig, "a@example.org/desk", rig->sid, WIRE_SESSION_CARBONS),
                        "resource-constraint");
}

static void a_session_may_be_born_with_flags_that_are_for_clients(void **state)
{
    struct rig *rig = *state;
    struct wire_msg msg = {.id = WIRE_ID_bind};
    msg.u.bind = (struct wire_bind){
        .account = SPAN("a@example.org"),
        .holder = SPAN("edge-1"),
        .session_flags = WIRE_SESSION_CARBONS | WIRE_SESSION_RESUMABLE,
    };
    rig_call(rig, &msg);
    assert_string_equal(rig->condition, "");
    assert_int_equal(rig->flags, WIRE_SESSION_CARBONS);
}

/* ---- resources that the server makes (XEP-0386) ---- */

#define PHONE "d4565fa7-4d72-4749-b3d3-740edbf87770"

static const char *made(struct rig *rig, const char *account, const char *tag, const char *client)
{
    struct wire_msg msg = {.id = WIRE_ID_bind};
    msg.u.bind = (struct wire_bind){
        .account = span_cstr(account),
        .holder = SPAN("edge-1"),
        .address = SPAN("192.0.2.7"),
        .transport = SPAN("ws"),
        .tag = span_cstr(tag),
        .client = span_cstr(client),
        .flags = WIRE_BIND_MADE,
    };
    rig_call(rig, &msg);
    assert_string_equal(rig->condition, "");
    return rig->account;
}

static void a_made_resource_is_the_same_for_the_same_client_and_tag(void **state)
{
    struct rig *rig = *state;
    char first[256];
    (void)snprintf(first, sizeof(first), "%s", made(rig, "a@example.org", "Awesome", PHONE));
    assert_true(span_has_prefix(span_cstr(first), SPAN("a@example.org/Awesome/")));
    assert_int_equal(strlen(first), strlen("a@example.org/Awesome/") + 18);
    assert_null(strstr(first, "d4565fa7"));
    assert_string_equal(made(rig, "a@example.org", "Awesome", PHONE), first);
    assert_string_not_equal(made(rig, "a@example.org", "Awesome", "another"), first);
    assert_string_not_equal(strrchr(made(rig, "b@example.org", "Awesome", PHONE), '/'),
                            strrchr(first, '/'));
    (void)snprintf(first, sizeof(first), "%s", made(rig, "a@example.org", "", ""));
    assert_string_not_equal(made(rig, "a@example.org", "", ""), first);
}

static void a_tag_that_cannot_be_in_a_resource_is_left_out(void **state)
{
    struct rig *rig = *state;
    char tag[1100];
    memset(tag, 'x', sizeof(tag) - 1);
    tag[sizeof(tag) - 1] = '\0';
    assert_int_equal(strlen(made(rig, "a@example.org", tag, PHONE)), strlen("a@example.org/") + 18);
    assert_int_equal(strlen(made(rig, "a@example.org", "\x01", PHONE)),
                     strlen("a@example.org/") + 18);
}

static void earlier_sessions_of_the_client_end_whatever_the_policy(void **state)
{
    struct rig *rig = *state;
    rig_option(rig, "JACKDAW_SESSION_CONFLICT", "refuse");
    (void)made(rig, "a@example.org", "One", PHONE);
    uint64_t first = rig->sid;
    (void)made(rig, "a@example.org", "One", PHONE);
    uint64_t second = rig->sid;
    rig_until(rig, &rig->ends, 1);
    char wanted[100];
    (void)snprintf(wanted, sizeof(wanted), "end sid=%llx", (unsigned long long)first);
    assert_non_null(strstr(rig->sent, wanted));
    (void)made(rig, "a@example.org", "Other", "another client");
    rig_wait_ms(rig, 2); /* the registry's clock is in milliseconds */
    (void)made(rig, "a@example.org", "Two", PHONE);
    rig_until(rig, &rig->ends, 2);
    (void)snprintf(wanted, sizeof(wanted), "end sid=%llx", (unsigned long long)second);
    assert_non_null(strstr(rig->sent, wanted));
    assert_int_equal(rig->ends, 2);
}

/* ---- the sweep ---- */

static int sweep_setup(void **state)
{
    (void)setenv("JACKDAW_CLUSTER_LEASE", "1s", 1);
    (void)setenv("JACKDAW_SESSION_SWEEP_INTERVAL", "50ms", 1);
    return rig_setup(state);
}

static void the_sessions_of_a_dead_holder_are_swept_and_those_of_a_living_one_stay(void **state)
{
    struct rig *rig = *state;
    enum { MANY = 250 };
    char account[40];
    struct registry_lease *alive =
        registry_lease_new(rig->loop, rig->session->redis, "edge-2", 1000, NULL, NULL);
    while (!registry_lease_is_held(alive)) {
        loop_run_once(rig->loop, 1);
    }
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(account, sizeof(account), "u%d@example.org", i);
        assert_string_equal(rig_bind(rig, account, "r", "edge-1"), "");
    }
    assert_string_equal(rig_bind(rig, "alive@example.org", "r", "edge-2"), "");
    int before = rig->notices;
    rig_until(rig, &rig->routes, MANY);
    rig_until(rig, &rig->notices, before + MANY);
    assert_int_equal(rig->ends, MANY);
    rig_list(rig);
    assert_string_equal(rig->list, "alive@example.org/r\n");
    assert_string_equal(rig_bind(rig, "u1@example.org", "r", "edge-2"), "");
    assert_int_equal(rig->routes, MANY);
    registry_lease_free(alive);
}

static void a_sweep_that_no_router_takes_is_not_taken_for_done(void **state)
{
    struct rig *rig = *state;
    assert_string_equal(rig_bind(rig, "a@example.org", "r", "edge-1"), "");
    rig->is_router_full = true;
    rig_wait_ms(rig, 2600);
    assert_int_equal(rig->notices, 1);
    assert_string_equal(rig_bind(rig, "b@example.org", "r", "edge-1"), "");
}

int main(void)
{
#define TEST(name)  cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
#define SWEEP(name) cmocka_unit_test_setup_teardown(name, sweep_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_resource_is_made_when_none_is_asked_for),
        TEST(a_resource_asked_for_is_normalised_and_announced),
        TEST(the_older_session_goes_by_default),
        TEST(conflicts_are_refused_or_renamed_when_configured),
        TEST(an_account_has_a_limited_number_of_sessions),
        TEST(without_redis_a_bind_gets_a_temporary_error),
        TEST(flags_of_a_session_are_set_and_told_once),
        TEST(a_session_may_be_born_with_flags_that_are_for_clients),
        TEST(a_made_resource_is_the_same_for_the_same_client_and_tag),
        TEST(a_tag_that_cannot_be_in_a_resource_is_left_out),
        TEST(earlier_sessions_of_the_client_end_whatever_the_policy),
        SWEEP(the_sessions_of_a_dead_holder_are_swept_and_those_of_a_living_one_stay),
        SWEEP(a_sweep_that_no_router_takes_is_not_taken_for_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
