/* Streams: the same conversation in any pieces, restarts, holds, limits and every way to break one.
 */
#include "xml/ns.h"
#include "xml/parser.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* after the headers it needs */
#include <cmocka.h>

#define HEADER                                                                                     \
    "<?xml version='1.0'?><stream:stream to='localhost' xmlns='jabber:client' "                    \
    "xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"

static struct xml_frames *frames;
static struct xml_limits limits;
static struct xml_stream *stream;
static struct buf seen; /* what the callbacks saw, one line each */
static const char *hold_on, *restart_on, *discard_on;

static bool is_named(const struct xml_top *top, const char *name)
{
    return name && span_is(top->name, name);
}

static bool note(const char *what, const struct xml_top *top)
{
    buf_printf(&seen, "%s {%.*s}%.*s", what, SPAN_ARG(top->ns), SPAN_ARG(top->name));
    for (uint32_t i = 0; i < top->attr_count; i++) {
        buf_printf(&seen, " %.*s=%.*s", SPAN_ARG(top->attrs[i].name),
                   SPAN_ARG(top->attrs[i].value));
    }
    buf_printf(&seen, " [%.*s] [%.*s]\n", SPAN_ARG(top->content), SPAN_ARG(top->text));
    if (is_named(top, restart_on)) {
        xml_stream_restart(stream);
    }
    if (is_named(top, discard_on)) {
        xml_stream_discard(stream);
    }
    return !is_named(top, hold_on);
}

static bool on_open(void *arg, const struct xml_top *header)
{
    (void)arg;
    return note("open", header);
}

static bool on_element(void *arg, const struct xml_top *element)
{
    (void)arg;
    return note("element", element);
}

static bool on_close(void *arg)
{
    (void)arg;
    buf_append_cstr(&seen, "close\n");
    return true;
}

static const struct xml_stream_handler handler = {on_open, on_element, on_close};

static int setup(void **state)
{
    (void)state;
    frames = xml_frames_new();
    limits = XML_DEFAULT_LIMITS;
    stream = xml_stream_new(frames, &limits, &handler, NULL);
    hold_on = restart_on = discard_on = NULL;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    xml_stream_free(stream);
    xml_frames_free(frames);
    buf_deinit(&seen);
    return 0;
}

static enum xml_error feed(const char *text)
{
    return xml_stream_feed(stream, span_cstr(text));
}

static void assert_seen(const char *expected)
{
    assert_string_equal(buf_cstr(&seen), expected);
    buf_reset(&seen);
}

#define OPENED "open {http://etherx.jabber.org/streams}stream to=localhost version=1.0 [] []\n"

static const char conversation[] =
    HEADER " <message to='a@b'><body>hi &lt;</body></message>\n"
           "<presence/><stream:x a='>' b=\"'/>\"/><iq><q xmlns='urn:q'><![CDATA[</q>]]></q></iq>"
           "<auth xmlns='urn:a'>dGV4dA==</auth></stream:stream>";

static const char conversation_seen[] =
    OPENED "element {jabber:client}message to=a@b [<body>hi &lt;</body>] []\n"
           "element {jabber:client}presence [] []\n"
           "element {http://etherx.jabber.org/streams}x a=> b='/> [] []\n"
           "element {jabber:client}iq [<q xmlns=\"urn:q\">&lt;/q&gt;</q>] []\n"
           "element {urn:a}auth [] [dGV4dA==]\n"
           "close\n";

static void test_a_conversation_in_one_piece(void **state)
{
    (void)state;
    assert_false(xml_stream_is_open(stream));
    assert_int_equal(feed(conversation), XML_OK);
    assert_seen(conversation_seen);
    assert_false(xml_stream_is_open(stream));
    assert_int_equal(feed("whatever <comes"), XML_OK);
    assert_seen("");
}

static void test_a_conversation_in_pieces_of_every_size(void **state)
{
    (void)state;
    for (size_t size = 1; size < sizeof conversation; size++) {
        for (size_t at = 0; at < sizeof conversation - 1; at += size) {
            struct span piece = span_head(span_from(span_cstr(conversation), at), size);
            assert_int_equal(xml_stream_feed(stream, piece), XML_OK);
        }
        assert_seen(conversation_seen);
        xml_stream_restart(stream);
    }
}

/* No byte more than the last of an element is needed for it. */
static void test_an_element_is_there_with_its_last_byte(void **state)
{
    (void)state;
    feed(HEADER);
    buf_reset(&seen);
    static const char message[] = "<message><body>x</body></message>";
    for (size_t i = 0; i + 1 < sizeof message; i++) {
        assert_string_equal(buf_cstr(&seen), "");
        assert_int_equal(xml_stream_feed(stream, span_of(message + i, 1)), XML_OK);
    }
    assert_seen("element {jabber:client}message [<body>x</body>] []\n");
}

static void test_white_space_keeps_alive(void **state)
{
    (void)state;
    feed(HEADER);
    buf_reset(&seen);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(feed(" \r\n\t"), XML_OK);
    }
    assert_int_equal(feed("<a/>"), XML_OK);
    assert_seen("element {jabber:client}a [] []\n");
}

static void test_restart_in_a_callback(void **state)
{
    (void)state;
    restart_on = "auth";
    assert_int_equal(feed(HEADER "<auth/>" HEADER "<a/>"), XML_OK);
    assert_seen(OPENED "element {jabber:client}auth [] []\n" OPENED
                       "element {jabber:client}a [] []\n");
}

static void test_hold_and_resume(void **state)
{
    (void)state;
    hold_on = "auth";
    assert_int_equal(feed(HEADER "<auth/><a/><auth/><b"), XML_OK);
    assert_seen(OPENED "element {jabber:client}auth [] []\n");
    assert_int_equal(feed("/>"), XML_OK);
    assert_seen("");
    assert_int_equal(xml_stream_resume(stream), XML_OK);
    assert_seen("element {jabber:client}a [] []\nelement {jabber:client}auth [] []\n");
    assert_int_equal(xml_stream_resume(stream), XML_OK);
    assert_seen("element {jabber:client}b [] []\n");
}

static void test_a_held_stream_is_limited(void **state)
{
    (void)state;
    limits.max_bytes = 200;
    hold_on = "auth";
    assert_int_equal(feed(HEADER "<auth/>"), XML_OK);
    enum xml_error error = XML_OK;
    for (int i = 0; i < 30 && error == XML_OK; i++) {
        error = feed("<message/>");
    }
    assert_int_equal(error, XML_TOO_BIG);
}

/* What was sent in clear text behind <starttls/> must not be taken for what came over TLS. */
static void test_discard_in_a_callback(void **state)
{
    (void)state;
    discard_on = restart_on = "starttls";
    assert_int_equal(feed(HEADER "<starttls/>" HEADER "<inject"), XML_OK);
    assert_seen(OPENED "element {jabber:client}starttls [] []\n");
    assert_int_equal(feed(HEADER "<a/>"), XML_OK);
    assert_seen(OPENED "element {jabber:client}a [] []\n");
}

static void test_namespaces_of_the_header_are_in_force(void **state)
{
    (void)state;
    assert_int_equal(feed("<s:stream xmlns:s='http://etherx.jabber.org/streams' "
                          "xmlns='jabber:server' xmlns:db='jabber:server:dialback' "
                          "xmlns:q='a&amp;&quot;b'>"
                          "<db:result/><message><db:x/><q:y/></message>"),
                     XML_OK);
    assert_seen("open {http://etherx.jabber.org/streams}stream [] []\n"
                "element {jabber:server:dialback}result [] []\n"
                "element {jabber:server}message [<x xmlns=\"jabber:server:dialback\"/>"
                "<y xmlns=\"a&amp;&quot;b\"/>] []\n");
}

/* Two streams with other declarations in turn, on one parser. */
static void test_streams_do_not_mix(void **state)
{
    (void)state;
    struct xml_stream *first = stream;
    struct xml_stream *second = xml_stream_new(frames, &limits, &handler, NULL);
    assert_int_equal(feed("<s xmlns='urn:1' xmlns:p='urn:p'>"), XML_OK);
    assert_int_equal(xml_stream_feed(second, SPAN("<s xmlns='urn:2'>")), XML_OK);
    buf_reset(&seen);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(feed("<a/>"), XML_OK);
        assert_int_equal(xml_stream_feed(second, SPAN("<a/>")), XML_OK);
        assert_seen("element {urn:1}a [] []\nelement {urn:2}a [] []\n");
    }
    assert_int_equal(xml_stream_feed(second, SPAN("<p:a/>")), XML_NOT_WELL_FORMED);
    assert_int_equal(xml_stream_feed(first, SPAN("<p:a/>")), XML_OK);
    assert_seen("element {urn:p}a [] []\n");
    xml_stream_free(second);
}

static void test_a_header_that_ends_at_once(void **state)
{
    (void)state;
    assert_int_equal(feed("<s xmlns='urn:1'/>"), XML_OK);
    assert_seen("open {urn:1}s [] []\nclose\n");
}

struct bad {
    const char *text;
    enum xml_error error;
};

static void assert_refused(const char *header, const struct bad *bad)
{
    for (size_t size = 1; size < 64; size += 62) {
        xml_stream_restart(stream);
        assert_int_equal(feed(header), XML_OK);
        enum xml_error error = XML_OK;
        struct span text = span_cstr(bad->text);
        for (size_t at = 0; at < text.len && error == XML_OK; at += size) {
            error = xml_stream_feed(stream, span_head(span_from(text, at), size));
        }
        if (error != bad->error) {
            fail_msg("[%s] gives %d, expected %d", bad->text, error, bad->error);
        }
        assert_int_equal(feed("<a/>"), bad->error);
        buf_reset(&seen);
    }
}

static void test_broken_elements_are_refused(void **state)
{
    (void)state;
    static const struct bad bad[] = {
        {"text", XML_NOT_WELL_FORMED},
        {"<a></b>", XML_NOT_WELL_FORMED},
        {"<a><b></a>", XML_NOT_WELL_FORMED},
        {"</stream>", XML_NOT_WELL_FORMED},
        {"</r>", XML_NOT_WELL_FORMED},
        {"<a b='1' b='2'/>", XML_NOT_WELL_FORMED},
        {"<p:a/>", XML_NOT_WELL_FORMED},
        {"<a>\xff</a>", XML_BAD_ENCODING}, /* RFC 6120 section 4.9.3.22 */
        {"<>", XML_NOT_WELL_FORMED},
        {"< a/>", XML_NOT_WELL_FORMED},
        {"<![CDATA[x]]>", XML_NOT_WELL_FORMED},
        {"<!-- c -->", XML_RESTRICTED},
        {"<a><!-- c --></a>", XML_RESTRICTED},
        {"<!DOCTYPE a>", XML_RESTRICTED},
        {"<a><!ENTITY", XML_RESTRICTED},
        {"<?xml version='1.0'?>", XML_RESTRICTED},
        {"<a><?p x?></a>", XML_RESTRICTED},
        {"<a>&nbsp;</a>", XML_RESTRICTED},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_refused(HEADER, &bad[i]);
    }
}

static void test_broken_headers_are_refused(void **state)
{
    (void)state;
    static const struct bad bad[] = {
        {"text", XML_NOT_WELL_FORMED},
        {"</stream:stream>", XML_NOT_WELL_FORMED},
        {"<stream:stream xmlns='jabber:client'>", XML_NOT_WELL_FORMED},
        {"<s a='1' a='2'>", XML_NOT_WELL_FORMED},
        {"<s a='\xff'>", XML_BAD_ENCODING},
        {"<!DOCTYPE s [", XML_RESTRICTED},
        {"<!-- c -->", XML_RESTRICTED},
        {"<?php ?>", XML_RESTRICTED},
        {"<?xmlx ?>", XML_RESTRICTED},
        {"<?xml version='1.0' encoding='UTF-16'?>", XML_BAD_ENCODING},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_refused("", &bad[i]);
    }
}

/* Feeds `piece` until there is an error; returns how many bytes it took. */
static size_t feed_until_error(const char *piece, enum xml_error expected)
{
    size_t fed = 0;
    enum xml_error error = XML_OK;
    while (error == XML_OK && fed < 10 * (size_t)limits.max_bytes) {
        error = feed(piece);
        fed += strlen(piece);
    }
    assert_int_equal(error, expected);
    return fed;
}

static void test_size_is_limited_per_element(void **state)
{
    (void)state;
    limits.max_bytes = 5000;
    feed(HEADER);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(feed("<a>0123456789012345678901234567890123456789</a>"), XML_OK);
    }
    assert_int_equal(feed("<a b='"), XML_OK);
    assert_in_range(feed_until_error(">", XML_TOO_BIG), 4990, 5000);
    xml_stream_restart(stream);
    feed(HEADER "<a>");
    assert_in_range(feed_until_error("<b/>", XML_TOO_BIG), 4990, 5004);
    xml_stream_restart(stream);
    feed("<s a='");
    assert_in_range(feed_until_error("x", XML_TOO_BIG), 4080, XML_STREAM_HEADER_MAX);
}

static void test_depth_is_limited(void **state)
{
    (void)state;
    limits.max_depth = 5;
    assert_int_equal(feed(HEADER "<a><a><a><a><a></a></a></a></a></a>"), XML_OK);
    assert_int_equal(feed("<a><a><a><a><a>"), XML_OK);
    assert_int_equal(feed("<a>"), XML_TOO_BIG);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_conversation_in_one_piece),
        TEST(test_a_conversation_in_pieces_of_every_size),
        TEST(test_an_element_is_there_with_its_last_byte),
        TEST(test_white_space_keeps_alive),
        TEST(test_restart_in_a_callback),
        TEST(test_hold_and_resume),
        TEST(test_a_held_stream_is_limited),
        TEST(test_discard_in_a_callback),
        TEST(test_namespaces_of_the_header_are_in_force),
        TEST(test_streams_do_not_mix),
        TEST(test_a_header_that_ends_at_once),
        TEST(test_broken_elements_are_refused),
        TEST(test_broken_headers_are_refused),
        TEST(test_size_is_limited_per_element),
        TEST(test_depth_is_limited),
    };
    return cmocka_run_group_tests_name("xml stream", tests, NULL, NULL);
}
