/* The tree of a canonical payload, and writing: escaping, attributes, nodes. */
#include "xml/ns.h"
#include "xml/xml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* after the headers it needs */
#include <cmocka.h>

static struct arena arena;
static struct buf out;

static int teardown(void **state)
{
    (void)state;
    arena_deinit(&arena);
    buf_deinit(&out);
    return 0;
}

static struct xml_node *parse(const char *text)
{
    struct xml_node *first;
    if (xml_tree_parse(span_cstr(text), SPAN(NS_CLIENT), &arena, &first) != 0) {
        fail_msg("refused: [%s]", text);
    }
    return first;
}

static void assert_span(struct span s, const char *expected)
{
    if (!span_is(s, expected)) {
        fail_msg("got [%.*s], expected [%s]", SPAN_ARG(s), expected);
    }
}

static void test_elements_text_and_attributes(void **state)
{
    (void)state;
    const struct xml_node *first =
        parse("<body xml:lang='en'>a &lt;&#x20AC;&amp;<b/>c&#10;</body>"
              "<query xmlns=\"jabber:iq:roster\" ver=''><item jid=\"a&amp;b\"/>"
              "<item xmlns='jabber:client' xmlns:p='urn:p' p:x='1' x='2'/></query>");
    const struct xml_node *body = xml_find(first, NS_CLIENT, "body");
    assert_ptr_equal(body, first);
    assert_span(xml_node_text(body, &arena), "a <\xe2\x82\xac&c\n");
    assert_span(body->attrs[0].ns, NS_XML);
    assert_null(xml_node_attr(body, "lang").data);
    const struct xml_node *query = xml_find(first, NS_ROSTER, NULL);
    assert_span(query->name, "query");
    assert_non_null(xml_node_attr(query, "ver").data);
    const struct xml_node *item = xml_find(query->first_child, NS_ROSTER, "item");
    assert_span(xml_node_attr(item, "jid"), "a&b");
    item = xml_find(item->next, "", "item");
    assert_span(item->ns, NS_CLIENT);
    assert_span(xml_node_attr(item, "x"), "2");
    assert_span(item->attrs[0].ns, "urn:p");
    assert_null(xml_find(item->next, NULL, NULL));
    assert_null(xml_find(first, NS_CLIENT, "query"));
}

static void test_nothing_and_text_only(void **state)
{
    (void)state;
    assert_null(parse(""));
    const struct xml_node *text = parse("a&gt;b");
    assert_true(span_is_empty(text->name));
    assert_span(text->text, "a>b");
    const struct xml_node *empty = parse("<a></a>");
    assert_int_equal(xml_node_text(empty, &arena).len, 0);
}

static void test_what_it_refuses(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "<",
        "<a",
        "<a>",
        "</a>",
        "<a></b>",
        "<a/></a>",
        "<a b>",
        "<a b=1/>",
        "<a b='1/>",
        "<a b='<'/>",
        "<a b='1'c='2'/>",
        "<p:a/>",
        "<a p:b='1'/>",
        "<a b='1' b='2'/>",
        "<a xmlns='u' xmlns='v'/>",
        "<a xmlns:p='u' xmlns:q='u' p:b='1' q:b='2'/>",
        "<a xmlns:p='' p:b=''/>",
        "&",
        "&amp",
        "&nbsp;",
        "&#0;",
        "&#xD800;",
        "&#;",
        "&#x;",
        "&#xFFFE;",
        "&#1114112;",
        "<!-- -->",
        "<?p?>",
        "<![CDATA[]]>",
        "<a / >",
        "<>",
        "</>",
        "<a xmlns:p='u' p:='1'/>",
        "<a xmlns:p='u' p:b:c='1'/>",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct xml_node *first;
        if (xml_tree_parse(span_cstr(bad[i]), SPAN(NS_CLIENT), &arena, &first) == 0) {
            fail_msg("accepted: [%s]", bad[i]);
        }
    }
}

static void test_depth_has_an_end(void **state)
{
    (void)state;
    for (int depth = XML_MAX_DEPTH; depth <= XML_MAX_DEPTH + 1; depth++) {
        struct xml_node *first;
        buf_reset(&out);
        for (int i = 0; i < depth; i++) {
            buf_append_cstr(&out, "<a>");
        }
        for (int i = 0; i < depth; i++) {
            buf_append_cstr(&out, "</a>");
        }
        int expected = depth <= XML_MAX_DEPTH ? 0 : -1;
        assert_int_equal(xml_tree_parse(buf_span(&out), SPAN(NS_CLIENT), &arena, &first), expected);
    }
}

/* What is written reads back as the same, and canonical text is written as it was. */
static void test_written_as_it_was_read(void **state)
{
    (void)state;
    static const char text[] =
        "a&lt;<body xml:lang=\"en\">x &amp; y&gt;'\"</body>"
        "<f xmlns=\"urn:f\"><message xmlns=\"jabber:client\"><body/></message><g/>"
        "<h xmlns=\"\"/></f><i xmlns:a1=\"urn:&quot;\" k=\"&#10;\" a1:j=\"&amp;\"/>";
    for (const struct xml_node *node = parse(text); node; node = node->next) {
        xml_node_write(node, SPAN(NS_CLIENT), &out);
    }
    const struct xml_node *again = parse(buf_cstr(&out));
    struct buf second = {0};
    for (; again; again = again->next) {
        xml_node_write(again, SPAN(NS_CLIENT), &second);
    }
    assert_string_equal(buf_cstr(&second), buf_cstr(&out));
    buf_deinit(&second);
    assert_non_null(strstr(buf_cstr(&out), "<f xmlns=\"urn:f\"><message xmlns=\"jabber:client\">"
                                           "<body/></message><g/><h xmlns=\"\"/></f>"));
}

static void test_escape(void **state)
{
    (void)state;
    xml_escape(SPAN("a<b>&'\"\x01\x1f\n\r\xef\xbf\xbe\xef\xbf\xbd\xef\xbc\xa1\x7f"), &out);
    assert_string_equal(buf_cstr(&out),
                        "a&lt;b&gt;&amp;&#39;&quot;\n&#13;\xef\xbf\xbd\xef\xbc\xa1\x7f");
    buf_reset(&out);
    xml_escape((struct span){0}, &out);
    xml_escape(SPAN("\xef\xbf"), &out);
    assert_string_equal(buf_cstr(&out), "\xef\xbf");
    buf_reset(&out);
    xml_write_attr("to", SPAN("a'\"\t"), &out);
    assert_string_equal(buf_cstr(&out), " to=\"a'&quot;&#9;\"");
}

#define TEST(f) cmocka_unit_test_teardown(f, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_elements_text_and_attributes),
        TEST(test_nothing_and_text_only),
        TEST(test_what_it_refuses),
        TEST(test_depth_has_an_end),
        TEST(test_written_as_it_was_read),
        TEST(test_escape),
    };
    return cmocka_run_group_tests_name("xml tree", tests, NULL, NULL);
}
