/* XEP-0280 in the router: who gets copies of what. */
#include "carbons.h"
#include "fixture.h"

#define ROMEO             "romeo@localhost/orchard"
#define JULIET            "juliet@localhost"
#define CHAT(to, payload) "<message from='" ROMEO "' to='" to "' type='chat'>" payload "</message>"
#define BODY              "<body>hi</body>"

/* Romeo sends from session 1 and has a phone; juliet has balcony (2) and chamber (3); the phone and chamber
 * want copies. */
static int setup_carbons(void **state)
{
    if (setup(state) != 0)
        return -1;
    redis_has("romeo@localhost", "phone", "edge-2", 21, 0);
    f.sessions[f.session_count - 1].loaded.flags = WIRE_SESSION_CARBONS;
    for (size_t i = 0; i < f.session_count; i++) {
        if (f.sessions[i].loaded.sid == 3)
            f.sessions[i].loaded.flags = WIRE_SESSION_CARBONS;
    }
    return 0;
}

static void send_from_romeo(const char *xml)
{
    client_sends(f.edge1, 1, xml);
    redis_answers();
    redis_answers();
}

/* The index of the delivery to session `sid`, which must be there exactly `times` times. */
static size_t delivery_to(uint64_t sid, size_t times)
{
    size_t found = 0, at = 0;

    for (size_t i = 0; i < fake.sent_count; i++) {
        const struct wire_msg *msg = &fake.sent[i].msg;
        for (uint32_t k = 0; msg->id == WIRE_ID_deliver && k < msg->u.deliver.sids.count; k++) {
            if (msg->u.deliver.sids.items[k] == sid) {
                at = i;
                found++;
            }
        }
    }
    assert_int_equal(found, times);
    return at;
}

static void copies_go_to_the_other_sessions_of_both(void **state)
{
    (void)state;
    send_from_romeo(CHAT(JULIET "/balcony", BODY));
    (void)delivery_to(2, 1);
    (void)delivery_to(1, 0);
    const char *sent = sent_xml(delivery_to(21, 1));
    assert_non_null(strstr(sent, "to=\"romeo@localhost/phone\""));
    assert_non_null(strstr(sent, "from=\"romeo@localhost\""));
    assert_non_null(strstr(sent, "<sent xmlns=\"urn:xmpp:carbons:2\"><forwarded "
                                 "xmlns=\"urn:xmpp:forward:0\"><message "));
    assert_non_null(strstr(sent, "to=\"juliet@localhost/balcony\""));
    const char *received = sent_xml(delivery_to(3, 1));
    assert_non_null(strstr(received, "to=\"juliet@localhost/chamber\""));
    assert_non_null(strstr(received, "from=\"juliet@localhost\""));
    assert_non_null(strstr(received, "<received xmlns=\"urn:xmpp:carbons:2\">"));
    assert_non_null(strstr(received, "<body>hi</body>"));
}

static void nobody_gets_a_message_and_its_copy(void **state)
{
    (void)state;
    for (size_t i = 0; i < f.session_count; i++)
        f.sessions[i].loaded.flags = WIRE_SESSION_CARBONS;
    send_from_romeo(CHAT(JULIET, BODY));
    (void)delivery_to(2, 1);
    (void)delivery_to(3, 1);
    (void)delivery_to(1, 0);
    (void)delivery_to(21, 1);
}

static void a_message_to_oneself_is_copied_once(void **state)
{
    (void)state;
    redis_has("romeo@localhost", "desk", "edge-2", 22, -1);
    f.sessions[f.session_count - 1].loaded.flags = WIRE_SESSION_CARBONS;
    send_from_romeo(CHAT("romeo@localhost/phone", BODY));
    assert_null(strstr(sent_xml(delivery_to(21, 1)), "carbons"));
    assert_non_null(strstr(sent_xml(delivery_to(22, 1)), "<received "));
}

static void custody_waits_for_the_copies(void **state)
{
    (void)state;
    uint64_t token = client_sends(f.edge1, 1, CHAT(JULIET "/balcony", BODY));
    redis_answers();
    assert_int_equal(fake.sent_count, 3);
    fake_settle(0, BUS_SETTLED);
    fake_settle(1, BUS_SETTLED);
    assert_false(is_settled(token));
    fake_settle(2, BUS_SETTLED);
    assert_true(is_settled(token));
}

static void a_copy_for_a_session_that_is_gone_is_for_nobody(void **state)
{
    (void)state;
    uint64_t token = client_sends(f.edge1, 1, CHAT(JULIET "/balcony", BODY));
    redis_answers();
    size_t copy = delivery_to(21, 1);
    size_t before = fake.sent_count;
    redis_lost(21);
    for (size_t i = 0; i < before; i++)
        fake_settle(i, i == copy ? BUS_LOST : BUS_SETTLED);
    redis_answers();
    assert_int_equal(fake.sent_count, before);
    assert_true(is_settled(token));
}

static void an_error_of_ours_is_copied_to_the_senders_other_sessions(void **state)
{
    (void)state;
    send_from_romeo(CHAT("nobody@localhost", BODY));
    assert_non_null(strstr(sent_xml(delivery_to(1, 1)), "type=\"error\""));
    for (size_t i = 0, copies = 0; i < fake.sent_count; i++) {
        copies += strstr(sent_xml(i), "<received ") != NULL &&
                  strstr(sent_xml(i), "to=\"romeo@localhost/phone\"");
        assert_true(i + 1 < fake.sent_count || copies == 1);
    }
}

/* ---- which messages: section 6.1 ---- */

static bool eligible(const char *xml)
{
    struct stanza stanza;
    assert_int_equal(stanza_decode(encoded(xml), &f.arena, &stanza), 0);
    return carbons_is_eligible(&stanza);
}

#define MESSAGE(type, payload)                                                                     \
    "<message from='" ROMEO "' to='" JULIET "'" type ">" payload "</message>"

static void the_rules_of_section_6_1(void **state)
{
    (void)state;
    assert_true(eligible(MESSAGE(" type='chat'", "")));
    assert_true(eligible(MESSAGE(" type='chat'", BODY)));
    assert_true(eligible(MESSAGE("", BODY)));
    assert_false(eligible(MESSAGE("", "<x xmlns='urn:other'/>")));
    assert_true(eligible(MESSAGE("", "<received xmlns='urn:xmpp:receipts' id='1'/>")));
    assert_true(eligible(MESSAGE("", "<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>")));
    assert_true(eligible(MESSAGE("", "<paused xmlns='http://jabber.org/protocol/chatstates'/>")));
    assert_true(eligible(MESSAGE("", "<x xmlns='jabber:x:conference' jid='r@rooms.localhost'/>")));
    assert_false(eligible(MESSAGE(" type='groupchat'", BODY)));
    assert_false(eligible(MESSAGE(" type='chat'", BODY "<private xmlns='urn:xmpp:carbons:2'/>")));
    assert_false(eligible(MESSAGE(" type='chat'", BODY "<no-copy xmlns='urn:xmpp:hints'/>")));
    assert_true(eligible(MESSAGE(" type='error'", BODY)));
    assert_false(eligible(MESSAGE(" type='headline'", "<event xmlns='urn:other'/>")));
    assert_false(eligible("<presence from='" ROMEO "' to='" JULIET "'/>"));
}

static void a_private_message_from_a_room_is_not_copied_an_invitation_is(void **state)
{
    (void)state;
    send_from_romeo(
        CHAT(JULIET "/balcony", BODY "<x xmlns='http://jabber.org/protocol/muc#user'/>"));
    (void)delivery_to(2, 1);
    (void)delivery_to(3, 0);
    (void)delivery_to(21, 1); /* romeo's own other session sees what he wrote to a participant */
}

static void what_a_client_sends_is_never_taken_for_a_copy(void **state)
{
    (void)state;
    send_from_romeo(CHAT(JULIET "/balcony", "<received xmlns='urn:xmpp:carbons:2'/>" BODY));
    (void)delivery_to(2, 1);
    (void)delivery_to(3, 0);
    (void)delivery_to(21, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_carbons, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(copies_go_to_the_other_sessions_of_both),
        TEST(nobody_gets_a_message_and_its_copy),
        TEST(a_message_to_oneself_is_copied_once),
        TEST(custody_waits_for_the_copies),
        TEST(a_copy_for_a_session_that_is_gone_is_for_nobody),
        TEST(an_error_of_ours_is_copied_to_the_senders_other_sessions),
        TEST(the_rules_of_section_6_1),
        TEST(a_private_message_from_a_room_is_not_copied_an_invitation_is),
        TEST(what_a_client_sends_is_never_taken_for_a_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
