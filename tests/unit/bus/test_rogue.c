/* The other end misbehaves, or nng drops frames: a peer made by hand, frame by frame.
 *
 * The hand dials with two raw ports as the bus does, so that it can leave out, repeat and garble.
 */
#include "rig.h"

struct hand {
    struct transport *transport;
    struct port *ports[2];
    uint32_t pipes[2];
    uint64_t your_link; /* the listener's, from its hello */
    size_t hellos;
    size_t data_frames;
    size_t drop;        /* so many data frames are not looked at */
    uint64_t received;  /* in order */
    uint64_t highest;   /* number seen in any frame */
    uint64_t confirmed; /* of our entries */
    bool gap;           /* the listener reported one */
};

static struct rig_node router;
static struct hand hand;

static void on_up(void *ctx, struct port *port, uint32_t pipe)
{
    (void)ctx;
    hand.pipes[port == hand.ports[1]] = pipe;
}

static void on_gone(void *ctx, struct port *port, uint32_t pipe)
{
    (void)ctx;
    (void)pipe;
    hand.pipes[port == hand.ports[1]] = 0;
}

static void look_at(const struct frame_data *data)
{
    struct span rest = data->entries;
    struct frame_entry entry;
    uint64_t number = data->first;

    hand.data_frames++;
    hand.confirmed = data->received;
    hand.gap = hand.gap || data->gap;
    if (hand.drop > 0) {
        hand.drop--;
        return;
    }
    for (; frame_next_entry(&rest, &entry); number++) {
        if (number == hand.received + 1)
            hand.received = number;
        if (number > hand.highest)
            hand.highest = number;
    }
}

static void on_frame(void *ctx, struct port *port, uint32_t pipe, struct span bytes)
{
    struct arena arena = {0};
    struct frame frame;

    (void)ctx;
    (void)port;
    (void)pipe;
    assert_int_equal(frame_decode(bytes, &arena, &frame), 0);
    if (frame.type == FRAME_HELLO) {
        hand.hellos++;
        hand.your_link = frame.u.hello.link;
    }
    if (frame.type == FRAME_DATA)
        look_at(&frame.u.data);
    arena_deinit(&arena);
}

static void on_edge(void *ctx)
{
    (void)ctx;
}

static const struct transport_handlers handlers = {on_up, on_gone, on_frame, on_edge, on_edge};

static void open_hand(const char *address)
{
    const struct transport_options options = {rig_loop, 1 << 20, &handlers, NULL};
    const char *reason;

    memset(&hand, 0, sizeof hand);
    hand.transport = transport_new(&options);
    for (int lane = 0; lane < 2; lane++) {
        hand.ports[lane] = transport_open(hand.transport, PORT_REQ, NULL);
        assert_non_null(hand.ports[lane]);
        assert_int_equal(port_dial(hand.ports[lane], address, &reason), 0);
    }
    RIG_UNTIL(hand.pipes[0] && hand.pipes[1]);
}

static void hand_says(struct buf *frame, int lane)
{
    /* The way may be full for a moment. */
    RIG_UNTIL(port_send(hand.ports[lane], hand.pipes[lane], buf_span(frame)) == 0);
    buf_reset(frame);
}

static void hand_hello(uint64_t link, uint64_t your_link, uint64_t received)
{
    struct frame_hello hello = {.boot = 1,
                                .link = link,
                                .your_link = your_link,
                                .received = received,
                                .kind = SPAN("edge"),
                                .instance = SPAN("hand")};
    struct buf frame = {0};

    for (int lane = 0; lane < 2; lane++) {
        hello.lane = (enum frame_lane)lane;
        frame_write_hello(&hello, &frame);
        hand_says(&frame, lane);
    }
    buf_deinit(&frame);
}

/* Items `first` .. `first + count - 1`, confirming `received`. */
static void hand_items(uint64_t link, uint64_t first, uint32_t count, uint64_t received)
{
    const struct frame_data data = {.link = link, .received = received, .first = first};
    struct buf frame = {0};
    struct buf body = {0};

    frame_begin_data(&data, &frame);
    for (uint32_t i = 0; i < count; i++) {
        struct wire_msg msg = rig_route(first + i);

        buf_reset(&body);
        wire_encode(&msg, &body);
        frame_write_entry(&(struct frame_entry){FRAME_ITEM, 0, buf_span(&body)}, &frame);
    }
    frame_end_data(count, &frame);
    hand_says(&frame, FRAME_SPEAKS);
    buf_deinit(&frame);
    buf_deinit(&body);
}

static void open_all(void)
{
    const char *address = rig_address("rogue");

    memset(&router, 0, sizeof router);
    rig_listen(&router, "router", "router-0", address);
    open_hand(address);
}

static void shake_hands(void)
{
    open_all();
    hand_hello(5, 0, 0);
    RIG_UNTIL(router.ups == 1 && hand.hellos == 1);
}

static void close_all(void)
{
    transport_free(hand.transport, 5);
    rig_close(&router);
}

static void garbage_does_no_harm(void **state)
{
    struct buf frame = {0};

    (void)state;
    open_all();
    for (int i = 0; i < 100; i++) {
        buf_append_cstr(&frame, "garbage of some length that is no frame");
        hand_says(&frame, i % 2);
        loop_run_once(rig_loop, 1);
    }
    rig_run_ms(20);
    assert_int_equal(router.ups, 0);
    hand_hello(5, 0, 0);
    RIG_UNTIL(router.ups == 1 && hand.hellos == 1);
    hand_items(hand.your_link, 1, 3, 0);
    RIG_UNTIL(router.items == 3);
    buf_append_cstr(&frame, "garbage again");
    hand_says(&frame, FRAME_SPEAKS);
    hand_items(hand.your_link, 4, 1, 0);
    RIG_UNTIL(router.items == 4);
    buf_deinit(&frame);
    close_all();
}

static void items_before_the_hello_are_not_heard(void **state)
{
    (void)state;
    open_all();
    hand_items(0, 1, 3, 0);
    hand_items(5, 1, 3, 0);
    rig_run_ms(30);
    assert_int_equal(router.items, 0);
    close_all();
}

static void half_a_hello_is_not_enough(void **state)
{
    struct frame_hello hello = {
        .lane = FRAME_SPEAKS, .boot = 1, .link = 5, .kind = SPAN("edge"), .instance = SPAN("hand")};
    struct buf frame = {0};

    (void)state;
    open_all();
    frame_write_hello(&hello, &frame);
    hand_says(&frame, FRAME_SPEAKS);
    rig_run_ms(30);
    assert_int_equal(router.ups, 0);
    frame_write_hello(&hello, &frame); /* the same direction on the other pipe */
    hand_says(&frame, FRAME_LISTENS);
    rig_run_ms(30);
    assert_int_equal(router.ups, 0);
    buf_deinit(&frame);
    close_all();
    assert_int_equal(router.ups, 0);
}

static void items_for_another_link_are_not_heard(void **state)
{
    (void)state;
    shake_hands();
    hand_items(hand.your_link + 2, 1, 1, 0);
    rig_run_ms(30);
    assert_int_equal(router.items, 0);
    close_all();
}

static void repeated_items_are_taken_once(void **state)
{
    (void)state;
    shake_hands();
    hand_items(hand.your_link, 1, 5, 0);
    hand_items(hand.your_link, 1, 5, 0);
    hand_items(hand.your_link, 3, 5, 0);
    RIG_UNTIL(router.items == 7);
    rig_run_ms(30);
    assert_int_equal(router.items, 7);
    assert_false(router.unordered);
    close_all();
}

static void a_gap_is_reported_and_closed(void **state)
{
    (void)state;
    shake_hands();
    hand_items(hand.your_link, 1, 2, 0);
    hand_items(hand.your_link, 5, 2, 0);
    RIG_UNTIL(hand.gap && hand.confirmed == 2);
    assert_int_equal(router.items, 2);
    hand_items(hand.your_link, 3, 4, 0);
    RIG_UNTIL(router.items == 6);
    assert_false(router.unordered);
    close_all();
}

/* Whatever is not confirmed is said again, and settlements too. */
static void what_is_not_confirmed_comes_again(void **state)
{
    (void)state;
    shake_hands();
    hand.drop = 3;
    for (uint64_t n = 1; n <= 5; n++)
        rig_send_to(&router, rig_peer(&router, "hand"), n);
    RIG_UNTIL(hand.received == 5);
    assert_int_equal(hand.drop, 0);
    hand_items(hand.your_link, 1, 1, 5);
    hand.drop = 1; /* the settlement of that item */
    RIG_UNTIL(hand.received == 6);
    assert_int_equal(router.items, 1);
    assert_int_equal(router.downs, 0);
    close_all();
}

static void a_reported_gap_makes_the_sender_go_back(void **state)
{
    struct frame_data data = {.gap = true, .received = 2};
    struct buf frame = {0};

    (void)state;
    shake_hands();
    for (uint64_t n = 1; n <= 5; n++)
        rig_send_to(&router, rig_peer(&router, "hand"), n);
    RIG_UNTIL(hand.received == 5);
    hand.received = 2;
    data.link = hand.your_link;
    frame_begin_data(&data, &frame);
    frame_end_data(0, &frame);
    hand_says(&frame, FRAME_SPEAKS);
    router.bus->options.resend_ms = 10 * RIG_WAIT_MS; /* so it is not for that */
    RIG_UNTIL(hand.received == 5);
    buf_deinit(&frame);
    close_all();
}

/* Without confirmation no more than a window is under way, and then one frame at a time. */
static void a_peer_that_confirms_nothing_is_not_flooded(void **state)
{
    char *bytes = mem_calloc(1, 60000);
    struct wire_msg msg = rig_route(1);

    (void)state;
    shake_hands();
    msg.u.route.stanza = span_of(bytes, 60000);
    for (unsigned n = 0; n < 100; n++)
        assert_int_equal(bus_send_to(rig_peer(&router, "hand"), &msg, NULL, NULL), 0);
    RIG_UNTIL(hand.highest == LINK_WINDOW);
    RIG_UNTIL(hand.data_frames > LINK_WINDOW);
    rig_run_ms(600);
    assert_int_equal(hand.highest, LINK_WINDOW);
    assert_in_range(hand.data_frames, LINK_WINDOW + 1, LINK_WINDOW + 8);
    mem_free(bytes);
    close_all();
}

static void confirming_what_was_never_sent_is_refused(void **state)
{
    (void)state;
    shake_hands();
    hand_items(hand.your_link, 1, 1, 1000);
    rig_run_ms(50);
    assert_int_equal(router.items, 0);
    close_all();
}

static void settling_what_was_never_sent_is_ignored(void **state)
{
    struct frame_data data = {.first = 1};
    struct frame_entry entry = {.kind = FRAME_SETTLE};
    struct buf frame = {0};
    struct buf runs = {0};

    (void)state;
    shake_hands();
    rig_send_to(&router, rig_peer(&router, "hand"), 1);
    RIG_UNTIL(hand.received == 1);
    data.link = hand.your_link;
    data.received = 1;
    frame_write_run(&(struct frame_run){0, UINT32_MAX}, &runs);
    entry.body = buf_span(&runs);
    frame_begin_data(&data, &frame);
    frame_write_entry(&entry, &frame);
    frame_end_data(1, &frame);
    hand_says(&frame, FRAME_SPEAKS);
    rig_run_ms(50);
    assert_int_equal(router.settled, 0);
    buf_reset(&runs);
    frame_write_run(&(struct frame_run){0, 2}, &runs);
    entry.body = buf_span(&runs);
    data.first = 2;
    frame_begin_data(&data, &frame);
    frame_write_entry(&entry, &frame);
    frame_end_data(1, &frame);
    hand_says(&frame, FRAME_SPEAKS);
    RIG_UNTIL(router.settled == 1);
    buf_deinit(&frame);
    buf_deinit(&runs);
    close_all();
}

/* A message from a newer daemon that this one does not know must not stop the link. */
static void an_unreadable_item_is_settled_and_the_rest_goes_on(void **state)
{
    struct frame_data data = {.first = 1};
    struct buf frame = {0};

    (void)state;
    shake_hands();
    data.link = hand.your_link;
    frame_begin_data(&data, &frame);
    frame_write_entry(&(struct frame_entry){FRAME_ITEM, 0, SPAN("\x99\x99\1\0\0\0\0\0")}, &frame);
    frame_write_entry(&(struct frame_entry){FRAME_CALL, 3, SPAN("\x98\x99\1\0\0\0\0\0")}, &frame);
    frame_end_data(2, &frame);
    hand_says(&frame, FRAME_SPEAKS);
    RIG_UNTIL(hand.received == 2); /* a refusal and a settlement */
    hand_items(hand.your_link, 3, 1, 2);
    RIG_UNTIL(router.items == 1);
    buf_deinit(&frame);
    close_all();
}

static void a_forgetful_dialler_starts_anew_on_the_same_pipes(void **state)
{
    (void)state;
    shake_hands();
    hand_items(hand.your_link, 1, 5, 0);
    RIG_UNTIL(router.items == 5);
    router.last_n = 0;
    hand_hello(7, 0, 0);
    RIG_UNTIL(router.ups == 2 && router.downs == 1 && hand.hellos == 2);
    hand_items(hand.your_link, 1, 5, 0);
    RIG_UNTIL(router.items == 10);
    assert_false(router.unordered);
    close_all();
}

#define ROGUE(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROGUE(garbage_does_no_harm),
        ROGUE(items_before_the_hello_are_not_heard),
        ROGUE(half_a_hello_is_not_enough),
        ROGUE(items_for_another_link_are_not_heard),
        ROGUE(repeated_items_are_taken_once),
        ROGUE(a_gap_is_reported_and_closed),
        ROGUE(what_is_not_confirmed_comes_again),
        ROGUE(a_reported_gap_makes_the_sender_go_back),
        ROGUE(a_peer_that_confirms_nothing_is_not_flooded),
        ROGUE(confirming_what_was_never_sent_is_refused),
        ROGUE(settling_what_was_never_sent_is_ignored),
        ROGUE(an_unreadable_item_is_settled_and_the_rest_goes_on),
        ROGUE(a_forgetful_dialler_starts_anew_on_the_same_pipes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
