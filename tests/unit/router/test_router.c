/* Whole ways of stanzas through the router, with bus and registry played by the test. */
#include "fixture.h"

#define CHAT(to)                                                                                   \
    "<message from='romeo@localhost/orchard' to='" to "' type='chat'><body>hi</body></message>"
#define ROMEO(xml) client_sends(f.edge1, 1, xml)

/* ---- delivery and custody ---- */

static void chat_to_a_bare_jid_goes_to_the_highest_priority(void **state)
{
    uint64_t token = ROMEO(CHAT("juliet@localhost"));

    (void)state;
    assert_int_equal(fake.sent_count, 0);
    assert_int_equal(redis_answers(), 2); /* both accounts: the sender's for carbons */
    assert_int_equal(fake.sent_count, 1);
    check_deliver(0, "edge-2", 1, 2);
    assert_false(is_settled(token));
    fake_settle(0, BUS_SETTLED);
    assert_true(is_settled(token));
    assert_int_equal(f.router->job_count, 0);
}

static void resources_of_equal_priority_all_get_it_and_custody_waits_for_all(void **state)
{
    uint64_t token;

    (void)state;
    redis_has("nurse@localhost", "a", "edge-1", 11, 0);
    redis_has("nurse@localhost", "b", "edge-2", 12, 0);
    redis_has("nurse@localhost", "c", "edge-2", 13, -1);
    token = ROMEO(CHAT("nurse@localhost"));
    redis_answers();
    assert_int_equal(fake.sent_count, 2);
    fake_settle(0, BUS_SETTLED);
    assert_false(is_settled(token));
    fake_settle(1, BUS_SETTLED);
    assert_true(is_settled(token));
}

static void headline_goes_to_all_that_are_not_negative_in_one_parcel_per_holder(void **state)
{
    (void)state;
    redis_has("nurse@localhost", "a", "edge-1", 11, 7);
    redis_has("nurse@localhost", "b", "edge-1", 12, 0);
    redis_has("nurse@localhost", "c", "edge-1", 13, -1);
    ROMEO("<message from='romeo@localhost/orchard' to='nurse@localhost' type='headline'/>");
    redis_answers();
    assert_int_equal(fake.sent_count, 1);
    check_deliver(0, "edge-1", 2, 11, 12);
}

static void what_is_remembered_is_delivered_at_once(void **state)
{
    (void)state;
    ROMEO(CHAT("juliet@localhost"));
    redis_answers();
    ROMEO(CHAT("juliet@localhost/chamber"));
    assert_int_equal(fake.sent_count, 2);
    check_deliver(1, "edge-1", 1, 3);
    assert_int_equal(f.load_count, 0);
}

static void order_holds_while_an_account_is_looked_up(void **state)
{
    (void)state;
    ROMEO(CHAT("juliet@localhost/balcony"));
    ROMEO("<message from='romeo@localhost/orchard' to='juliet@localhost' id='second'/>");
    assert_int_equal(f.load_count, 2); /* each account once */
    redis_answers();
    assert_int_equal(fake.sent_count, 2);
    assert_null(strstr(sent_xml(0), "second"));
    assert_non_null(strstr(sent_xml(1), "second"));
}

static void message_without_to_is_for_ones_own_account(void **state)
{
    (void)state;
    ROMEO("<message from='romeo@localhost/orchard'><body>note</body></message>");
    redis_answers();
    check_deliver(0, "edge-1", 1, 1);
}

/* ---- not there ---- */

static void not_there_is_verified_before_the_sender_is_told(void **state)
{
    uint64_t token;

    (void)state;
    ROMEO(CHAT("mercutio@localhost"));
    redis_answers();
    check_error(0, "edge-1", 1, "service-unavailable");
    redis_has("mercutio@localhost", "square", "edge-2", 21, 0); /* no notice came yet */
    token = ROMEO(CHAT("mercutio@localhost"));
    assert_int_equal(fake.sent_count, 1);
    redis_answers();
    check_deliver(1, "edge-2", 1, 21);
    redis_lost(21);
    fake_settle(1, BUS_SETTLED);
    assert_true(is_settled(token));
}

static void the_sender_keeps_custody_until_the_error_is_there(void **state)
{
    uint64_t token = ROMEO(CHAT("mercutio@localhost"));

    (void)state;
    redis_answers();
    assert_false(is_settled(token));
    fake_settle(0, BUS_SETTLED);
    assert_true(is_settled(token));
    assert_int_equal(f.router->job_count, 0);
}

static void error_replies_name_an_origin_of_their_own(void **state)
{
    (void)state;
    ROMEO(CHAT("mercutio@localhost"));
    redis_answers();
    assert_true(fake.sent[0].msg.u.deliver.origin_sid > 1); /* not the sender's */
    assert_int_equal(fake.sent[0].msg.u.deliver.origin_n, f.next_n);
}

/* After a crash the question comes again, to a router that knows nothing of the first answer. */
static void a_question_asked_again_is_answered_with_the_same_origin(void **state)
{
    struct wire_deliver first;
    const struct wire_deliver *again = &fake.sent[0].msg.u.deliver;

    ROMEO(CHAT("mercutio@localhost"));
    redis_answers();
    first = fake.sent[0].msg.u.deliver;
    teardown(state);
    setup(state);
    ROMEO(CHAT("mercutio@localhost"));
    redis_answers();
    check_error(0, "edge-1", 1, "service-unavailable");
    assert_true(again->origin_sid == first.origin_sid);
    assert_true(again->origin_n == first.origin_n);
}

static void every_question_has_an_answer_of_its_own(void **state)
{
    (void)state;
    ROMEO(CHAT("mercutio@localhost"));
    ROMEO(CHAT("mercutio@localhost"));
    client_sends(f.edge2, 2,
                 "<message from='juliet@localhost/balcony' to='mercutio@localhost' "
                 "type='chat'/>");
    for (int i = 0; i < 4 && f.load_count > 0; i++)
        redis_answers();
    assert_int_equal(fake.sent_count, 3);
    assert_true(fake.sent[0].msg.u.deliver.origin_sid == fake.sent[1].msg.u.deliver.origin_sid);
    assert_true(fake.sent[0].msg.u.deliver.origin_n != fake.sent[1].msg.u.deliver.origin_n);
    assert_true(fake.sent[0].msg.u.deliver.origin_sid != fake.sent[2].msg.u.deliver.origin_sid);
}

static void chat_to_a_resource_that_is_gone_goes_to_another(void **state)
{
    (void)state;
    ROMEO(CHAT("juliet@localhost/tomb"));
    redis_answers();
    check_deliver(0, "edge-2", 1, 2);
}

static void normal_message_to_a_resource_that_is_gone_is_answered(void **state)
{
    (void)state;
    ROMEO("<message from='romeo@localhost/orchard' to='juliet@localhost/tomb'/>");
    redis_answers();
    check_error(0, "edge-1", 1, "service-unavailable");
}

static void errors_are_dropped_in_silence(void **state)
{
    uint64_t token = ROMEO("<message from='romeo@localhost/orchard' to='mercutio@localhost/x' "
                           "type='error'/>");

    (void)state;
    redis_answers();
    redis_answers();
    assert_int_equal(fake.sent_count, 0);
    assert_true(is_settled(token));
}

static void foreign_domains_are_not_found(void **state)
{
    (void)state;
    ROMEO(CHAT("juliet@capulet.example"));
    check_error(0, "edge-1", 1, "remote-server-not-found");
    ROMEO(CHAT("room@conference.localhost"));
    check_error(1, "edge-1", 1, "remote-server-not-found");
    ROMEO("<iq from='romeo@localhost/orchard' to='x.example' type='result' id='1'/>");
    assert_int_equal(fake.sent_count, 2);
}

static void redis_away_means_try_again_later(void **state)
{
    (void)state;
    ROMEO(CHAT("mercutio@localhost"));
    redis_answers();
    f.redis_is_up = false;
    ROMEO(CHAT("mercutio@localhost"));
    check_error(1, "edge-1", 1, "resource-constraint");
    ROMEO(CHAT("romeo@localhost/orchard"));
}

/* ---- holders that come and go ---- */

static void missed_sessions_are_left_out_the_second_time(void **state)
{
    struct wire_msg msg = {.id = WIRE_ID_missed};
    uint64_t sid = 2;

    (void)state;
    ROMEO(CHAT("juliet@localhost"));
    redis_answers();
    fake_settle(0, BUS_SETTLED);
    msg.u.missed = (struct wire_missed){.origin_sid = 1,
                                        .origin_n = 1,
                                        .sids = {&sid, 1},
                                        .stanza = encoded(CHAT("juliet@localhost"))};
    router_item(f.router, f.edge2, ++f.next_token, &msg);
    redis_answers(); /* romeo: whom he blocks */
    check_deliver(1, "edge-1", 1, 3);
    assert_int_equal(fake.sent[1].msg.u.deliver.origin_n, 1);
}

static void what_another_resource_has_got_is_not_sent_to_it_again(void **state)
{
    struct wire_msg msg = {.id = WIRE_ID_missed};
    uint64_t sid = 12;

    (void)state;
    redis_has("nurse@localhost", "a", "edge-1", 11, 0);
    redis_has("nurse@localhost", "b", "edge-2", 12, 0);
    ROMEO(CHAT("nurse@localhost"));
    redis_answers();
    assert_int_equal(fake.sent_count, 2);
    msg.u.missed =
        (struct wire_missed){.sids = {&sid, 1}, .stanza = encoded(CHAT("nurse@localhost"))};
    router_item(f.router, f.edge2, ++f.next_token, &msg);
    assert_int_equal(fake.sent_count, 2);
    assert_true(is_settled(f.next_token));
}

static void missed_by_the_last_session_is_an_error_for_the_sender(void **state)
{
    struct wire_msg msg = {.id = WIRE_ID_missed};
    uint64_t sid = 21;

    (void)state;
    redis_has("mercutio@localhost", "square", "edge-2", 21, 0); /* Redis still has it */
    msg.u.missed =
        (struct wire_missed){.sids = {&sid, 1}, .stanza = encoded(CHAT("mercutio@localhost"))};
    router_item(f.router, f.edge2, ++f.next_token, &msg);
    redis_answers(); /* mercutio: has the session moved? */
    redis_answers(); /* and is nobody else there? */
    redis_answers(); /* romeo, for the error */
    check_error(0, "edge-1", 1, "service-unavailable");
    fake_settle(0, BUS_SETTLED);
    assert_true(is_settled(f.next_token));
}

static void what_a_dead_holder_had_goes_to_another_resource(void **state)
{
    uint64_t token = ROMEO(CHAT("juliet@localhost"));

    (void)state;
    redis_answers();
    fake_settle(0, BUS_LOST);
    check_deliver(1, "edge-1", 1, 3);
    assert_false(is_settled(token));
    fake_settle(1, BUS_SETTLED);
    assert_true(is_settled(token));
    ROMEO(CHAT("juliet@localhost")); /* the dead one is not tried again */
    check_deliver(2, "edge-1", 1, 3);
}

static void a_holder_that_was_not_heard_of_yet_is_waited_for(void **state)
{
    struct bus_peer *edge3;

    (void)state;
    redis_has("mercutio@localhost", "square", "edge-3", 21, 0);
    ROMEO(CHAT("mercutio@localhost"));
    redis_answers();
    assert_int_equal(fake.sent_count, 0);
    edge3 = fake_peer("edge", "edge-3");
    router_peer_up(f.router, edge3);
    check_deliver(0, "edge-3", 1, 21);
}

static void a_full_backlog_is_waited_for(void **state)
{
    (void)state;
    ROMEO(CHAT("juliet@localhost"));
    fake.is_full = true;
    redis_answers();
    assert_int_equal(fake.sent_count, 0);
    fake.is_full = false;
    for (int i = 0; i < 100 && fake.sent_count == 0; i++)
        loop_run_once(f.loop, 1);
    check_deliver(0, "edge-2", 1, 2);
}

static void nothing_is_settled_with_a_peer_that_is_gone(void **state)
{
    (void)state;
    client_sends(f.edge2, 2,
                 "<message from='juliet@localhost/balcony' to='romeo@localhost/orchard'/>");
    redis_answers();
    f.edge2->is_up = false;
    router_peer_down(f.router, f.edge2);
    fake_settle(0, BUS_SETTLED); /* the fake aborts on a settle with a dead peer */
    assert_int_equal(f.router->job_count, 0);
}

static void sessions_to_be_ended_are_told_by_their_holder(void **state)
{
    struct wire_msg msg = {.id = WIRE_ID_end_session};

    (void)state;
    msg.u.end_session = (struct wire_end_session){
        .holder = SPAN("edge-2"), .sid = 2, .condition = SPAN("conflict")};
    router_item(f.router, f.session, ++f.next_token, &msg);
    assert_string_equal(fake.sent[0].to, "edge-2");
    fake_settle(0, BUS_SETTLED);
    assert_true(is_settled(f.next_token));
    msg.u.end_session.holder = SPAN("edge-9");
    router_item(f.router, f.session, ++f.next_token, &msg);
    assert_true(is_settled(f.next_token));
}

/* ---- services ---- */

static void presence_of_clients_goes_to_the_daemon_of_the_sender(void **state)
{
    (void)state;
    ROMEO("<presence from='romeo@localhost/orchard'/>");
    check_handle(0, "presence", "romeo@localhost", false);
    ROMEO("<presence from='romeo@localhost/orchard' to='juliet@localhost' type='subscribe'/>");
    check_handle(1, "presence", "romeo@localhost", false);
}

static void a_message_waits_for_the_presence_before_it(void **state)
{
    (void)state;
    ROMEO("<presence from='romeo@localhost/orchard' to='juliet@localhost/chamber'/>");
    ROMEO(CHAT("juliet@localhost/chamber"));
    client_sends(f.edge2, 2,
                 "<message from='juliet@localhost/balcony' to='juliet@localhost/chamber'/>");
    redis_answers();
    assert_int_equal(fake.sent_count, 2); /* others do not wait */
    fake_settle(0, BUS_SETTLED);
    assert_int_equal(fake.sent_count, 3);
    check_deliver(2, "edge-1", 1, 3);
}

static void stanzas_of_one_service_do_not_wait_for_each_other(void **state)
{
    (void)state;
    ROMEO("<iq from='romeo@localhost/orchard' type='get' id='1'><query "
          "xmlns='jabber:iq:roster'/></iq>");
    ROMEO("<presence from='romeo@localhost/orchard'/>");
    assert_int_equal(fake.sent_count, 2);
    check_handle(0, "presence", "romeo@localhost", false);
    ROMEO("<iq from='romeo@localhost/orchard' type='get' id='2'><query "
          "xmlns='jabber:iq:register'/></iq>");
    assert_int_equal(fake.sent_count, 2); /* of another one they do */
    fake_settle(0, BUS_SETTLED);
    assert_int_equal(fake.sent_count, 2);
    fake_settle(1, BUS_SETTLED);
    check_handle(2, "session", "romeo@localhost", false);
}

static void iq_nobody_answers_is_unavailable(void **state)
{
    (void)state;
    ROMEO("<iq from='romeo@localhost/orchard' to='localhost' type='get' id='1'><query "
          "xmlns='jabber:iq:private'/></iq>");
    check_error(0, "edge-1", 1, "service-unavailable");
    ROMEO("<iq from='romeo@localhost/orchard' type='set' id='2'><query "
          "xmlns='jabber:iq:private'/></iq>");
    check_error(1, "edge-1", 1, "service-unavailable");
    ROMEO("<iq from='romeo@localhost/orchard' to='juliet@localhost' type='set' id='3'><query "
          "xmlns='jabber:iq:private'/></iq>");
    redis_answers();
    check_error(2, "edge-1", 1, "service-unavailable");
}

static void what_is_the_owners_alone_is_forbidden_to_others(void **state)
{
    (void)state;
    ROMEO("<iq from='romeo@localhost/orchard' to='juliet@localhost' type='get' id='1'><query "
          "xmlns='jabber:iq:roster'/></iq>");
    redis_answers();
    check_error(0, "edge-1", 1, "forbidden");
    ROMEO("<iq from='romeo@localhost/orchard' to='nobody@localhost' type='get' id='2'><query "
          "xmlns='jabber:iq:roster'/></iq>");
    redis_answers();
    check_error(1, "edge-1", 1, "forbidden"); /* nobody learns who exists */
    assert_int_equal(f.asked_count, 0);
}

static void iq_to_an_account_asks_whether_it_exists(void **state)
{
    static const char iq[] = "<iq from='romeo@localhost/orchard' to='tybalt@localhost' type='get' "
                             "id='1'><query xmlns='jabber:iq:last'/></iq>";

    (void)state;
    ROMEO(iq);
    redis_answers();
    assert_int_equal(f.asked_count, 1);
    route_cache_existence(f.router->cache, SPAN("tybalt@localhost"), ROUTE_EXISTS_NOT);
    check_error(0, "edge-1", 1, "service-unavailable");
    ROMEO(iq); /* was registered meanwhile */
    assert_int_equal(f.asked_count, 2);
    route_cache_existence(f.router->cache, SPAN("tybalt@localhost"), ROUTE_EXISTS);
    check_handle(1, "presence", "tybalt@localhost", true);
    ROMEO(iq);
    assert_int_equal(f.asked_count, 2);
}

static void iq_to_a_resource_is_delivered_or_unavailable(void **state)
{
    (void)state;
    ROMEO("<iq from='romeo@localhost/orchard' to='juliet@localhost/balcony' type='get' id='1'>"
          "<query xmlns='jabber:iq:version'/></iq>");
    redis_answers();
    check_deliver(0, "edge-2", 1, 2);
    client_sends(f.edge2, 2,
                 "<iq from='juliet@localhost/balcony' to='romeo@localhost/orchard' type='result' "
                 "id='1'/>");
    redis_answers();
    check_deliver(1, "edge-1", 1, 1);
    ROMEO("<iq from='romeo@localhost/orchard' to='juliet@localhost/tomb' type='get' id='2'>"
          "<query xmlns='jabber:iq:version'/></iq>");
    redis_answers();
    check_error(2, "edge-1", 1, "service-unavailable");
}

static void early_iqs_wait_for_services_to_say_hello(void **state)
{
    uint64_t token = ROMEO("<iq from='romeo@localhost/orchard' type='get' id='1'><query "
                           "xmlns='jabber:iq:roster'/></iq>");

    (void)state;
    assert_int_equal(fake.sent_count, 0);
    services_come();
    check_handle(0, "presence", "romeo@localhost", false);
    fake_settle(0, BUS_SETTLED);
    assert_true(is_settled(token));
}

/* ---- stanzas of services ---- */

static void fan_out_is_one_parcel_per_holder(void **state)
{
    static const char *const to[] = {"juliet@localhost", "romeo@localhost/orchard",
                                     "tybalt@localhost", "x@example.org"};
    uint64_t token;

    (void)state;
    redis_has("tybalt@localhost", "t", "edge-2", 31, -5);
    ROMEO(CHAT("juliet@localhost"));
    ROMEO(CHAT("romeo@localhost"));
    client_sends(f.edge1, 5, CHAT("tybalt@localhost/t"));
    redis_answers();
    fake_settle_all();
    route_cache_warm(f.router->cache, SPAN("nurse@localhost"));
    redis_answers();
    token = service_sends("<presence from='nurse@localhost/n'/>", 0, to, 4);
    assert_int_equal(fake.sent_count, 5);
    assert_false(is_settled(token));
    fake_settle_all();
    assert_true(is_settled(token));
    for (size_t i = 3; i < 5; i++) {
        if (strcmp(fake.sent[i].to, "edge-1") == 0)
            check_deliver(i, "edge-1", 2, 3, 1);
        else
            check_deliver(i, "edge-2", 2, 2, 31);
    }
}

static void inbound_presence_reaches_the_daemon_of_each_recipient(void **state)
{
    static const char *const to[] = {"juliet@localhost", "tybalt@localhost"};
    uint64_t token = service_sends("<presence from='romeo@localhost' type='subscribe'/>",
                                   WIRE_FORWARD_INBOUND, to, 2);

    (void)state;
    redis_answers();
    assert_int_equal(f.asked_count, 2);
    route_cache_existence(f.router->cache, SPAN("tybalt@localhost"), ROUTE_EXISTS_NOT);
    route_cache_existence(f.router->cache, SPAN("juliet@localhost"), ROUTE_EXISTS);
    assert_int_equal(fake.sent_count, 1);
    check_handle(0, "presence", "juliet@localhost", true);
    assert_non_null(strstr(sent_xml(0), "to=\"juliet@localhost\""));
    assert_false(is_settled(token));
    fake_settle(0, BUS_SETTLED);
    assert_true(is_settled(token));
}

static void probes_reach_the_daemon_whether_there_is_an_account_or_not(void **state)
{
    static const char *const to[] = {"juliet@localhost", "tybalt@localhost"};
    uint64_t token = service_sends("<presence from='romeo@localhost/orchard' type='probe'/>",
                                   WIRE_FORWARD_INBOUND, to, 2);

    (void)state;
    redis_answers();
    assert_int_equal(f.asked_count, 0);
    assert_int_equal(fake.sent_count, 2);
    check_handle(0, "presence", "juliet@localhost", true);
    check_handle(1, "presence", "tybalt@localhost", true);
    fake_settle_all();
    assert_true(is_settled(token));
}

static const struct span guard_line = {"iq jabber:iq:last full", 22};

/* XEP-0012 section 4: a service that announced it says who may ask a session. */
static void a_guarded_request_goes_to_its_guard_first(void **state)
{
    struct bus_peer *guard = fake_peer("presence", "presence-1");

    (void)state;
    guard->lines = &guard_line;
    guard->line_count = 1;
    router_peer_up(f.router, guard);
    client_sends(f.edge1, 1,
                 "<iq from='romeo@localhost/orchard' to='juliet@localhost/balcony' type='get' "
                 "id='q'><query xmlns='jabber:iq:last'/></iq>");
    client_sends(f.edge1, 1,
                 "<iq from='romeo@localhost/orchard' to='juliet@localhost/nowhere' type='get' "
                 "id='q'><query xmlns='jabber:iq:last'/></iq>");
    redis_answers();
    assert_int_equal(fake.sent_count, 2);
    check_handle(0, "presence", "juliet@localhost", true);
    check_handle(1, "presence", "juliet@localhost", true);
    service_sends("<iq from='romeo@localhost/orchard' to='juliet@localhost/balcony' type='get' "
                  "id='q'><query xmlns='jabber:iq:last'/></iq>",
                  0, NULL, 0);
    redis_answers();
    check_deliver(2, "edge-2", 1, 2);
}

static void subscriptions_dealt_with_reach_the_clients(void **state)
{
    (void)state;
    service_sends("<presence from='romeo@localhost' to='juliet@localhost' type='subscribe'/>", 0,
                  NULL, 0);
    redis_answers(); /* romeo */
    redis_answers(); /* juliet */
    assert_int_equal(fake.sent_count, 2);
}

static void lost_presence_is_nobodys(void **state)
{
    static const char *const to[] = {"juliet@localhost/balcony"};
    uint64_t token = service_sends("<presence from='romeo@localhost/orchard'/>", 0, to, 1);

    (void)state;
    redis_answers(); /* romeo */
    redis_answers(); /* juliet */
    fake_settle(0, BUS_LOST);
    assert_int_equal(fake.sent_count, 1);
    assert_true(is_settled(token));
}

static void what_is_no_stanza_is_settled_and_forgotten(void **state)
{
    struct wire_msg msg = {.id = WIRE_ID_route};

    (void)state;
    msg.u.route.stanza = SPAN("nonsense");
    router_item(f.router, f.edge1, ++f.next_token, &msg);
    assert_true(is_settled(f.next_token));
    ROMEO("<message to='juliet@localhost'/>"); /* `from` was not stamped */
    assert_true(is_settled(f.next_token));
    msg.id = WIRE_ID_handle;
    router_item(f.router, f.edge1, ++f.next_token, &msg);
    assert_true(is_settled(f.next_token));
    assert_int_equal(fake.sent_count, 0);
}

#define TEST(name)  cmocka_unit_test_setup_teardown(name, setup, teardown)
#define EARLY(name) cmocka_unit_test_setup_teardown(name, setup_router, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(chat_to_a_bare_jid_goes_to_the_highest_priority),
        TEST(resources_of_equal_priority_all_get_it_and_custody_waits_for_all),
        TEST(headline_goes_to_all_that_are_not_negative_in_one_parcel_per_holder),
        TEST(what_is_remembered_is_delivered_at_once),
        TEST(order_holds_while_an_account_is_looked_up),
        TEST(message_without_to_is_for_ones_own_account),
        TEST(not_there_is_verified_before_the_sender_is_told),
        TEST(the_sender_keeps_custody_until_the_error_is_there),
        TEST(error_replies_name_an_origin_of_their_own),
        TEST(a_question_asked_again_is_answered_with_the_same_origin),
        TEST(every_question_has_an_answer_of_its_own),
        TEST(chat_to_a_resource_that_is_gone_goes_to_another),
        TEST(normal_message_to_a_resource_that_is_gone_is_answered),
        TEST(errors_are_dropped_in_silence),
        TEST(foreign_domains_are_not_found),
        TEST(redis_away_means_try_again_later),
        TEST(missed_sessions_are_left_out_the_second_time),
        TEST(what_another_resource_has_got_is_not_sent_to_it_again),
        TEST(missed_by_the_last_session_is_an_error_for_the_sender),
        TEST(what_a_dead_holder_had_goes_to_another_resource),
        TEST(a_holder_that_was_not_heard_of_yet_is_waited_for),
        TEST(a_full_backlog_is_waited_for),
        TEST(nothing_is_settled_with_a_peer_that_is_gone),
        TEST(sessions_to_be_ended_are_told_by_their_holder),
        TEST(presence_of_clients_goes_to_the_daemon_of_the_sender),
        TEST(a_message_waits_for_the_presence_before_it),
        TEST(stanzas_of_one_service_do_not_wait_for_each_other),
        TEST(iq_nobody_answers_is_unavailable),
        TEST(what_is_the_owners_alone_is_forbidden_to_others),
        TEST(iq_to_an_account_asks_whether_it_exists),
        TEST(iq_to_a_resource_is_delivered_or_unavailable),
        EARLY(early_iqs_wait_for_services_to_say_hello),
        TEST(fan_out_is_one_parcel_per_holder),
        TEST(inbound_presence_reaches_the_daemon_of_each_recipient),
        TEST(probes_reach_the_daemon_whether_there_is_an_account_or_not),
        TEST(a_guarded_request_goes_to_its_guard_first),
        TEST(subscriptions_dealt_with_reach_the_clients),
        TEST(lost_presence_is_nobodys),
        TEST(what_is_no_stanza_is_settled_and_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
