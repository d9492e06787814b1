/* JSON: what is read, and what is refused because two readers could differ about it. */
#include "json/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void members_and_elements_are_found(void **state)
{
    (void)state;
    struct json *json = json_parse(
        SPAN(" {\"a\":\"x\\u00e9\",\"n\":12.5,\"i\":7,\"l\":[1,\"two\",{}],\"z\":null} "));
    struct span text;
    double number;
    assert_non_null(json);
    assert_true(json_is_members(json));
    assert_false(json_is_list(json));
    assert_true(span_is(json_member_text(json, "a"), "x\xc3\xa9"));
    assert_true(json_number(json_member(json, "n"), &number) && number > 12.4 && number < 12.6);
    assert_true(json_number(json_member(json, "i"), &number) && number > 6.9 && number < 7.1);
    assert_true(json_is_list(json_member(json, "l")));
    assert_int_equal(json_count(json_member(json, "l")), 3);
    assert_true(json_text(json_element(json_member(json, "l"), 1), &text));
    assert_true(span_is(text, "two"));
    assert_null(json_element(json_member(json, "l"), 3));
    assert_false(json_text(json_member(json, "i"), &text));
    assert_false(json_number(json_member(json, "a"), &number));
    json_free(json);
}

static void nothing_has_nothing(void **state)
{
    (void)state;
    struct span text;
    double number;
    assert_null(json_member(NULL, "a"));
    assert_null(json_element(NULL, 0));
    assert_int_equal(json_count(NULL), 0);
    assert_false(json_text(NULL, &text));
    assert_false(json_number(NULL, &number));
    assert_true(span_is_empty(json_member_text(NULL, "a")));
    json_free(NULL);
}

static void what_is_not_quite_json_is_refused(void **state)
{
    (void)state;
    static const struct span texts[] = {
        {"", 0},
        {"{\"a\":1,\"a\":2}", 13},
        {"{\"a\":1}{", 8},
        {"{\"a\":\"\\u0000\"}", 14},
        {"{\"a\":\"\xff\"}", 9},
        {"{\"a\":\"x\0\"}", 10},
        {"{'a':1}", 7},
        {"{\"a\":01}", 8},
        {"{\"a\":1e999}", 11},
        {"\"text\"", 6},
        {"7", 1},
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct json *json = json_parse(texts[i]);
        if (json) {
            fail_msg("taken: %.*s", SPAN_ARG(texts[i]));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_and_elements_are_found),
        cmocka_unit_test(nothing_has_nothing),
        cmocka_unit_test(what_is_not_quite_json_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
