/* Counting what was handled: in any order in, in order out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "custody/handled.h"

static void the_count_grows_over_what_is_settled_without_a_gap(void **state)
{
    struct custody_handled handled = {0};
    (void)state;
    for (uint64_t n = 1; n <= 5; n++)
        assert_int_equal(custody_handled_begin(&handled), n);
    assert_false(custody_handled_settle(&handled, 2));
    assert_false(custody_handled_settle(&handled, 3));
    assert_true(custody_handled_settle(&handled, 1));
    assert_int_equal(handled.count, 3);
    assert_false(custody_handled_settle(&handled, 3)); /* again */
    assert_false(custody_handled_settle(&handled, 6)); /* never came */
    assert_true(custody_handled_settle(&handled, 4));
    assert_true(custody_handled_settle(&handled, 5));
    assert_int_equal(handled.count, 5);
    assert_null(handled.settled); /* nothing is kept for an idle session */
}

static void many_wait_for_one(void **state)
{
    struct custody_handled handled = {0};
    enum { MANY = 1000 };
    (void)state;
    custody_handled_start(&handled, 0xfffffffeu); /* `h` overflows, the count does not */
    for (int i = 0; i < MANY; i++)
        (void)custody_handled_begin(&handled);
    for (uint64_t n = handled.last; n > 0xffffffffu; n--)
        assert_false(custody_handled_settle(&handled, n));
    assert_int_equal(handled.count, 0xfffffffeu);
    assert_true(custody_handled_settle(&handled, 0xffffffffu));
    assert_int_equal(handled.count, 0xfffffffeu + (uint64_t)MANY);
    custody_handled_free(&handled);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_count_grows_over_what_is_settled_without_a_gap),
        cmocka_unit_test(many_wait_for_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
