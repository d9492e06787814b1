/* Sessions whose client is away: taken, kept, given back, ended. */
#include "rig.h"

#include "custody/queue.h"
#include "keeper.h"
#include "registry/lease.h"
#include "stanza/stanza.h"

#define ACCOUNT "a@example.org"
#define JID     ACCOUNT "/desk"

/* What an edge does with a session, and the bus between it and the keeper. */
static struct {
    struct custody custody;
    struct custody_queue queue;
    int made;
    int settled;
    int back; /* missed items to routers, of deliveries */
    uint32_t back_flags;
    struct loop_task unused;
} e;

static char peer_of_tests;
#define PEER ((struct bus_peer *)(void *)&peer_of_tests)

void bus_settle(struct bus_peer *peer, uint64_t token)
{
    (void)peer;
    (void)token;
    e.settled++;
}

int bus_send_to(struct bus_peer *peer, const struct wire_msg *msg, bus_settled_fn *settled,
                void *arg)
{
    (void)peer;
    assert_int_equal(msg->id, WIRE_ID_missed);
    e.back++;
    e.back_flags = msg->u.missed.flags;
    (void)settled; /* the router takes its time */
    (void)arg;
    return 0;
}

static void on_lost(void *arg)
{
    custody_queue_close(arg);
}

static const struct custody_user user = {.lost = on_lost};

static void on_made(void *arg, bool ok)
{
    (void)arg;
    assert_true(ok);
    e.made++;
}

static struct buf encoded(const char *body)
{
    struct buf out = {0};
    char payload[100];
    (void)snprintf(payload, sizeof(payload), "<body>%s</body>", body);
    struct xml_child child = {SPAN("jabber:client"), SPAN("body"), 0, (uint32_t)strlen(payload)};
    struct stanza stanza = {.kind = STANZA_MESSAGE,
                            .type = STANZA_CHAT,
                            .from = SPAN("b@example.org/x"),
                            .to = SPAN(JID),
                            .children = &child,
                            .child_count = 1,
                            .payload = span_cstr(payload)};
    stanza_encode(&stanza, &out);
    return out;
}

/* Romeo says something: to the edge's queue, or as an item to the keeper. */
static void say_to_edge(uint64_t n, const char *body)
{
    struct buf stanza = encoded(body);
    struct wire_deliver item = {.origin_sid = 1, .origin_n = n, .stanza = buf_span(&stanza)};
    struct delivery *delivery = delivery_new(&e.custody, NULL, 0, &item);
    (void)custody_queue_add(&e.queue, delivery);
    delivery_release(delivery);
    buf_deinit(&stanza);
}

static void say_to_keeper(struct rig *rig, uint64_t n, const char *body)
{
    struct buf stanza = encoded(body);
    struct wire_msg msg = {.id = WIRE_ID_deliver};
    msg.u.deliver = (struct wire_deliver){
        .origin_sid = 1, .origin_n = n, .sids = {&rig->sid, 1}, .stanza = buf_span(&stanza)};
    assert_true(keeper_item(rig->session->keeper, PEER, n, &msg));
    buf_deinit(&stanza);
}

static void adopt(struct rig *rig, uint64_t n, uint64_t epoch)
{
    struct buf stanza = encoded("adopt me");
    struct wire_msg msg = {.id = WIRE_ID_adopt};
    msg.u.adopt = (struct wire_adopt){.origin_sid = 1,
                                      .origin_n = n,
                                      .account = SPAN(ACCOUNT),
                                      .sid = rig->sid,
                                      .epoch = epoch,
                                      .stanza = buf_span(&stanza)};
    assert_true(keeper_item(rig->session->keeper, PEER, n, &msg));
    buf_deinit(&stanza);
}

static void manage(struct rig *rig, uint32_t resume_s)
{
    struct wire_msg msg = {.id = WIRE_ID_session_flags};
    assert_string_equal(rig_bind(rig, ACCOUNT, "desk", "edge-1"), "");
    custody_queue_init(&e.queue, &e.custody, &user, &e.queue);
    custody_queue_name(&e.queue, ACCOUNT, rig->sid, 1);
    custody_queue_make(&e.queue, on_made, NULL);
    rig_until(rig, &e.made, 1);
    custody_queue_open(&e.queue);
    msg.u.session_flags = (struct wire_session_flags){
        .jid = SPAN(JID), .sid = rig->sid, .set = WIRE_SESSION_RESUMABLE, .resume_s = resume_s};
    rig_call(rig, &msg);
    assert_string_equal(rig->condition, "");
}

static const char *detach(struct rig *rig, uint64_t epoch, bool ends)
{
    struct wire_msg msg = {.id = WIRE_ID_detach};
    msg.u.detach =
        (struct wire_detach){.jid = SPAN(JID), .sid = rig->sid, .epoch = epoch, .ends = ends};
    rig_call(rig, &msg);
    return rig->condition;
}

static const char *resume(struct rig *rig, const char *holder)
{
    struct wire_msg msg = {.id = WIRE_ID_resume};
    msg.u.resume = (struct wire_resume){.account = SPAN(ACCOUNT),
                                        .sid = rig->sid,
                                        .holder = span_cstr(holder),
                                        .address = SPAN("192.0.2.8"),
                                        .transport = SPAN("tcp")};
    rig_call(rig, &msg);
    return rig->condition;
}

static void until_kept(struct rig *rig, size_t count)
{
    uint64_t deadline = clock_mono_ms() + 20000;
    while (keeper_count(rig->session->keeper) != count) {
        assert_true(clock_mono_ms() < deadline);
        loop_run_once(rig->loop, 1);
    }
}

static int setup(void **state)
{
    (void)setenv("JACKDAW_CLUSTER_LEASE", "1s", 1);
    (void)setenv("JACKDAW_SESSION_SWEEP_INTERVAL", "50ms", 1);
    rig_setup(state);
    struct rig *rig = *state;
    memset(&e, 0, sizeof(e));
    custody_init(&e.custody, &(struct custody_options){.loop = rig->loop,
                                                       .redis = rig->session->redis,
                                                       .remember_ms = 600000,
                                                       .keep_ms = 10000});
    return 0;
}

static int teardown(void **state)
{
    custody_queue_close(&e.queue);
    custody_deinit(&e.custody);
    (void)unsetenv("JACKDAW_SESSION_MAX_QUEUE");
    return rig_teardown(state);
}

/* ---- tests ---- */

static void a_session_is_kept_until_its_client_comes_back(void **state)
{
    struct rig *rig = *state;
    manage(rig, 300);
    say_to_edge(1, "one");
    assert_string_equal(detach(rig, 1, false), "");
    until_kept(rig, 1);
    say_to_keeper(rig, 2, "two");
    say_to_keeper(rig, 1, "one"); /* again: its settlement was lost */
    rig_until(rig, &e.settled, 2);
    assert_string_equal(resume(rig, "edge-2"), "");
    assert_int_equal(rig->epoch, 3);
    assert_string_equal(rig->account, JID);
    until_kept(rig, 0);
    assert_int_equal(rig->routes, 0); /* nobody heard of it */
    say_to_keeper(rig, 3, "three");
    assert_int_equal(e.back, 1); /* goes back to be routed to edge-2 */
    assert_int_equal(e.back_flags, 0);
    assert_string_equal(detach(rig, 1, false), "item-not-found"); /* a call that was late */
}

static void it_is_given_from_one_edge_to_the_other_while_both_live(void **state)
{
    struct rig *rig = *state;
    manage(rig, 300);
    rig->sent[0] = '\0';
    assert_string_equal(resume(rig, "edge-2"), "");
    assert_int_equal(rig->epoch, 2);
    assert_non_null(strstr(rig->sent, "holder=edge-1 conflict"));
}

static void when_its_time_is_over_what_it_has_not_got_finds_another_way(void **state)
{
    struct rig *rig = *state;
    manage(rig, 1);
    say_to_edge(1, "one");
    say_to_edge(2, "two");
    custody_queue_handled(&e.queue, 5, true);
    rig_wait_ms(rig, 50);
    custody_queue_ack(&e.queue, 1);
    custody_queue_save(&e.queue);
    rig_wait_ms(rig, 50);
    assert_string_equal(detach(rig, 1, false), "");
    until_kept(rig, 1);
    say_to_keeper(rig, 3, "three");
    until_kept(rig, 0);
    assert_int_equal(rig->routes, 1); /* unavailable */
    assert_string_equal(rig->missed, "2 3 ");
    assert_non_null(strstr(rig->sent, "bound=0"));
    rig_list(rig);
    assert_string_equal(rig->list, "");
    assert_string_equal(resume(rig, "edge-2"), "item-not-found");
    assert_true(rig->is_known);
    assert_int_equal(rig->handled, 5);
    say_to_keeper(rig, 4, "four");
    assert_int_equal(e.back, 1);
}

static void a_session_that_was_closed_ends_at_once(void **state)
{
    struct rig *rig = *state;
    manage(rig, 300);
    say_to_edge(1, "one");
    rig_wait_ms(rig, 50);
    assert_string_equal(detach(rig, 1, true), "");
    until_kept(rig, 0);
    assert_string_equal(rig->missed, "1 ");
}

static void a_session_whose_place_another_has_taken_leaves_nothing_behind(void **state)
{
    struct rig *rig = *state;
    manage(rig, 300);
    uint64_t old = rig->sid;
    say_to_edge(1, "one");
    rig_wait_ms(rig, 50);
    assert_string_equal(rig_bind(rig, ACCOUNT, "desk", "edge-2"), "");
    uint64_t sid = rig->sid;
    rig->sid = old;
    assert_string_equal(detach(rig, 1, false), "");
    until_kept(rig, 0);
    assert_string_equal(rig->missed, "1 "); /* to the new session, or anybody */
    rig->sid = sid;
    rig_list(rig);
    assert_string_equal(rig->list, JID "\n");
}

static void what_comes_for_a_session_of_a_dead_edge_takes_it_over_once(void **state)
{
    struct rig *rig = *state;
    manage(rig, 300);
    adopt(rig, 1, 1);
    adopt(rig, 2, 1);
    adopt(rig, 1, 1); /* from another router */
    rig_until(rig, &e.settled, 3);
    assert_int_equal(keeper_count(rig->session->keeper), 1);
    assert_int_equal(e.back, 0);
    assert_string_equal(resume(rig, "edge-2"), "");
    assert_int_equal(rig->epoch, 3);
    adopt(rig, 3, 2); /* a router that has not heard of edge-2 */
    rig_until(rig, &e.back, 1);
    assert_int_equal(e.back_flags, 0);
}

static void the_sweep_keeps_what_can_be_resumed(void **state)
{
    struct rig *rig = *state;
    manage(rig, 300);
    assert_string_equal(rig_bind(rig, "b@example.org", "x", "edge-1"), "");
    until_kept(rig, 1); /* edge-1 has no lease that anybody renews */
    rig_until(rig, &rig->routes, 1);
    rig_list(rig);
    assert_string_equal(rig->list, JID "\n");
}

static void a_session_without_resumption_ends_when_it_is_taken(void **state)
{
    struct rig *rig = *state;
    manage(rig, 0);
    say_to_edge(1, "one");
    rig_wait_ms(rig, 50);
    assert_string_equal(resume(rig, "edge-2"), "item-not-found");
    adopt(rig, 2, 1);
    until_kept(rig, 0);
    assert_string_equal(rig->missed, "1 2 ");
}

static void the_operator_ends_a_kept_session(void **state)
{
    struct rig *rig = *state;
    struct wire_msg msg = {.id = WIRE_ID_end_session};
    manage(rig, 300);
    assert_string_equal(detach(rig, 1, false), "");
    until_kept(rig, 1);
    msg.u.end_session = (struct wire_end_session){.holder = SPAN("session-1"), .sid = rig->sid};
    assert_true(keeper_item(rig->session->keeper, PEER, 9, &msg));
    until_kept(rig, 0);
    assert_int_equal(rig->routes, 1);
}

static void a_queue_that_grows_too_long_is_ended(void **state)
{
    struct rig *rig = *state;
    rig_option(rig, "JACKDAW_SESSION_MAX_QUEUE", "16");
    manage(rig, 300);
    assert_string_equal(detach(rig, 1, false), "");
    until_kept(rig, 1);
    rig_wait_ms(rig, 50);
    for (uint64_t n = 1; n <= 17; n++)
        say_to_keeper(rig, n, "more");
    until_kept(rig, 0);
    rig_until(rig, &e.settled, 17); /* kept and routed anew, or told back */
    assert_true(rig->missed_count + e.back >= 17);
}

static void without_redis_the_edge_is_asked_to_try_again(void **state)
{
    struct rig *rig = *state;
    manage(rig, 300);
    private_redis_kill(&rig->server);
    assert_string_equal(detach(rig, 1, false), "resource-constraint");
    assert_string_equal(resume(rig, "edge-2"), "internal-server-error");
    assert_int_equal(keeper_count(rig->session->keeper), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_session_is_kept_until_its_client_comes_back),
        TEST(it_is_given_from_one_edge_to_the_other_while_both_live),
        TEST(when_its_time_is_over_what_it_has_not_got_finds_another_way),
        TEST(a_session_that_was_closed_ends_at_once),
        TEST(a_session_whose_place_another_has_taken_leaves_nothing_behind),
        TEST(what_comes_for_a_session_of_a_dead_edge_takes_it_over_once),
        TEST(the_sweep_keeps_what_can_be_resumed),
        TEST(a_session_without_resumption_ends_when_it_is_taken),
        TEST(the_operator_ends_a_kept_session),
        TEST(a_queue_that_grows_too_long_is_ended),
        TEST(without_redis_the_edge_is_asked_to_try_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
