/* Stanzas from XML and back, their types, and replies. */
#include "stanza/stanza.h"
#include "xml/ns.h"
#include "xml/parser.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* after the headers it needs */
#include <cmocka.h>

static struct xml_frames *frames;
static struct arena arena;
static struct buf out;
static struct stanza stanza;

static int setup(void **state)
{
    (void)state;
    frames = xml_frames_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    xml_frames_free(frames);
    arena_deinit(&arena);
    buf_deinit(&out);
    return 0;
}

static enum stanza_problem read_stanza(const char *text)
{
    struct xml_top top;
    struct xml_limits limits = XML_DEFAULT_LIMITS;
    assert_int_equal(xml_frames_parse(frames, span_cstr(text), &limits, &top), XML_OK);
    return stanza_from_xml(&top, &arena, &stanza);
}

static void assert_span(struct span s, const char *expected)
{
    if (!span_is(s, expected)) {
        fail_msg("got [%.*s], expected [%s]", SPAN_ARG(s), expected);
    }
}

static void test_a_message(void **state)
{
    (void)state;
    assert_int_equal(read_stanza("<message xmlns='jabber:client' to='Juliet@Capulet.LIT/B' "
                                 "from='romeo@montague.net/x' id='i&amp;1' type='chat' "
                                 "xml:lang='en'>"
                                 "<body>hi</body><active xmlns='" NS_CHATSTATES "'/></message>"),
                     STANZA_FINE);
    assert_int_equal(stanza.kind, STANZA_MESSAGE);
    assert_int_equal(stanza.type, STANZA_CHAT);
    assert_span(stanza.to, "juliet@capulet.lit/B");
    assert_span(stanza.from, "romeo@montague.net/x");
    assert_span(stanza.id, "i&1");
    assert_span(stanza.lang, "en");
    assert_non_null(stanza_child(&stanza, NS_CLIENT, "body"));
    assert_null(stanza_child(&stanza, NS_CHATSTATES, "body"));
    const struct xml_child *state_child = stanza_child(&stanza, NS_CHATSTATES, NULL);
    assert_span(stanza_child_bytes(&stanza, state_child), "<active xmlns=\"" NS_CHATSTATES "\"/>");
    stanza_write(&stanza, (struct span){0}, SPAN(NS_CLIENT), &out);
    assert_string_equal(buf_cstr(&out),
                        "<message xmlns=\"jabber:client\" from=\"romeo@montague.net/x\" "
                        "to=\"juliet@capulet.lit/B\" type=\"chat\" id=\"i&amp;1\" xml:lang=\"en\">"
                        "<body>hi</body><active xmlns=\"" NS_CHATSTATES "\"/></message>");
}

static void test_writing_without_payload_and_for_a_recipient(void **state)
{
    (void)state;
    assert_int_equal(read_stanza("<presence xmlns='jabber:client'/>"), STANZA_FINE);
    stanza_write(&stanza, SPAN("a@b/c"), (struct span){0}, &out);
    assert_string_equal(buf_cstr(&out), "<presence to=\"a@b/c\"/>");
}

static void test_types(void **state)
{
    (void)state;
    static const struct {
        const char *element;
        enum stanza_problem problem;
        enum stanza_type type;
    } cases[] = {
        {"<message xmlns='jabber:client'/>", STANZA_FINE, STANZA_NORMAL},
        {"<message xmlns='jabber:client' type='normal'/>", STANZA_FINE, STANZA_NORMAL},
        {"<message xmlns='jabber:client' type='fancy'/>", STANZA_FINE, STANZA_NORMAL},
        {"<message xmlns='jabber:client' type='get'/>", STANZA_FINE, STANZA_NORMAL},
        {"<message xmlns='jabber:client' type=''/>", STANZA_FINE, STANZA_NORMAL},
        {"<message xmlns='jabber:client' type='groupchat'/>", STANZA_FINE, STANZA_GROUPCHAT},
        {"<message xmlns='jabber:client' type='headline'/>", STANZA_FINE, STANZA_HEADLINE},
        {"<message xmlns='jabber:client' type='error'/>", STANZA_FINE, STANZA_ERROR},
        {"<presence xmlns='jabber:client'/>", STANZA_FINE, STANZA_AVAILABLE},
        {"<presence xmlns='jabber:client' type='probe'/>", STANZA_FINE, STANZA_PROBE},
        {"<presence xmlns='jabber:client' type='unsubscribed'/>", STANZA_FINE, STANZA_UNSUBSCRIBED},
        {"<presence xmlns='jabber:client' type='chat'/>", STANZA_BAD_TYPE, STANZA_NORMAL},
        {"<presence xmlns='jabber:client' type='available'/>", STANZA_BAD_TYPE, STANZA_NORMAL},
        {"<presence xmlns='jabber:client' type=''/>", STANZA_BAD_TYPE, STANZA_AVAILABLE},
        {"<iq xmlns='jabber:client' type='get' id='1'><a/></iq>", STANZA_FINE, STANZA_GET},
        {"<iq xmlns='jabber:client' type='set' id='1'><a/></iq>", STANZA_FINE, STANZA_SET},
        {"<iq xmlns='jabber:client' type='result' id='1'/>", STANZA_FINE, STANZA_RESULT},
        {"<iq xmlns='jabber:client' type='result' id='1'><a/></iq>", STANZA_FINE, STANZA_RESULT},
        {"<iq xmlns='jabber:client' type='error' id='1'><a/><b/></iq>", STANZA_FINE, STANZA_ERROR},
        {"<iq xmlns='jabber:client' id='1'><a/></iq>", STANZA_BAD_TYPE, STANZA_NORMAL},
        {"<iq xmlns='jabber:client' type='chat' id='1'><a/></iq>", STANZA_BAD_TYPE, STANZA_NORMAL},
        {"<iq xmlns='jabber:client' type='get'><a/></iq>", STANZA_BAD_IQ, STANZA_GET},
        {"<iq xmlns='jabber:client' type='get' id=''><a/></iq>", STANZA_BAD_IQ, STANZA_GET},
        {"<iq xmlns='jabber:client' type='get' id='1'/>", STANZA_BAD_IQ, STANZA_GET},
        {"<iq xmlns='jabber:client' type='set' id='1'><a/><b/></iq>", STANZA_BAD_IQ, STANZA_SET},
        {"<iq xmlns='jabber:client' type='result' id='1'><a/><b/></iq>", STANZA_BAD_IQ,
         STANZA_RESULT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        enum stanza_problem problem = read_stanza(cases[i].element);
        if (problem != cases[i].problem || stanza.type != cases[i].type) {
            fail_msg("%s gives problem %d, type %d", cases[i].element, problem, stanza.type);
        }
    }
}

static void test_what_is_no_stanza(void **state)
{
    (void)state;
    assert_int_equal(read_stanza("<foo xmlns='jabber:client'/>"), STANZA_NOT_A_STANZA);
    assert_int_equal(read_stanza("<message/>"), STANZA_NOT_A_STANZA);
    assert_int_equal(read_stanza("<message xmlns='urn:x'/>"), STANZA_NOT_A_STANZA);
    assert_int_equal(read_stanza("<message xmlns='jabber:server'/>"), STANZA_FINE);
}

static void test_bad_addresses(void **state)
{
    (void)state;
    assert_int_equal(read_stanza("<iq xmlns='jabber:client' id='x' to='@b' type='get'><a/></iq>"),
                     STANZA_BAD_TO);
    assert_span(stanza.id, "x");
    assert_int_equal(stanza.type, STANZA_GET);
    assert_int_equal(read_stanza("<message xmlns='jabber:client' to=''/>"), STANZA_BAD_TO);
    assert_int_equal(read_stanza("<message xmlns='jabber:client' from='a b@c' to='d'/>"),
                     STANZA_BAD_FROM);
    assert_span(stanza.to, "d");
}

static void test_a_result(void **state)
{
    (void)state;
    struct stanza reply;
    read_stanza("<iq xmlns='jabber:client' type='get' id='1' to='b' from='a@b/c'>"
                "<ping xmlns='urn:xmpp:ping'/></iq>");
    stanza_make_result(&stanza, (struct span){0}, &arena, &reply);
    stanza_write(&reply, (struct span){0}, (struct span){0}, &out);
    assert_string_equal(buf_cstr(&out), "<iq from=\"b\" to=\"a@b/c\" type=\"result\" id=\"1\"/>");
    stanza_make_result(&stanza, SPAN("<query xmlns='" NS_VERSION "'><name>x</name></query>"),
                       &arena, &reply);
    assert_int_equal(reply.child_count, 1);
    assert_span(reply.children[0].ns, NS_VERSION);
    assert_span(reply.children[0].name, "query");
    assert_span(stanza_child_bytes(&reply, &reply.children[0]),
                "<query xmlns='" NS_VERSION "'><name>x</name></query>");
}

static void test_an_error(void **state)
{
    (void)state;
    struct stanza reply;
    read_stanza("<message xmlns='jabber:client' id='1' to='b' from='a@b/c' type='chat'/>");
    stanza_make_error(&stanza, "service-unavailable", "a < b", &arena, &reply);
    stanza_write(&reply, (struct span){0}, (struct span){0}, &out);
    assert_string_equal(
        buf_cstr(&out),
        "<message from=\"b\" to=\"a@b/c\" type=\"error\" id=\"1\"><error type=\"cancel\">"
        "<service-unavailable xmlns=\"" NS_STANZA_ERRORS "\"/>"
        "<text xmlns=\"" NS_STANZA_ERRORS "\" xml:lang=\"en\">a &lt; b</text></error></message>");
    assert_non_null(stanza_child(&reply, NS_CLIENT, "error"));
    struct xml_node *first;
    assert_int_equal(xml_tree_parse(reply.payload, SPAN(NS_CLIENT), &arena, &first), 0);
    assert_span(xml_node_attr(first, "type"), "cancel");
}

static void test_what_may_bounce(void **state)
{
    (void)state;
    static const struct {
        const char *element;
        bool may;
    } cases[] = {
        {"<message xmlns='jabber:client'/>", true},
        {"<message xmlns='jabber:client' type='error'/>", false},
        {"<iq xmlns='jabber:client' type='get' id='1'><a/></iq>", true},
        {"<iq xmlns='jabber:client' type='result' id='1'/>", false},
        {"<iq xmlns='jabber:client' type='error' id='1'/>", false},
        {"<presence xmlns='jabber:client'/>", false},
        {"<presence xmlns='jabber:client' to='a@b/c'/>", true},
        {"<presence xmlns='jabber:client' to='a@b/c' type='error'/>", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(read_stanza(cases[i].element), STANZA_FINE);
        assert_int_equal(stanza_may_bounce(&stanza), cases[i].may);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_message),     TEST(test_writing_without_payload_and_for_a_recipient),
        TEST(test_types),         TEST(test_what_is_no_stanza),
        TEST(test_bad_addresses), TEST(test_a_result),
        TEST(test_an_error),      TEST(test_what_may_bounce),
    };
    return cmocka_run_group_tests_name("stanza", tests, NULL, NULL);
}
