/* JIDs: splitting, normal forms, and what is no JID. */
#include "jid/jid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* after the headers it needs */
#include <cmocka.h>

static struct arena arena;

static int teardown(void **state)
{
    (void)state;
    arena_deinit(&arena);
    return 0;
}

static void assert_span(struct span s, const char *expected)
{
    if (!span_is(s, expected)) {
        fail_msg("got [%.*s], expected [%s]", SPAN_ARG(s), expected);
    }
}

static void test_split(void **state)
{
    (void)state;
    struct jid jid;
    assert_int_equal(jid_split(SPAN("romeo@montague.net/orchard@/x"), &jid), 0);
    assert_span(jid.node, "romeo");
    assert_span(jid.domain, "montague.net");
    assert_span(jid.resource, "orchard@/x");
    assert_int_equal(jid_split(SPAN("montague.net/a@b"), &jid), 0);
    assert_span(jid.node, "");
    assert_span(jid.domain, "montague.net");
    assert_span(jid.resource, "a@b");
    assert_int_equal(jid_split(SPAN("montague.net"), &jid), 0);
    assert_span(jid.resource, "");
    static const char *const bad[] = {"", "/", "@", "a@", "a@/r", "/r", "@/"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(jid_split(span_cstr(bad[i]), &jid), -1);
    }
}

static void test_parts_of_a_normalised_jid(void **state)
{
    (void)state;
    struct span full = SPAN("romeo@montague.net/orchard");
    assert_span(jid_bare(full), "romeo@montague.net");
    assert_ptr_equal(jid_bare(full).data, full.data);
    assert_span(jid_resource(full), "orchard");
    assert_span(jid_domain(full), "montague.net");
    assert_span(jid_node(full), "romeo");
    assert_false(jid_is_bare(full));
    assert_true(jid_is_bare(SPAN("montague.net")));
    assert_span(jid_resource(SPAN("montague.net")), "");
    assert_span(jid_node(SPAN("montague.net")), "");
    assert_span(jid_join(SPAN("a"), SPAN("b"), SPAN("c"), &arena), "a@b/c");
    assert_span(jid_join(SPAN(""), SPAN("b"), SPAN("c"), &arena), "b/c");
    assert_span(jid_join(SPAN("a"), SPAN("b"), SPAN(""), &arena), "a@b");
}

static void test_normal_forms(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        const char *out;
    } cases[] = {
        {"romeo@montague.net/orchard", "romeo@montague.net/orchard"},
        {"localhost", "localhost"},
        {"Romeo@Montague.NET/Orchard", "romeo@montague.net/Orchard"},
        {"montague.net./r", "montague.net/r"},
        {"a@my_host-1.b", "a@my_host-1.b"},
        {"a@127.0.0.1", "a@127.0.0.1"},
        {"a@[::1]/r", "a@[::1]/r"},
        {"a@[0:0::1]", "a@[::1]"},
        {"a@b/with space/@and <&>'\"", "a@b/with space/@and <&>'\""},
        {"J\xc3\x9cRGEN@b", "j\xc3\xbcrgen@b"}, /* case folded */
        {"fu\xc3\x9f@b", "fuss@b"},             /* ß by nodeprep */
        {"\xef\xbd\x81@b", "a@b"},              /* full-width a by NFKC */
        {"a@B\xc3\xbc"
         "cher.example",
         "a@b\xc3\xbc"
         "cher.example"}, /* U-label */
        {"a@xn--bcher-kva.example", "a@b\xc3\xbc"
                                    "cher.example"},      /* A-label */
        {"a@b/\xc2\xaa", "a@b/a"},                        /* feminine ordinal by NFKC */
        {"a@b/\xf0\x9f\xa6\x84", "a@b/\xf0\x9f\xa6\x84"}, /* newer than stringprep */
        {"d\\27artagnan@b", "d\\27artagnan@b"},           /* XEP-0106 */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct span jid;
        struct span again;
        if (jid_normalise(span_cstr(cases[i].in), &arena, &jid) != 0) {
            fail_msg("refused: %s", cases[i].in);
        }
        assert_span(jid, cases[i].out);
        assert_int_equal(jid_normalise(jid, &arena, &again), 0);
        assert_span(again, cases[i].out);
    }
}

static void test_no_jids(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "@b",
        "a@",
        "a@b/",
        "/r",
        "a@/r",
        "a@b@c",
        "a b@c",
        "a\"@b",
        "a&b@c",
        "a'@b",
        "a:@b",
        "a<@b",
        "a>@b",
        "a@b c",
        "a@-b",
        "a@b-",
        "a@b..c",
        "a@.b",
        "a@.",
        "a@b!c",
        "a@[::1",
        "a@[1.2.3.4]",
        "a@[::g]",
        "a@b/\x01",
        "a\x7f@b",
        "a@b/\xff",
        "\xc0\xaf@b",
        "a@\xff",
        "a@b/\xe2\x80\x8e", /* left-to-right mark */
        "a@b/\xee\x80\x80", /* private use */
        "\xc2\xa0@b",       /* a space in a node */
        "a@xn--",           /* an empty A-label */
        ("\xd7\x90"
         "a@b"), /* mixed directions */
        "a@0123456789012345678901234567890123456789012345678901234567890123",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct span jid;
        if (jid_normalise(span_cstr(bad[i]), &arena, &jid) == 0) {
            fail_msg("[%s] became [%.*s]", bad[i], SPAN_ARG(jid));
        }
    }
}

static void test_nul_is_refused_everywhere(void **state)
{
    (void)state;
    struct span jid;
    assert_int_equal(jid_normalise(SPAN("a\0@b"), &arena, &jid), -1);
    assert_int_equal(jid_normalise(SPAN("a@b\0"), &arena, &jid), -1);
    assert_int_equal(jid_normalise(SPAN("a@[::1\0]"), &arena, &jid), -1);
    assert_int_equal(jid_normalise(SPAN("a@b/\0"), &arena, &jid), -1);
}

static void test_lengths(void **state)
{
    (void)state;
    char text[3000];
    struct span part;
    memset(text, 'a', sizeof text);
    assert_int_equal(jid_normalise_node(span_of(text, 1023), &arena, &part), 0);
    assert_int_equal(part.len, 1023);
    assert_int_equal(jid_normalise_node(span_of(text, 1024), &arena, &part), -1);
    assert_int_equal(jid_normalise_resource(span_of(text, 1023), &arena, &part), 0);
    assert_int_equal(jid_normalise_resource(span_of(text, 1024), &arena, &part), -1);
    assert_int_equal(jid_normalise_node(span_of(text, 0), &arena, &part), -1);
    assert_int_equal(jid_normalise_resource(span_of(text, 0), &arena, &part), -1);
    for (size_t i = 0; i < sizeof text; i += 2) {
        memcpy(text + i, "\xc3\xa4", 2);
    }
    assert_int_equal(jid_normalise_resource(span_of(text, 1022), &arena, &part), 0);
    assert_int_equal(jid_normalise_resource(span_of(text, 1024), &arena, &part), -1);
}

static void test_results_outlive_the_input(void **state)
{
    (void)state;
    char text[] = "romeo@montague.net/orchard";
    struct span jid;
    struct span node;
    assert_int_equal(jid_normalise(span_cstr(text), &arena, &jid), 0);
    assert_int_equal(jid_normalise_node(span_of(text, 5), &arena, &node), 0);
    memset(text, 'x', sizeof text - 1);
    assert_span(jid, "romeo@montague.net/orchard");
    assert_span(node, "romeo");
}

/* RFC 4013 section 3. */
static void test_passwords(void **state)
{
    (void)state;
    struct span password;
    assert_int_equal(jid_prepare_password(SPAN("I\xc2\xadX"), &arena, &password), 0);
    assert_span(password, "IX");
    assert_int_equal(jid_prepare_password(SPAN("USER ~"), &arena, &password), 0);
    assert_span(password, "USER ~");
    assert_int_equal(jid_prepare_password(SPAN("\xe2\x85\xa8"), &arena, &password), 0);
    assert_span(password, "IX");
    assert_int_equal(jid_prepare_password(SPAN("\x07"), &arena, &password), -1);
    assert_int_equal(jid_prepare_password(SPAN("\xd8\xa7"
                                               "1"),
                                          &arena, &password),
                     -1);
    assert_int_equal(jid_prepare_password(SPAN(""), &arena, &password), -1);
}

static void test_anonymous_names(void **state)
{
    static const char *const others[] = {
        "example.org",
        "juliet@example.org",
        "59bec12a-9bab-452b-88f8-d1563f09e549@example.org", /* version 4: somebody's user name */
        "59bec12a-9bab-852b-c8f8-d1563f09e549@example.org",
        "59bec12a-9bab-852b-88f8-d1563f09e54@example.org",
        "59bec12a-9bab-852b-88f8-d1563f09e5499@example.org",
        "59bec12a9-bab-852b-88f8-d1563f09e549@example.org",
        "59bec12g-9bab-852b-88f8-d1563f09e549@example.org",
    };
    (void)state;
    struct span last = {0};
    for (int i = 0; i < 100; i++) {
        struct span jid = jid_make_anonymous(SPAN("example.org"), &arena), normal;
        assert_true(jid_is_anonymous(jid));
        assert_true(jid_is_bare(jid) && span_is(jid_domain(jid), "example.org"));
        assert_int_equal(jid_normalise(jid, &arena, &normal), 0);
        assert_true(span_eq(jid, normal));
        assert_false(span_eq(jid, last));
        last = jid;
    }
    assert_true(jid_is_anonymous(SPAN("59bec12a-9bab-852b-88f8-d1563f09e549@example.org/x")));
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_false(jid_is_anonymous(span_cstr(others[i])));
}

static void test_domains_in_ascii(void **state)
{
    (void)state;
    static const struct {
        const char *domain, *ascii;
    } cases[] = {
        {"example.org", "example.org"},
        {"b\xc3\xbc"
         "cher.example",
         "xn--bcher-kva.example"},
        {"[::1]", "::1"},
        {"127.0.0.1", "127.0.0.1"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct span ascii;
        assert_int_equal(jid_domain_to_ascii(span_cstr(cases[i].domain), &arena, &ascii), 0);
        assert_span(ascii, cases[i].ascii);
    }
}

#define TEST(f) cmocka_unit_test_teardown(f, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_split),
        TEST(test_parts_of_a_normalised_jid),
        TEST(test_normal_forms),
        TEST(test_no_jids),
        TEST(test_nul_is_refused_everywhere),
        TEST(test_lengths),
        TEST(test_results_outlive_the_input),
        TEST(test_passwords),
        TEST(test_domains_in_ascii),
        TEST(test_anonymous_names),
    };
    return cmocka_run_group_tests_name("jid", tests, NULL, NULL);
}
