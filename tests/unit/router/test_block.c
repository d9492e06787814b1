/* XEP-0191 in the router: what is refused, what is dropped, and that a change is in effect once it
 * was settled. */
#include "fixture.h"

#define CHAT(from, to)                                                                             \
    "<message from='" from "' to='" to "' type='chat' id='m'><body>hi</body></message>"
#define ROMEO  "romeo@localhost/orchard"
#define JULIET "juliet@localhost/balcony"

/* Until nobody asks Redis anything more. */
static void redis_answers_all(void)
{
    while (f.load_count > 0)
        redis_answers();
}

static void romeo_sends(const char *xml)
{
    client_sends(f.edge1, 1, xml);
    redis_answers_all();
}

static void juliet_sends(const char *xml)
{
    client_sends(f.edge2, 2, xml);
    redis_answers_all();
}

static int setup_block(void **state)
{
    setup(state);
    f.asks_senders = true;
    redis_blocks("juliet@localhost", "romeo@localhost");
    return 0;
}

static void lists_change(const char *account)
{
    struct wire_msg msg = {.id = WIRE_ID_forget_account};

    msg.u.forget_account.account = span_cstr(account);
    router_item(f.router, f.presence, ++f.next_token, &msg);
    assert_true(is_settled(f.next_token));
}

/* ---- inbound ---- */

static void messages_of_the_blocked_are_unavailable(void **state)
{
    (void)state;
    romeo_sends(CHAT(ROMEO, JULIET));
    check_error(0, "edge-1", 1, "service-unavailable");
    romeo_sends(CHAT(ROMEO, "juliet@localhost"));
    check_error(1, "edge-1", 1, "service-unavailable");
    assert_int_equal(fake.sent_count, 2);
}

static void iqs_of_the_blocked_are_unavailable_and_their_answers_dropped(void **state)
{
    (void)state;
    romeo_sends("<iq from='" ROMEO "' to='" JULIET "' type='get' id='1'><q xmlns='a'/></iq>");
    check_error(0, "edge-1", 1, "service-unavailable");
    romeo_sends("<iq from='" ROMEO "' to='juliet@localhost' type='get' id='2'>"
                "<query xmlns='jabber:iq:last'/></iq>");
    check_error(1, "edge-1", 1, "service-unavailable");
    romeo_sends("<iq from='" ROMEO "' to='" JULIET "' type='result' id='3'/>");
    romeo_sends("<iq from='" ROMEO "' to='" JULIET "' type='error' id='4'/>");
    romeo_sends("<message from='" ROMEO "' to='" JULIET "' type='error' id='5'/>");
    assert_int_equal(fake.sent_count, 2);
}

static void presence_of_the_blocked_is_dropped_without_a_word(void **state)
{
    static const char *const to[] = {"juliet@localhost"};
    static const char *const stanzas[] = {
        "<presence from='" ROMEO "'/>",
        "<presence from='" ROMEO "' type='unavailable'/>",
        "<presence from='romeo@localhost' type='subscribe'/>",
        "<presence from='romeo@localhost' type='subscribed'/>",
        "<presence from='romeo@localhost' type='probe'/>",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(stanzas) / sizeof(stanzas[0]); i++) {
        uint64_t token = service_sends(stanzas[i], i > 1 ? WIRE_FORWARD_INBOUND : 0, to, 1);

        redis_answers_all();
        while (f.asked_count > 0)
            route_cache_existence(f.router->cache, f.asked[--f.asked_count], ROUTE_EXISTS);
        assert_true(is_settled(token));
        lists_change("juliet@localhost");
    }
    assert_int_equal(fake.sent_count, 0);
}

/* ---- outbound ---- */

static void what_the_user_sends_to_the_blocked_is_not_acceptable(void **state)
{
    static const char *const stanzas[] = {
        CHAT(JULIET, ROMEO),
        "<iq from='" JULIET "' to='" ROMEO "' type='get' id='1'><q xmlns='a'/></iq>",
        "<presence from='" JULIET "' to='" ROMEO "'/>",
        "<presence from='" JULIET "' to='romeo@localhost' type='subscribe'/>",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(stanzas) / sizeof(stanzas[0]); i++) {
        juliet_sends(stanzas[i]);
        check_error(i, "edge-2", 2, "<error type=\"cancel\"><not-acceptable");
        check_error(i, "edge-2", 2, "<blocked xmlns=\"urn:xmpp:blocking:errors\"/>");
    }
    juliet_sends("<iq from='" JULIET "' to='" ROMEO "' type='result' id='2'/>");
    assert_int_equal(fake.sent_count, 4);
}

static void a_broadcast_leaves_out_the_blocked(void **state)
{
    static const char *const to[] = {"romeo@localhost", "nurse@localhost"};

    (void)state;
    redis_has("nurse@localhost", "a", "edge-1", 11, 0);
    service_sends("<presence from='" JULIET "'/>", 0, to, 2);
    redis_answers_all();
    assert_int_equal(fake.sent_count, 1);
    check_deliver(0, "edge-1", 1, 11);
}

static void nobody_is_blocked_from_himself(void **state)
{
    (void)state;
    redis_blocks("juliet@localhost", "localhost");
    redis_blocks("juliet@localhost", "juliet@localhost");
    juliet_sends(CHAT(JULIET, "juliet@localhost/chamber"));
    check_deliver(0, "edge-1", 1, 3);
    juliet_sends("<iq from='" JULIET "' to='localhost' type='get' id='1'>"
                 "<ping xmlns='urn:xmpp:ping'/></iq>");
    assert_non_null(strstr(sent_xml(1), "type=\"result\""));
}

/* ---- changes ---- */

static void a_change_is_in_effect_when_it_is_settled(void **state)
{
    (void)state;
    f.blocked_count = 0;
    romeo_sends(CHAT(ROMEO, JULIET));
    juliet_sends(CHAT(JULIET, ROMEO));
    assert_int_equal(fake.sent_count, 2);
    redis_blocks("juliet@localhost", "localhost/x");
    redis_blocks("juliet@localhost", "romeo@localhost/orchard");
    lists_change("juliet@localhost");
    romeo_sends(CHAT(ROMEO, JULIET));
    check_error(2, "edge-1", 1, "service-unavailable");
    juliet_sends(CHAT(JULIET, ROMEO));
    check_error(3, "edge-2", 2, "not-acceptable");
    f.blocked_count = 0;
    lists_change("juliet@localhost");
    romeo_sends(CHAT(ROMEO, JULIET));
    check_deliver(4, "edge-2", 1, 2);
}

/* What Redis said before the change must not be believed after it. */
static void a_change_while_the_account_is_being_read_has_it_read_again(void **state)
{
    (void)state;
    f.blocked_count = 0;
    client_sends(f.edge1, 1, CHAT(ROMEO, JULIET));
    redis_answers(); /* romeo; now juliet is asked for */
    assert_int_equal(f.load_count, 1);
    lists_change("juliet@localhost");
    redis_answers();
    assert_int_equal(fake.sent_count, 0);
    redis_blocks("juliet@localhost", "romeo@localhost");
    redis_answers_all();
    check_error(0, "edge-1", 1, "service-unavailable");
}

static void notices_and_gaps_make_it_forget_too(void **state)
{
    struct wire_msg msg = {.id = WIRE_ID_block_changed};

    (void)state;
    msg.u.block_changed.account = SPAN("juliet@localhost");
    juliet_sends(CHAT(JULIET, ROMEO));
    check_error(0, "edge-2", 2, "not-acceptable");
    f.blocked_count = 0;
    router_notice(f.router, &msg);
    juliet_sends(CHAT(JULIET, ROMEO));
    check_deliver(1, "edge-1", 1, 1);
    redis_blocks("juliet@localhost", "romeo@localhost");
    router_notice_gap(f.router);
    juliet_sends(CHAT(JULIET, ROMEO));
    check_error(2, "edge-2", 2, "not-acceptable");
}

static void who_blocks_nobody_is_asked_for_once(void **state)
{
    (void)state;
    f.blocked_count = 0;
    romeo_sends(CHAT(ROMEO, JULIET));
    romeo_sends(CHAT(ROMEO, JULIET));
    assert_int_equal(f.router->clear.sids[1], 1);
    route_cache_removed(f.router->cache, SPAN("romeo@localhost"));
    client_sends(f.edge1, 1, CHAT(ROMEO, JULIET));
    assert_int_equal(fake.sent_count, 3);
    assert_int_equal(f.load_count, 1); /* by carbons, which hold nothing up */
}

static void order_holds_while_the_sender_is_looked_up(void **state)
{
    (void)state;
    f.blocked_count = 0;
    client_sends(f.edge1, 1, CHAT(ROMEO, JULIET));
    client_sends(f.edge1, 1, "<message from='" ROMEO "' to='" JULIET "' id='second'/>");
    redis_answers_all();
    assert_int_equal(fake.sent_count, 2);
    assert_null(strstr(sent_xml(0), "second"));
    assert_non_null(strstr(sent_xml(1), "second"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_block, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(messages_of_the_blocked_are_unavailable),
        TEST(iqs_of_the_blocked_are_unavailable_and_their_answers_dropped),
        TEST(presence_of_the_blocked_is_dropped_without_a_word),
        TEST(what_the_user_sends_to_the_blocked_is_not_acceptable),
        TEST(a_broadcast_leaves_out_the_blocked),
        TEST(nobody_is_blocked_from_himself),
        TEST(a_change_is_in_effect_when_it_is_settled),
        TEST(a_change_while_the_account_is_being_read_has_it_read_again),
        TEST(notices_and_gaps_make_it_forget_too),
        TEST(who_blocks_nobody_is_asked_for_once),
        TEST(order_holds_while_the_sender_is_looked_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
