/* Notices: everybody hears them once; who may have missed some is told. */
#include "rig.h"

static struct rig_node hubs[2];
static struct rig_node publisher;
static struct rig_node subscriber;
static const char *addresses[2];

static void open_hub(unsigned i)
{
    struct bus_options options = rig_options(&hubs[i], "router", i ? "router-1" : "router-0");

    options.listen = addresses[i];
    options.is_hub = true;
    options.wants_notices = true;
    rig_open(&hubs[i], &options);
}

static void open_spoke(struct rig_node *node, const char *name, bool wants, unsigned hub_count)
{
    struct bus_options options = rig_options(node, "session", name);

    options.hubs = addresses;
    options.hub_count = hub_count;
    options.wants_notices = wants;
    rig_open(node, &options);
}

static void say(struct rig_node *node, const char *what)
{
    struct wire_msg msg = {.id = WIRE_ID_account_removed};

    msg.u.account_removed.account = span_cstr(what);
    bus_notice(node->bus, &msg);
}

static void open_all(unsigned hub_count)
{
    memset(hubs, 0, sizeof hubs);
    memset(&publisher, 0, sizeof publisher);
    memset(&subscriber, 0, sizeof subscriber);
    addresses[0] = rig_address("hub0");
    addresses[1] = rig_address("hub1");
    for (unsigned i = 0; i < hub_count; i++)
        open_hub(i);
    open_spoke(&publisher, "session-0", false, hub_count);
    open_spoke(&subscriber, "presence-0", true, hub_count);
    RIG_UNTIL(subscriber.gaps == hub_count); /* each hub that appears may have said something */
    rig_run_ms(150);
    subscriber.gaps = 0;
}

static void close_all(unsigned hub_count)
{
    rig_close(&publisher);
    rig_close(&subscriber);
    for (unsigned i = 0; i < hub_count; i++)
        rig_close(&hubs[i]);
}

static void everybody_but_the_publisher_hears_a_notice(void **state)
{
    (void)state;
    open_all(1);
    buf_reset(&subscriber.story);
    say(&publisher, "a");
    say(&publisher, "b");
    RIG_UNTIL(subscriber.notices == 2 && hubs[0].notices == 2);
    assert_string_equal(buf_cstr(&subscriber.story), "notice a\nnotice b\n");
    say(&subscriber, "mine");
    RIG_UNTIL(hubs[0].notices == 3);
    rig_run_ms(50);
    assert_int_equal(subscriber.notices, 2);
    say(&hubs[0], "the hub's own");
    RIG_UNTIL(subscriber.notices == 3);
    assert_int_equal(hubs[0].notices, 3);
    assert_int_equal(publisher.notices + publisher.gaps, 0);
    assert_int_equal(subscriber.gaps + hubs[0].gaps, 0);
    close_all(1);
}

static void two_hubs_mean_no_doubles(void **state)
{
    (void)state;
    open_all(2);
    for (int i = 0; i < 500; i++) {
        say(&publisher, "x");
        if (i % 20 == 0)
            loop_run_once(rig_loop, 1);
    }
    RIG_UNTIL(subscriber.notices == 500 && hubs[0].notices == 500 && hubs[1].notices == 500);
    rig_run_ms(50);
    assert_int_equal(subscriber.notices, 500);
    assert_int_equal(subscriber.gaps, 0);
    close_all(2);
}

static void the_loss_of_one_of_two_hubs_loses_nothing(void **state)
{
    (void)state;
    open_all(2);
    say(&publisher, "1");
    RIG_UNTIL(subscriber.notices == 1);
    rig_close(&hubs[0]);
    rig_run_ms(50);
    say(&publisher, "2");
    RIG_UNTIL(subscriber.notices == 2);
    assert_int_equal(subscriber.gaps, 0);
    memset(&hubs[0], 0, sizeof hubs[0]);
    open_hub(0);
    RIG_UNTIL(subscriber.gaps == 1); /* it may have said what nobody passed on */
    rig_run_ms(200);
    for (unsigned i = 0; hubs[0].notices == 0 && i < 100; i++) {
        say(&publisher, "3"); /* until the publisher has found the new hub */
        rig_run_ms(50);
    }
    RIG_UNTIL(hubs[0].notices > 0 && subscriber.notices == hubs[1].notices);
    close_all(2);
}

/* The notice that got lost is the last one: only the repeated number can show that. */
static void a_lost_last_notice_is_noticed(void **state)
{
    (void)state;
    open_all(1);
    say(&publisher, "1");
    RIG_UNTIL(subscriber.notices == 1);
    publisher.bus->notices->next++; /* said and lost on the way */
    RIG_UNTIL(subscriber.gaps == 1 && hubs[0].gaps == 1);
    say(&publisher, "3");
    RIG_UNTIL(subscriber.notices == 2);
    assert_int_equal(subscriber.gaps, 1);
    close_all(1);
}

static void a_publisher_that_starts_anew_is_a_gap(void **state)
{
    (void)state;
    open_all(1);
    say(&publisher, "1");
    RIG_UNTIL(subscriber.notices == 1 && hubs[0].notices == 1);
    rig_close(&publisher);
    memset(&publisher, 0, sizeof publisher);
    open_spoke(&publisher, "session-0", false, 1);
    rig_run_ms(150);
    say(&publisher, "2");
    RIG_UNTIL(subscriber.notices == 2);
    assert_int_equal(subscriber.gaps, 1);
    assert_int_equal(hubs[0].gaps, 1);
    close_all(1);
}

static void what_is_said_before_a_hub_is_there_is_kept(void **state)
{
    (void)state;
    open_all(1);
    rig_close(&publisher);
    memset(&publisher, 0, sizeof publisher);
    open_spoke(&publisher, "session-7", false, 1);
    say(&publisher, "first words"); /* in the same breath as its start */
    say(&publisher, "more");
    RIG_UNTIL(subscriber.notices == 2 && hubs[0].notices == 2);
    assert_int_equal(subscriber.gaps + hubs[0].gaps, 0);
    close_all(1);
}

static void a_late_subscriber_knows_that_it_is_late(void **state)
{
    struct rig_node late = {0};

    (void)state;
    open_all(1);
    say(&publisher, "1");
    RIG_UNTIL(subscriber.notices == 1);
    open_spoke(&late, "presence-1", true, 1);
    RIG_UNTIL(late.gaps >= 1);
    rig_run_ms(200);
    say(&publisher, "2");
    RIG_UNTIL(late.notices == 1);
    rig_close(&late);
    close_all(1);
}

static void nobody_hears_where_there_is_no_hub(void **state)
{
    struct rig_node alone = {0};

    (void)state;
    rig_dial(&alone, "edge", "edge-1", rig_address("nowhere"));
    say(&alone, "to nobody");
    rig_run_ms(20);
    rig_close(&alone);
}

static void hubs_on_tcp_use_the_next_two_ports(void **state)
{
    struct bus_options options = rig_options(&hubs[0], "router", "router-0");
    char address[64];
    char error[256];

    (void)state;
    open_all(0);
    options.listen = addresses[0] = address;
    options.is_hub = true;
    for (int i = 0; i < 100 && !hubs[0].bus; i++) { /* three ports that are free */
        snprintf(address, sizeof address, "tcp://127.0.0.1:%d", 20000 + (getpid() + i) % 4000 * 3);
        hubs[0].bus = bus_new(&options, error, sizeof error);
    }
    assert_non_null(hubs[0].bus);
    rig_close(&publisher);
    rig_close(&subscriber);
    memset(&publisher, 0, sizeof publisher);
    memset(&subscriber, 0, sizeof subscriber);
    open_spoke(&publisher, "session-0", false, 1);
    open_spoke(&subscriber, "presence-0", true, 1);
    RIG_UNTIL(subscriber.gaps == 1);
    rig_run_ms(200);
    say(&publisher, "over tcp");
    RIG_UNTIL(subscriber.notices == 1);
    close_all(1);
}

/* The name of a temporary folder may hold any letters. */
static void a_path_that_holds_the_letters_tcp_is_no_tcp_address(void **state)
{
    (void)state;
    open_all(0);
    addresses[0] = rig_address("tcp");
    open_hub(0);
    rig_close(&publisher);
    rig_close(&subscriber);
    memset(&publisher, 0, sizeof publisher);
    memset(&subscriber, 0, sizeof subscriber);
    open_spoke(&publisher, "session-0", false, 1);
    open_spoke(&subscriber, "presence-0", true, 1);
    say(&publisher, "over ipc");
    RIG_UNTIL(hubs[0].notices == 1);
    close_all(1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(everybody_but_the_publisher_hears_a_notice, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(two_hubs_mean_no_doubles, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(the_loss_of_one_of_two_hubs_loses_nothing, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(a_lost_last_notice_is_noticed, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(a_publisher_that_starts_anew_is_a_gap, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(what_is_said_before_a_hub_is_there_is_kept, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(a_late_subscriber_knows_that_it_is_late, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(nobody_hears_where_there_is_no_hub, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(hubs_on_tcp_use_the_next_two_ports, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(a_path_that_holds_the_letters_tcp_is_no_tcp_address,
                                        rig_setup, rig_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
