/* RFC 7395 frames: what comes out, what is refused and why, and that a bad frame never reaches the
 * next. */
#include "xml/ns.h"
#include "xml/parser.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
/* after the headers it needs */
#include <cmocka.h>

static struct xml_frames *frames;
static struct xml_limits limits;
static struct xml_top top;

static int setup(void **state)
{
    (void)state;
    frames = xml_frames_new();
    limits = XML_DEFAULT_LIMITS;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    xml_frames_free(frames);
    return 0;
}

static enum xml_error parse(const char *text)
{
    return xml_frames_parse(frames, span_cstr(text), &limits, &top);
}

static void assert_span(struct span s, const char *expected)
{
    if (!span_is(s, expected)) {
        fail_msg("got [%.*s], expected [%s]", SPAN_ARG(s), expected);
    }
}

/* The content of `text` when parsed is `expected`. */
static void assert_canonical(const char *text, const char *expected)
{
    enum xml_error error = parse(text);
    if (error != XML_OK) {
        fail_msg("[%s] gives error %d", text, error);
    }
    assert_span(top.content, expected);
}

/* `text` is refused with `error`, and the next frame is not touched by it. */
static void assert_refused(const char *text, enum xml_error error)
{
    enum xml_error got = parse(text);
    if (got != error) {
        fail_msg("[%s] gives %d, expected %d", text, got, error);
    }
    assert_canonical("<ok xmlns='jabber:client'><a b='c'>d</a></ok>", "<a b=\"c\">d</a>");
    assert_span(top.ns, NS_CLIENT);
    assert_int_equal(top.attr_count, 0);
    assert_int_equal(top.child_count, 1);
}

static void test_header_of_the_element(void **state)
{
    (void)state;
    assert_int_equal(
        parse("<message xmlns='jabber:client' to='a&amp;b' xml:lang='en' p:x='1' xmlns:p='urn:p'>"
              "hi<body>x</body>&lt;</message>"),
        XML_OK);
    assert_span(top.ns, NS_CLIENT);
    assert_span(top.name, "message");
    assert_int_equal(top.attr_count, 3);
    assert_span(xml_attr_get(&top, "to"), "a&b");
    assert_null(xml_attr_get(&top, "lang").data);
    assert_null(xml_attr_get(&top, "x").data);
    assert_span(top.attrs[1].ns, NS_XML);
    assert_span(top.attrs[1].name, "lang");
    assert_span(top.attrs[2].ns, "urn:p");
    assert_span(top.attrs[2].name, "x");
    assert_span(top.text, "hi<");
    assert_span(top.content, "<body>x</body>");
}

static void test_an_empty_attribute_is_not_an_absent_one(void **state)
{
    (void)state;
    assert_int_equal(parse("<a to=''/>"), XML_OK);
    assert_non_null(xml_attr_get(&top, "to").data);
    assert_int_equal(xml_attr_get(&top, "to").len, 0);
    assert_null(xml_attr_get(&top, "from").data);
}

static void test_children_are_indexed(void **state)
{
    (void)state;
    assert_int_equal(parse("<message xmlns='jabber:client'> <body>x</body>\n"
                           "<x xmlns='urn:x'><y/></x><z/></message>"),
                     XML_OK);
    assert_int_equal(top.child_count, 3);
    assert_span(top.content, "<body>x</body><x xmlns=\"urn:x\"><y/></x><z/>");
    assert_span(top.children[0].name, "body");
    assert_span(top.children[0].ns, NS_CLIENT);
    assert_span(top.children[1].name, "x");
    assert_span(top.children[1].ns, "urn:x");
    assert_span(span_of(top.content.data + top.children[1].offset, top.children[1].length),
                "<x xmlns=\"urn:x\"><y/></x>");
    assert_span(top.children[2].name, "z");
    assert_int_equal(top.children[2].offset + top.children[2].length, top.content.len);
}

static void test_prefixes_become_default_namespaces(void **state)
{
    (void)state;
    assert_canonical("<m xmlns='jabber:client' xmlns:p='urn:p'><p:a><p:b/><c/></p:a></m>",
                     "<a xmlns=\"urn:p\"><b/><c xmlns=\"jabber:client\"/></a>");
    assert_canonical("<c:m xmlns:c='jabber:client'><c:a/></c:m>", "<a/>");
    assert_canonical("<m xmlns='jabber:client'><f xmlns='urn:xmpp:forward:0'>"
                     "<message xmlns='jabber:client'/></f></m>",
                     "<f xmlns=\"urn:xmpp:forward:0\"><message xmlns=\"jabber:client\"/></f>");
    assert_canonical("<m xmlns='jabber:client'><a xmlns=''/></m>", "<a xmlns=\"\"/>");
    assert_canonical("<auth xmlns='urn:x'><in/></auth>", "<in/>");
}

static void test_prefixed_attributes_bring_their_declaration(void **state)
{
    (void)state;
    assert_canonical("<m xmlns:p='urn:p' xmlns:q='urn:p'><a p:x='1' x='2' xml:lang='de'/></m>",
                     "<a xmlns:a0=\"urn:p\" a0:x=\"1\" x=\"2\" xml:lang=\"de\"/>");
}

static void test_text_is_escaped_minimally(void **state)
{
    (void)state;
    assert_canonical("<m><b t='&quot;&apos;&lt;&#10;'>&#38;&lt;&gt;'\"&#x20AC;</b></m>",
                     "<b t=\"&quot;'&lt;&#10;\">&amp;&lt;&gt;'\"\xe2\x82\xac</b>");
    assert_canonical("<m><b><![CDATA[<&]]]]><![CDATA[>]]></b></m>", "<b>&lt;&amp;]]&gt;</b>");
    assert_canonical("<m><b>a\r\nb&#13;c</b></m>", "<b>a\nb&#13;c</b>");
    assert_canonical("<m><b></b></m>", "<b/>");
}

static void test_what_is_tolerated_around(void **state)
{
    (void)state;
    assert_canonical("<?xml version='1.0'?><m><b/></m>", "<b/>");
    assert_canonical(" \r\n<?xml version=\"1.0\" encoding=\"utf-8\" ?>\n<m><b/></m>\n ", "<b/>");
    assert_canonical("\n\t<m><b/></m>\r\n", "<b/>");
    assert_refused("<?xml version='1.0' encoding='ISO-8859-1'?><m/>", XML_BAD_ENCODING);
    assert_refused("<?xml version='1.0'><m/>", XML_NOT_WELL_FORMED);
}

static void test_more_or_less_than_one_element(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        " ",
        "text",
        "<a/><b/>",
        "<a></a><b></b>",
        "<a/>text",
        "text<a/>",
        "<a/><b",
        "<a/><",
        "<a><b></b>",
        "<a",
        "<a b='",
        "</a>",
        "</r>",
        "</w>",
        "</w><w>",
        "</r><r>",
        "</w></r><r><w>",
        "<a></a></w>",
        "<a/></w><w><b/>",
        "<a></w>",
        "<a><b></a></b>",
        "<a></b>",
        "<a/>&amp;",
        "<",
        "<a/><!",
        "<a/><![CDATA[",
        "<a/>]",
        "&",
        "<a>&amp",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_refused(bad[i], XML_NOT_WELL_FORMED);
    }
}

/* RFC 6120 section 4.9.3.22: what violates the rules of UTF-8. */
static void test_what_is_not_utf8_is_a_bad_encoding(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "<a>\xff</a>",
        "<a>\xc0\xaf</a>",         /* overlong */
        "<a>\xed\xa0\x80</a>",     /* half of a surrogate pair */
        "<a>\xf4\x90\x80\x80</a>", /* beyond Unicode */
        "<a>\xf0\x9f\x98</a>",     /* cut short */
        "<a>\x80</a>",
        "<a b='\xff'/>",
        "<\xff/>",
        "<a/>\xc3",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_refused(bad[i], XML_BAD_ENCODING);
    }
}

static void test_not_well_formed(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "<a b='1' b='2'/>",
        "<a xmlns:p='u' xmlns:q='u' p:b='1' q:b='2'/>",
        "<p:a/>",
        "<a p:b='1'/>",
        "<a b=1/>",
        "<a b/>",
        "<a b='<'/>",
        "<a b='1'c='2'/>",
        "<1a/>",
        "<a:b:c xmlns:a='u'/>",
        "<a xmlns:p=''><p:b/></a>",
        "<a>\x01</a>",
        "<a>&#0;</a>",
        "<a>&#xFFFF;</a>",
        "<a>\xef\xbf\xbe</a>",
        "<a>]]></a>",
        "<a xmlns='http://www.w3.org/XML/1998/namespace'/>",
        "<a xmlns:xmlns='u'/>",
        "<a><?xml version='1.0'?></a>",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_refused(bad[i], XML_NOT_WELL_FORMED);
    }
}

static void test_a_nul_byte_is_refused(void **state)
{
    (void)state;
    assert_int_equal(xml_frames_parse(frames, SPAN("<a>\0</a>"), &limits, &top),
                     XML_NOT_WELL_FORMED);
    assert_int_equal(xml_frames_parse(frames, SPAN("<a/>\0"), &limits, &top), XML_NOT_WELL_FORMED);
    assert_canonical("<m><b/></m>", "<b/>");
}

static void test_restricted_xml(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "<a><!-- c --></a>",
        "<!-- c --><a/>",
        "<a><?php x ?></a>",
        "<?php x ?><a/>",
        "<!DOCTYPE a><a/>",
        "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>",
        "<a><!DOCTYPE b></a>",
        "<a><!ENTITY x 'y'></a>",
        "<a>&nbsp;</a>",
        "<a b='&nbsp;'/>",
        "<xml:a/>",
        "<a><xml:b/></a>",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_refused(bad[i], XML_RESTRICTED);
    }
}

static void append_times(struct buf *text, const char *what, uint32_t times)
{
    for (uint32_t i = 0; i < times; i++) {
        buf_append_cstr(text, what);
    }
}

static void test_depth_is_limited(void **state)
{
    (void)state;
    for (uint32_t depth = limits.max_depth; depth <= limits.max_depth + 1; depth++) {
        struct buf text = {0};
        append_times(&text, "<a>", depth);
        append_times(&text, "</a>", depth);
        enum xml_error expected = depth <= limits.max_depth ? XML_OK : XML_TOO_BIG;
        assert_int_equal(xml_frames_parse(frames, buf_span(&text), &limits, &top), expected);
        buf_deinit(&text);
    }
    limits.max_depth = 100000;
    struct buf text = {0};
    append_times(&text, "<a>", XML_MAX_DEPTH + 1);
    assert_refused(buf_cstr(&text), XML_TOO_BIG);
    buf_deinit(&text);
}

static void test_size_is_limited(void **state)
{
    (void)state;
    limits.max_bytes = 40;
    assert_int_equal(parse("<a>0123456789012345678901234567890123</a>"), XML_TOO_BIG);
    assert_int_equal(parse("<a>012345678901234567890123456789012</a>"), XML_OK);
}

static void test_attributes_and_children_are_limited(void **state)
{
    (void)state;
    for (uint32_t count = XML_MAX_ATTRS; count <= XML_MAX_ATTRS + 1; count++) {
        struct buf text = {0};
        buf_append_cstr(&text, "<m><a");
        for (uint32_t i = 0; i < count; i++) {
            buf_printf(&text, " b%u='1'", i);
        }
        buf_append_cstr(&text, "/></m>");
        assert_int_equal(parse(buf_cstr(&text)), count <= XML_MAX_ATTRS ? XML_OK : XML_TOO_BIG);
        buf_deinit(&text);
    }
    for (uint32_t count = XML_MAX_CHILDREN; count <= XML_MAX_CHILDREN + 1; count++) {
        struct buf text = {0};
        buf_append_cstr(&text, "<m>");
        append_times(&text, "<a/>", count);
        buf_append_cstr(&text, "</m>");
        assert_int_equal(parse(buf_cstr(&text)), count <= XML_MAX_CHILDREN ? XML_OK : XML_TOO_BIG);
        buf_deinit(&text);
    }
}

/* A long namespace behind a short prefix must not let a frame grow without bound. */
static void test_growth_is_limited(void **state)
{
    (void)state;
    limits.max_bytes = 20000;
    struct buf text = {0};
    buf_append_cstr(&text, "<m xmlns:p='");
    append_times(&text, "0123456789", 500);
    buf_append_cstr(&text, "'><a>");
    append_times(&text, "<p:b/>", 100);
    buf_append_cstr(&text, "</a></m>");
    assert_refused(buf_cstr(&text), XML_TOO_BIG);
    buf_deinit(&text);
}

/* More frames than the parser takes before it is reset, good and bad ones, small and large. */
static void test_many_frames(void **state)
{
    (void)state;
    struct buf large = {0};
    buf_append_cstr(&large, "<m><a>");
    append_times(&large, "0123456789", 10000);
    buf_append_cstr(&large, "</a></m>");
    for (uint32_t i = 0; i < 10000; i++) {
        char text[96];
        (void)snprintf(text, sizeof text, "<m xmlns='urn:%u'><e%u a%u='v'/></m>", i % 7, i, i);
        assert_int_equal(parse(text), XML_OK);
        assert_int_equal(top.child_count, 1);
        if (i % 100 == 0) {
            assert_int_equal(parse("<m><"), XML_NOT_WELL_FORMED);
        }
        if (i % 1000 == 0) {
            assert_int_equal(parse(buf_cstr(&large)), XML_OK);
            assert_int_equal(top.content.len, 100007);
        }
    }
    buf_deinit(&large);
}

static void test_errors_have_conditions(void **state)
{
    (void)state;
    assert_string_equal(xml_error_condition(XML_NOT_WELL_FORMED), "not-well-formed");
    assert_string_equal(xml_error_condition(XML_RESTRICTED), "restricted-xml");
    assert_string_equal(xml_error_condition(XML_TOO_BIG), "policy-violation");
    assert_string_equal(xml_error_condition(XML_BAD_ENCODING), "unsupported-encoding");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_header_of_the_element),
        TEST(test_an_empty_attribute_is_not_an_absent_one),
        TEST(test_children_are_indexed),
        TEST(test_prefixes_become_default_namespaces),
        TEST(test_prefixed_attributes_bring_their_declaration),
        TEST(test_text_is_escaped_minimally),
        TEST(test_what_is_tolerated_around),
        TEST(test_more_or_less_than_one_element),
        TEST(test_not_well_formed),
        TEST(test_what_is_not_utf8_is_a_bad_encoding),
        TEST(test_a_nul_byte_is_refused),
        TEST(test_restricted_xml),
        TEST(test_depth_is_limited),
        TEST(test_size_is_limited),
        TEST(test_attributes_and_children_are_limited),
        TEST(test_growth_is_limited),
        TEST(test_many_frames),
        TEST(test_errors_have_conditions),
    };
    return cmocka_run_group_tests_name("xml frames", tests, NULL, NULL);
}
