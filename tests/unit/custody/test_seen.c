/* The memory of deliveries: what it has, what it forgets, what it never takes. */
#include "custody/seen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct seen_delivery number(uint64_t n)
{
    return (struct seen_delivery){.origin_sid = 7, .origin_n = n, .sid = 9};
}

static void remembers_what_was_added(void **state)
{
    struct seen seen;
    struct seen_delivery first = number(1), other_session = number(1);

    (void)state;
    other_session.sid = 10;
    seen_init(&seen, 4);
    assert_false(seen_has(&seen, &first));
    seen_add(&seen, &first);
    seen_add(&seen, &first);
    assert_true(seen_has(&seen, &first));
    assert_false(seen_has(&seen, &other_session));
    seen_deinit(&seen);
}

static void forgets_the_oldest(void **state)
{
    struct seen seen;

    (void)state;
    seen_init(&seen, 4);
    for (uint64_t n = 1; n <= 100; n++) {
        struct seen_delivery added = number(n);
        seen_add(&seen, &added);
        for (uint64_t older = 1; older <= n; older++) {
            struct seen_delivery asked = number(older);
            assert_int_equal(seen_has(&seen, &asked), older + 4 > n);
        }
    }
    seen_deinit(&seen);
}

static void a_stanza_without_origin_is_never_a_repeat(void **state)
{
    struct seen seen;
    struct seen_delivery nameless = {.sid = 9};

    (void)state;
    seen_init(&seen, 4);
    seen_add(&seen, &nameless);
    assert_false(seen_has(&seen, &nameless));
    seen_deinit(&seen);
}

static void no_capacity_no_memory(void **state)
{
    struct seen seen;
    struct seen_delivery first = number(1);

    (void)state;
    seen_init(&seen, 0);
    seen_add(&seen, &first);
    assert_false(seen_has(&seen, &first));
    seen_deinit(&seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(remembers_what_was_added),
        cmocka_unit_test(forgets_the_oldest),
        cmocka_unit_test(a_stanza_without_origin_is_never_a_repeat),
        cmocka_unit_test(no_capacity_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
