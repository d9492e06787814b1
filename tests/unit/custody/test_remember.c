/* What was delivered is known to the next holder, also when the queue was trimmed long ago. */
#include "../registry/rig.h"

#include "bus/bus.h"
#include "custody/queue.h"

#define KEEP_MS 100

/* A holder: a custody with a queue of the one session there is. */
struct holder {
    struct rig *rig;
    struct custody custody;
    struct custody_queue queue;
    int answers;
    bool is_fine;
};

static void on_lost(void *arg)
{
    (void)arg;
    fail();
}

static const struct custody_user user = {.lost = on_lost};

static void holder_open(struct holder *holder, struct rig *rig, uint64_t remember_ms)
{
    *holder = (struct holder){.rig = rig};
    custody_init(&holder->custody, &(struct custody_options){.loop = rig->loop,
                                                             .redis = rig->redis,
                                                             .remember_ms = remember_ms,
                                                             .keep_ms = KEEP_MS});
    custody_queue_init(&holder->queue, &holder->custody, &user, holder);
    custody_queue_name(&holder->queue, "juliet@example.org/balcony", 9, 1);
}

static void holder_close(struct holder *holder)
{
    custody_queue_close(&holder->queue);
    custody_deinit(&holder->custody);
}

static void on_made(void *arg, bool ok)
{
    struct holder *holder = arg;
    holder->is_fine = ok;
    holder->answers++;
}

static void on_loaded(void *arg, enum custody_loaded outcome, const struct custody_load *load)
{
    (void)load;
    on_made(arg, outcome == CUSTODY_LOADED);
}

static enum custody_added give(struct holder *holder, uint64_t n)
{
    const struct wire_deliver item = {
        .origin_sid = 7, .origin_n = n, .stanza = SPAN("whatever it is")};
    struct delivery *delivery = delivery_new(&holder->custody, NULL, 0, &item);
    enum custody_added added = custody_queue_add(&holder->queue, delivery);
    delivery_release(delivery);
    return added;
}

/* The first holder delivers 1 and 2, its client acknowledges, and time passes. */
static void deliver_and_trim(struct rig *rig, uint64_t remember_ms)
{
    struct holder first;
    holder_open(&first, rig, remember_ms);
    custody_queue_make(&first.queue, on_made, &first);
    rig_until(rig, &first.answers, 1);
    assert_true(first.is_fine);
    custody_queue_open(&first.queue);
    assert_int_equal(give(&first, 1), CUSTODY_NEW);
    assert_int_equal(give(&first, 2), CUSTODY_NEW);
    uint64_t deadline = clock_mono_ms() + 10000;
    while (first.queue.kept < 2 || first.queue.trimmed < 1) {
        assert_true(clock_mono_ms() < deadline);
        loop_run_once(rig->loop, 1);
        if (first.queue.kept == 2)
            custody_queue_ack(&first.queue, 2);
    }
    assert_int_equal(give(&first, 3), CUSTODY_NEW); /* its entry pushes the earlier one out */
    while (first.queue.kept < 3) {
        assert_true(clock_mono_ms() < deadline);
        loop_run_once(rig->loop, 1);
    }
    holder_close(&first);
}

static void take_over(struct holder *next, struct rig *rig, uint64_t remember_ms)
{
    holder_open(next, rig, remember_ms);
    custody_queue_load(&next->queue, on_loaded, next);
    rig_until(rig, &next->answers, 1);
    assert_true(next->is_fine);
    custody_queue_open(&next->queue);
}

static void the_next_holder_drops_what_was_delivered_and_trimmed(void **state)
{
    struct rig *rig = *state;
    struct holder next;
    deliver_and_trim(rig, 600000);
    take_over(&next, rig, 600000);
    assert_int_equal(give(&next, 1), CUSTODY_SEEN);
    assert_int_equal(give(&next, 2), CUSTODY_SEEN);
    assert_int_equal(give(&next, 3), CUSTODY_SEEN);
    assert_int_equal(give(&next, 4), CUSTODY_NEW);
    holder_close(&next);
}

/* That it is the notes which make the difference. */
static void without_notes_it_would_deliver_them_again(void **state)
{
    struct rig *rig = *state;
    struct holder next;
    deliver_and_trim(rig, 0);
    take_over(&next, rig, 0);
    assert_int_equal(give(&next, 1), CUSTODY_NEW);
    holder_close(&next);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_next_holder_drops_what_was_delivered_and_trimmed),
        TEST(without_notes_it_would_deliver_them_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
