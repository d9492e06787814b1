/* XEP-0191 section 6: which items match which JIDs, and which is tried first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "jid/match.h"

static void check_forms(const char *jid, size_t count, const char *const *expected)
{
    struct span forms[JID_MATCH_FORMS];

    assert_int_equal(jid_match_forms(span_cstr(jid), forms), count);
    for (size_t i = 0; i < count; i++)
        assert_true(span_is(forms[i], expected[i]));
}

static void forms_are_tried_from_the_most_special_to_the_domain(void **state)
{
    (void)state;
    check_forms(
        "romeo@montague.net/orchard", 3,
        (const char *const[]){"romeo@montague.net/orchard", "romeo@montague.net", "montague.net"});
    check_forms("romeo@montague.net", 2,
                (const char *const[]){"romeo@montague.net", "montague.net"});
    check_forms("montague.net/orchard", 2,
                (const char *const[]){"montague.net/orchard", "montague.net"});
    check_forms("montague.net", 1, (const char *const[]){"montague.net"});
}

static bool matches(const char *item, const char *jid)
{
    return jid_match(span_cstr(item), span_cstr(jid));
}

static void a_resource_matches_itself_only(void **state)
{
    (void)state;
    assert_true(matches("romeo@montague.net/orchard", "romeo@montague.net/orchard"));
    assert_false(matches("romeo@montague.net/orchard", "romeo@montague.net/street"));
    assert_false(matches("romeo@montague.net/orchard", "romeo@montague.net"));
    assert_true(matches("montague.net/orchard", "montague.net/orchard"));
    assert_false(matches("montague.net/orchard", "montague.net"));
    assert_false(matches("montague.net/orchard", "romeo@montague.net/orchard"));
}

static void an_account_matches_all_its_resources(void **state)
{
    (void)state;
    assert_true(matches("romeo@montague.net", "romeo@montague.net/orchard"));
    assert_true(matches("romeo@montague.net", "romeo@montague.net"));
    assert_false(matches("romeo@montague.net", "romeo@capulet.com"));
    assert_false(matches("romeo@montague.net", "montague.net"));
    assert_false(matches("romeo@montague.net", "romeo@montague.network"));
}

static void a_domain_matches_everybody_on_it(void **state)
{
    (void)state;
    assert_true(matches("montague.net", "romeo@montague.net/orchard"));
    assert_true(matches("montague.net", "romeo@montague.net"));
    assert_true(matches("montague.net", "montague.net/orchard"));
    assert_true(matches("montague.net", "montague.net"));
    assert_false(matches("montague.net", "romeo@chat.montague.net"));
}

static void any_item_of_a_list_will_do(void **state)
{
    const struct span items[] = {{"iago@shakespeare.lit", 20}, {"montague.net", 12}};

    (void)state;
    assert_true(jid_match_any(items, 2, span_cstr("romeo@montague.net/orchard")));
    assert_false(jid_match_any(items, 2, span_cstr("juliet@capulet.com")));
    assert_false(jid_match_any(NULL, 0, span_cstr("juliet@capulet.com")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms_are_tried_from_the_most_special_to_the_domain),
        cmocka_unit_test(a_resource_matches_itself_only),
        cmocka_unit_test(an_account_matches_all_its_resources),
        cmocka_unit_test(a_domain_matches_everybody_on_it),
        cmocka_unit_test(any_item_of_a_list_will_do),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
