/* The memory of deliveries: what it has, what it forgets, what it never takes, how it is handed over. */
#include "custody/seen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "loop/loop.h"

#define KEEP_MS 600000

struct desk {
    struct loop *loop;
    struct seen seen;
};

static int setup(void **state)
{
    struct desk *desk = calloc(1, sizeof(*desk));
    desk->loop = loop_new();
    seen_init(&desk->seen, desk->loop, KEEP_MS);
    *state = desk;
    return 0;
}

static int teardown(void **state)
{
    struct desk *desk = *state;
    seen_deinit(&desk->seen);
    loop_free(desk->loop);
    free(desk);
    return 0;
}

static struct seen_delivery number(uint64_t n)
{
    return (struct seen_delivery){.origin_sid = 7, .origin_n = n, .sid = 9};
}

static void add(struct desk *desk, uint64_t n)
{
    struct seen_delivery delivery = number(n);
    seen_add(&desk->seen, &delivery);
}

static bool has(struct desk *desk, uint64_t n)
{
    struct seen_delivery delivery = number(n);
    return seen_has(&desk->seen, &delivery);
}

static void remembers_what_was_added_and_nothing_else(void **state)
{
    struct desk *desk = *state;
    struct seen_delivery other = number(1);
    assert_false(has(desk, 1));
    add(desk, 1);
    add(desk, 1);
    assert_true(has(desk, 1));
    assert_false(has(desk, 2));
    other.sid = 10;
    assert_false(seen_has(&desk->seen, &other));
    other = number(1);
    other.origin_sid = 8;
    assert_false(seen_has(&desk->seen, &other));
}

static void numbers_may_come_in_any_order(void **state)
{
    struct desk *desk = *state;
    static const uint64_t numbers[] = {1ull << 40, (1ull << 40) + 3, (1ull << 40) + 1, 5};
    for (size_t i = 0; i < 3; i++)
        add(desk, numbers[i]);
    for (size_t i = 0; i < 3; i++)
        assert_true(has(desk, numbers[i]));
    assert_false(has(desk, (1ull << 40) + 2));
    add(desk, numbers[3]); /* too far back to be remembered, and no harm done */
    assert_false(has(desk, numbers[3]));
    assert_true(has(desk, numbers[0]));
}

/* The last SEEN_SPAN numbers up to the highest are exact, whatever steps led there. */
static void a_number_too_far_back_is_taken_for_new(void **state)
{
    static const uint64_t steps[] = {1, 2, 3, 31, 63, 64, 65, 127, 128, 200, 511, 512, 513, 5000};
    struct desk *desk = *state;
    uint64_t added[sizeof(steps) / sizeof(steps[0])];
    uint64_t n = 1000;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        n += steps[i];
        add(desk, n);
        added[i] = n;
        for (size_t k = 0; k <= i; k++) {
            assert_int_equal(has(desk, added[k]), n - added[k] < SEEN_SPAN);
            assert_false(has(desk, added[k] + 1) && (k == i || added[k + 1] != added[k] + 1));
        }
    }
}

static void what_was_not_delivered_after_all_is_new_again(void **state)
{
    struct desk *desk = *state;
    struct seen_delivery second = number(2);
    add(desk, 1);
    add(desk, 2);
    seen_remove(&desk->seen, &second);
    assert_true(has(desk, 1));
    assert_false(has(desk, 2));
}

static void a_stanza_without_origin_is_never_a_repeat(void **state)
{
    struct desk *desk = *state;
    struct seen_delivery nameless = {.sid = 9};
    seen_add(&desk->seen, &nameless);
    assert_false(seen_has(&desk->seen, &nameless));
    assert_int_equal(seen_count(&desk->seen), 0);
}

static void pairs_are_forgotten_after_their_time(void **state)
{
    struct desk *desk = *state;
    struct seen brief;
    struct seen_delivery first = number(1), later = number(1);
    (void)desk;
    seen_init(&brief, desk->loop, 1);
    seen_add(&brief, &first);
    uint64_t deadline = clock_mono_ms() + 10000;
    for (later.sid = 100; seen_has(&brief, &first); later.sid++) {
        assert_true(clock_mono_ms() < deadline);
        loop_run_once(desk->loop, 1);
        seen_add(&brief, &later);
    }
    seen_deinit(&brief);
}

static void no_time_no_memory(void **state)
{
    struct desk *desk = *state;
    struct seen none;
    struct seen_delivery first = number(1);
    seen_init(&none, desk->loop, 0);
    seen_add(&none, &first);
    assert_false(seen_has(&none, &first));
    seen_deinit(&none);
}

/* ---- handing over ---- */

struct handover {
    struct buf text;
    int count;
};

static void take(void *arg, const struct seen_pair *pair)
{
    struct handover *handover = arg;
    buf_reset(&handover->text);
    seen_pair_write(pair, &handover->text);
    assert_int_equal(pair->origin_sid, 7);
    handover->count++;
}

static void the_next_holder_knows_the_same(void **state)
{
    struct desk *desk = *state;
    struct handover handover = {0};
    struct seen next;
    static const uint64_t numbers[] = {3, 4, 70, 200, 400, 513};
    for (size_t i = 0; i < 6; i++)
        add(desk, numbers[i]);
    seen_news(&desk->seen, 9, take, &handover);
    seen_news(&desk->seen, 9, take, &handover);
    assert_int_equal(handover.count, 1); /* what was given is no news */
    seen_again(&desk->seen, 9);
    seen_news(&desk->seen, 9, take, &handover);
    assert_int_equal(handover.count, 2);
    seen_init(&next, desk->loop, KEEP_MS);
    assert_int_equal(seen_pair_read(&next, 9, 7, buf_span(&handover.text)), 0);
    for (uint64_t n = 1; n < 600; n++) {
        struct seen_delivery delivery = number(n);
        assert_int_equal(seen_has(&next, &delivery), has(desk, n));
    }
    seen_deinit(&next);
    buf_deinit(&handover.text);
}

static void what_is_read_is_added_to_what_is_there(void **state)
{
    struct desk *desk = *state;
    add(desk, 10);
    assert_int_equal(seen_pair_read(&desk->seen, 9, 7, SPAN("8:1")), 0);
    assert_int_equal(seen_pair_read(&desk->seen, 9, 7, SPAN("80:3")), 0);
    assert_true(has(desk, 8) && has(desk, 10) && has(desk, 79) && has(desk, 80));
    assert_false(has(desk, 9) || has(desk, 78));
}

static void text_that_is_no_pair_is_refused(void **state)
{
    static const char *const texts[] = {
        "", ":", "x:1", "5:g", "5:11111111111111111", "5:1,1,1,1,1,1,1,1,1", "5:A"};
    struct desk *desk = *state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_int_equal(seen_pair_read(&desk->seen, 9, 7, span_cstr(texts[i])), -1);
    assert_int_equal(seen_count(&desk->seen), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(remembers_what_was_added_and_nothing_else),
        TEST(numbers_may_come_in_any_order),
        TEST(a_number_too_far_back_is_taken_for_new),
        TEST(what_was_not_delivered_after_all_is_new_again),
        TEST(a_stanza_without_origin_is_never_a_repeat),
        TEST(pairs_are_forgotten_after_their_time),
        TEST(no_time_no_memory),
        TEST(the_next_holder_knows_the_same),
        TEST(what_is_read_is_added_to_what_is_there),
        TEST(text_that_is_no_pair_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
