/* What the router answers itself: service discovery and the small XEPs. */
#include "fixture.h"

#define ASK(to, payload)                                                                           \
    client_sends(f.edge1, 1,                                                                       \
                 "<iq from='romeo@localhost/orchard' " to " type='get' id='q'>" payload "</iq>")
#define INFO  "<query xmlns='http://jabber.org/protocol/disco#info'/>"
#define ITEMS "<query xmlns='http://jabber.org/protocol/disco#items'/>"

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;

    for (; (text = strstr(text, part)) != NULL; text++)
        count++;
    return count;
}

static void the_server_shows_its_table_and_what_services_announced(void **state)
{
    const char *xml;

    (void)state;
    ASK("to='localhost'", INFO);
    check_deliver(0, "edge-1", 1, 1);
    xml = sent_xml(0);
    assert_non_null(strstr(xml, "type=\"result\""));
    assert_non_null(strstr(xml, "from=\"localhost\""));
    assert_non_null(strstr(xml, "<identity category=\"server\" type=\"im\""));
    assert_int_equal(count_of(xml, "var=\"http://jabber.org/protocol/disco#info\""), 1);
    assert_int_equal(count_of(xml, "var=\"urn:xmpp:ping\""), 1);
    assert_int_equal(count_of(xml, "var=\"jabber:iq:version\""), 1);
    assert_int_equal(count_of(xml, "var=\"urn:xmpp:time\""), 1);
    assert_int_equal(count_of(xml, "var=\"jabber:iq:last\""), 1);
    assert_int_equal(count_of(xml, "var=\"jabber:iq:register\""), 1);
}

static void ones_own_account_shows_what_is_announced_for_accounts(void **state)
{
    const char *xml;

    (void)state;
    ASK("", INFO);
    xml = sent_xml(0);
    assert_non_null(strstr(xml, "<identity category=\"account\" type=\"registered\"/>"));
    assert_int_equal(count_of(xml, "var=\"jabber:iq:last\""), 1);
    assert_int_equal(count_of(xml, "var=\"jabber:iq:register\""), 0);
    ASK("to='romeo@localhost'", INFO);
    assert_non_null(strstr(sent_xml(1), "from=\"romeo@localhost\""));
}

static void somebody_elses_account_is_not_shown(void **state)
{
    (void)state;
    ASK("to='juliet@localhost'", INFO);
    redis_answers();
    check_error(0, "edge-1", 1, "service-unavailable");
    ASK("to='nobody@localhost'", INFO);
    redis_answers();
    check_error(1, "edge-1", 1, "service-unavailable");
    ASK("to='juliet@localhost'", ITEMS);
    ASK("to='nobody@localhost'", ITEMS);
    for (size_t i = 2; i < 4; i++)
        assert_non_null(
            strstr(sent_xml(i), "<query xmlns=\"http://jabber.org/protocol/disco#items\"/>"));
    assert_int_equal(f.asked_count, 0);
}

static void an_anonymous_account_says_so(void **state)
{
    (void)state;
    service_sends("<iq from='romeo@localhost/orchard' "
                  "to='59bec12a-9bab-852b-88f8-d1563f09e549@localhost' type='get' id='q'>" INFO
                  "</iq>",
                  WIRE_FORWARD_VOUCHED, NULL, 0);
    redis_answers();
    assert_non_null(strstr(sent_xml(0), "<identity category=\"account\" type=\"anonymous\"/>"));
}

static void who_is_vouched_for_sees_the_account(void **state)
{
    (void)state;
    service_sends("<iq from='romeo@localhost/orchard' to='juliet@localhost' type='get' id='q'>" INFO
                  "</iq>",
                  WIRE_FORWARD_VOUCHED, NULL, 0);
    redis_answers(); /* romeo, for the answer */
    check_deliver(0, "edge-1", 1, 1);
    assert_non_null(strstr(sent_xml(0), "category=\"account\""));
    assert_non_null(strstr(sent_xml(0), "from=\"juliet@localhost\""));
}

static void what_is_gone_for_long_is_not_shown(void **state)
{
    (void)state;
    f.session->is_up = false;
    router_peer_down(f.router, f.session);
    ASK("to='localhost'", INFO); /* it may be restarting */
    assert_int_equal(count_of(sent_xml(0), "jabber:iq:register"), 1);
}

static void nodes_are_not_found(void **state)
{
    (void)state;
    ASK("to='localhost'", "<query xmlns='http://jabber.org/protocol/disco#info' node='x'/>");
    check_error(0, "edge-1", 1, "item-not-found");
    ASK("to='localhost'", "<query xmlns='http://jabber.org/protocol/disco#items' node='x'/>");
    check_error(1, "edge-1", 1, "item-not-found");
}

static void items_are_an_empty_list(void **state)
{
    (void)state;
    ASK("to='localhost'", ITEMS);
    assert_non_null(strstr(sent_xml(0), "disco#items\"/>"));
    assert_non_null(strstr(sent_xml(0), "type=\"result\""));
}

static void ping_is_answered_for_server_and_own_account(void **state)
{
    (void)state;
    ASK("to='localhost'", "<ping xmlns='urn:xmpp:ping'/>");
    assert_string_equal(sent_xml(0), "<iq from=\"localhost\" to=\"romeo@localhost/orchard\" "
                                     "type=\"result\" id=\"q\"/>");
    ASK("", "<ping xmlns='urn:xmpp:ping'/>");
    assert_non_null(strstr(sent_xml(1), "type=\"result\""));
    ASK("to='juliet@localhost'", "<ping xmlns='urn:xmpp:ping'/>");
    redis_answers();
    check_error(2, "edge-1", 1, "service-unavailable");
}

static void version_time_and_uptime_are_told(void **state)
{
    (void)state;
    ASK("to='localhost'", "<query xmlns='jabber:iq:version'/>");
    assert_non_null(strstr(sent_xml(0), "<name>Jackdaw</name>"));
    ASK("to='localhost'", "<time xmlns='urn:xmpp:time'/>");
    assert_non_null(strstr(sent_xml(1), "<tzo>+00:00</tzo><utc>20"));
    ASK("to='localhost'", "<query xmlns='jabber:iq:last'/>");
    assert_non_null(strstr(sent_xml(2), "seconds=\"0\""));
}

static void wrong_questions_are_refused(void **state)
{
    (void)state;
    ASK("to='localhost'", "<pong xmlns='urn:xmpp:ping'/>");
    check_error(0, "edge-1", 1, "bad-request");
    client_sends(f.edge1, 1,
                 "<iq from='romeo@localhost/orchard' to='localhost' type='set' id='s'>"
                 "<ping xmlns='urn:xmpp:ping'/></iq>");
    check_error(1, "edge-1", 1, "service-unavailable");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_server_shows_its_table_and_what_services_announced),
        TEST(ones_own_account_shows_what_is_announced_for_accounts),
        TEST(somebody_elses_account_is_not_shown),
        TEST(who_is_vouched_for_sees_the_account),
        TEST(an_anonymous_account_says_so),
        TEST(what_is_gone_for_long_is_not_shown),
        TEST(nodes_are_not_found),
        TEST(items_are_an_empty_list),
        TEST(ping_is_answered_for_server_and_own_account),
        TEST(version_time_and_uptime_are_told),
        TEST(wrong_questions_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
