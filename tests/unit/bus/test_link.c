/* Items between two daemons: order, custody, breaks of the connection, limits. */
#include "rig.h"

static struct rig_node edge;
static struct rig_node router;

static void open_pair(void)
{
    memset(&edge, 0, sizeof edge);
    memset(&router, 0, sizeof router);
    rig_listen(&router, "router", "router-0", rig_address("r0"));
    rig_dial(&edge, "edge", "edge-1", rig_address("r0"));
    RIG_UNTIL(edge.ups == 1 && router.ups == 1);
}

static void close_pair(void)
{
    rig_close(&edge);
    rig_close(&router);
}

static void both_ends_learn_who_the_other_is(void **state)
{
    const struct span lines[] = {SPAN("iq urn:x account"), SPAN("presence")};
    struct bus_options options;
    const struct span *announced;
    struct bus_peer *peer;
    const char *address = rig_address("who");

    (void)state;
    memset(&edge, 0, sizeof edge);
    memset(&router, 0, sizeof router);
    options = rig_options(&edge, "presence", "presence-3");
    options.announce = lines;
    options.announce_count = 2;
    options.dial = &address;
    options.dial_count = 1;
    rig_open(&edge, &options); /* before there is anybody to dial */
    rig_run_ms(20);
    assert_false(bus_has_peer(edge.bus, "router"));
    rig_listen(&router, "router", "router-0", address);
    RIG_UNTIL(edge.ups == 1 && router.ups == 1);
    peer = bus_find(router.bus, SPAN("presence-3"));
    assert_non_null(peer);
    assert_string_equal(bus_peer_kind(peer), "presence");
    assert_int_equal(bus_peer_announced(peer, &announced), 2);
    assert_true(span_is(announced[0], "iq urn:x account"));
    assert_true(span_is(announced[1], "presence"));
    assert_true(bus_has_peer(edge.bus, "router"));
    assert_true(bus_pick(edge.bus, "router", 5) == rig_peer(&edge, "router-0"));
    assert_null(bus_find(edge.bus, SPAN("router-1")));
    close_pair();
}

static void items_arrive_in_order_and_are_settled(void **state)
{
    (void)state;
    open_pair();
    for (uint64_t n = 1; n <= 5000; n++) {
        assert_int_equal(rig_send(&edge, "router", n, n), 0);
        assert_int_equal(rig_send_to(&router, rig_peer(&router, "edge-1"), n), 0);
        if (n % 100 == 0)
            loop_run_once(rig_loop, 0);
    }
    RIG_UNTIL(edge.settled == 5000 && router.settled == 5000);
    assert_int_equal(edge.items, 5000);
    assert_int_equal(router.items, 5000);
    assert_false(edge.unordered || router.unordered);
    RIG_UNTIL(rig_peer(&edge, "router-0")->out.bytes == 0);
    close_pair();
}

static void an_item_is_settled_only_by_its_receiver_in_any_order(void **state)
{
    (void)state;
    open_pair();
    router.holds = true;
    for (uint64_t n = 1; n <= 100; n++)
        assert_int_equal(rig_send(&edge, "router", 1, n), 0);
    RIG_UNTIL(router.held_count == 100);
    rig_run_ms(300);
    assert_int_equal(edge.settled, 0);
    for (unsigned i = 0; i < 100; i++) { /* 99 first, then every seventh ... */
        unsigned k = (99 + 7 * i) % 100;

        bus_settle(router.held[k].peer, router.held[k].token);
        RIG_UNTIL(edge.settled == i + 1);
    }
    assert_int_equal(router.items, 100);
    assert_int_equal(map64_count(&rig_peer(&edge, "router-0")->out.by_number), 0);
    assert_int_equal(map64_count(&bus_kind_get(edge.bus, SPAN("router"))->flows), 0);
    close_pair();
}

static void items_wait_for_somebody_to_come(void **state)
{
    const char *address = rig_address("late");

    (void)state;
    memset(&edge, 0, sizeof edge);
    memset(&router, 0, sizeof router);
    rig_dial(&edge, "edge", "edge-1", address);
    for (uint64_t n = 1; n <= 10; n++)
        assert_int_equal(rig_send(&edge, "router", n % 3, n), 0);
    rig_run_ms(50);
    rig_listen(&router, "router", "router-0", address);
    RIG_UNTIL(edge.settled == 10);
    assert_int_equal(router.items, 10);
    assert_false(router.unordered);
    close_pair();
}

/* Breaks the connection again and again while items travel both ways. */
static void a_broken_connection_costs_nothing(void **state)
{
    (void)state;
    open_pair();
    for (uint64_t n = 1; n <= 20000; n++) {
        assert_int_equal(rig_send(&edge, "router", 1, n), 0);
        assert_int_equal(rig_send_to(&router, rig_peer(&router, "edge-1"), n), 0);
        if (n % 50 == 0)
            loop_run_once(rig_loop, 1);
        if (n % 1500 == 0)
            rig_break(&edge, "router-0");
        if (n % 2300 == 0)
            rig_break(&router, "edge-1");
    }
    RIG_UNTIL(edge.settled == 20000 && router.settled == 20000);
    assert_int_equal(edge.items, 20000);
    assert_int_equal(router.items, 20000);
    assert_false(edge.unordered || router.unordered);
    assert_int_equal(edge.ups + router.ups, 2);
    assert_int_equal(edge.downs + router.downs, 0);
    assert_int_equal(edge.lost + router.lost, 0);
    close_pair();
}

static void what_is_settled_while_away_is_told_later(void **state)
{
    (void)state;
    open_pair();
    router.holds = true;
    for (uint64_t n = 1; n <= 20; n++)
        rig_send(&edge, "router", 1, n);
    RIG_UNTIL(router.held_count == 20);
    rig_break(&edge, "router-0"); /* half of them before it is noticed, half after */
    for (unsigned i = 0; i < 10; i++)
        bus_settle(router.held[i].peer, router.held[i].token);
    rig_run_ms(2);
    for (unsigned i = 10; i < 20; i++)
        bus_settle(router.held[i].peer, router.held[i].token);
    RIG_UNTIL(edge.settled == 20);
    assert_int_equal(router.items, 20);
    close_pair();
}

static void a_full_backlog_refuses_and_recovers(void **state)
{
    struct bus_options options;
    const char *address = rig_address("full");
    uint64_t taken = 0;

    (void)state;
    memset(&edge, 0, sizeof edge);
    memset(&router, 0, sizeof router);
    rig_listen(&router, "router", "router-0", address);
    options = rig_options(&edge, "edge", "edge-1");
    options.dial = &address;
    options.dial_count = 1;
    options.max_unsettled_bytes = 20000;
    rig_open(&edge, &options);
    RIG_UNTIL(edge.ups == 1);
    router.holds = true;
    while (rig_send(&edge, "router", 1, taken + 1) == 0)
        taken++;
    assert_in_range(taken, 50, 250);
    assert_int_equal(rig_send_to(&edge, rig_peer(&edge, "router-0"), 1), -1);
    RIG_UNTIL(router.held_count == taken);
    assert_int_equal(rig_send(&edge, "router", 1, taken + 1), -1);
    for (unsigned i = 0; i < taken; i++)
        bus_settle(router.held[i].peer, router.held[i].token);
    RIG_UNTIL(edge.settled == taken);
    assert_int_equal(rig_send(&edge, "router", 1, taken + 1), 0);
    RIG_UNTIL(router.items == taken + 1);
    assert_false(router.unordered);
    close_pair();
}

static void large_messages_pass_and_larger_ones_are_refused(void **state)
{
    struct wire_msg msg = rig_route(1);
    size_t size = (size_t)4 << 20;
    char *bytes = mem_calloc(1, size);

    (void)state;
    open_pair();
    msg.u.route.stanza = span_of(bytes, size);
    assert_int_equal(bus_send(edge.bus, "router", 1, &msg, rig_on_settled, &edge), -1);
    msg.u.route.stanza = span_of(bytes, size - 28); /* all but the head of the message */
    assert_int_equal(bus_send(edge.bus, "router", 1, &msg, rig_on_settled, &edge), 0);
    msg.u.route.origin_n = 2;
    assert_int_equal(bus_send(edge.bus, "router", 1, &msg, rig_on_settled, &edge), 0);
    RIG_UNTIL(edge.settled == 2);
    assert_int_equal(router.items, 2);
    assert_int_equal(edge.downs, 0);
    mem_free(bytes);
    close_pair();
}

/* One more than the window of frames, each full, so that the window closes and opens again. */
static void more_than_the_window_passes(void **state)
{
    char *bytes = mem_calloc(1, 200000);
    struct wire_msg msg = rig_route(1);

    (void)state;
    open_pair();
    msg.u.route.stanza = span_of(bytes, 200000);
    for (uint64_t n = 1; n <= 100; n++) {
        msg.u.route.origin_n = n;
        assert_int_equal(bus_send(edge.bus, "router", 1, &msg, rig_on_settled, &edge), 0);
    }
    RIG_UNTIL(edge.settled == 100);
    assert_int_equal(router.items, 100);
    assert_false(router.unordered);
    mem_free(bytes);
    close_pair();
}

static void two_diallers_share_a_listener(void **state)
{
    struct rig_node other = {0};

    (void)state;
    open_pair();
    rig_dial(&other, "edge", "edge-2", rig_address("r0"));
    RIG_UNTIL(router.ups == 2 && other.ups == 1);
    for (uint64_t n = 1; n <= 500; n++) {
        rig_send_to(&router, rig_peer(&router, "edge-1"), n);
        rig_send_to(&router, rig_peer(&router, "edge-2"), n);
        if (n % 100 == 0)
            rig_break(&router, "edge-2");
    }
    RIG_UNTIL(router.settled == 1000);
    assert_int_equal(edge.items, 500);
    assert_int_equal(other.items, 500);
    assert_false(edge.unordered || other.unordered);
    rig_close(&other);
    RIG_UNTIL(router.downs == 1);
    assert_null(rig_peer(&router, "edge-2"));
    assert_non_null(rig_peer(&router, "edge-1"));
    close_pair();
}

static void an_address_in_use_is_an_error(void **state)
{
    struct rig_node twin = {0};
    struct bus_options options = rig_options(&twin, "router", "router-9");
    char error[128] = "";

    (void)state;
    open_pair();
    options.listen = rig_address("r0");
    assert_null(bus_new(&options, error, sizeof error));
    assert_non_null(strstr(error, "cannot listen on ipc://"));
    options.listen = "nonsense";
    assert_null(bus_new(&options, error, sizeof error));
    options.instance = "0123456789012345678901234567890123456789012345678901234567890123";
    assert_null(bus_new(&options, error, sizeof error));
    close_pair();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(both_ends_learn_who_the_other_is, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(items_arrive_in_order_and_are_settled, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(an_item_is_settled_only_by_its_receiver_in_any_order,
                                        rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(items_wait_for_somebody_to_come, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(a_broken_connection_costs_nothing, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(what_is_settled_while_away_is_told_later, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(a_full_backlog_refuses_and_recovers, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(large_messages_pass_and_larger_ones_are_refused, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(more_than_the_window_passes, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(two_diallers_share_a_listener, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(an_address_in_use_is_an_error, rig_setup, rig_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
