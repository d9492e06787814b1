/* Closing a bus from inside each of its callbacks. Sanitizers watch. */
#include "rig.h"

#include "bus/transport_internal.h"

static struct rig_node edge;
static struct rig_node router;

static void open_pair(const struct bus_handlers *handlers)
{
    struct bus_options options;
    const char *address = rig_address("r0");

    memset(&edge, 0, sizeof edge);
    memset(&router, 0, sizeof router);
    options = rig_options(&router, "router", "router-0");
    options.listen = address;
    options.is_hub = true;
    rig_open(&router, &options);
    options = rig_options(&edge, "edge", "edge-1");
    options.dial = &address;
    options.dial_count = 1;
    options.hubs = &address;
    options.hub_count = 1;
    options.wants_notices = true;
    if (handlers)
        options.handlers = *handlers;
    rig_open(&edge, &options);
}

static void close_pair(void)
{
    RIG_UNTIL(!edge.bus);
    rig_run_ms(20);
    rig_close(&edge);
    rig_close(&router);
}

static void close_edge(void)
{
    if (edge.bus)
        bus_free(edge.bus);
    edge.bus = NULL;
}

static void close_on_peer(void *ctx, struct bus_peer *peer)
{
    (void)ctx;
    (void)peer;
    close_edge();
}

static void close_on_item(void *ctx, struct bus_peer *peer, uint64_t token,
                          const struct wire_msg *msg)
{
    (void)ctx;
    (void)msg;
    bus_settle(peer, token);
    close_edge();
}

static void close_on_call(void *ctx, struct bus_call *call, const struct wire_msg *msg)
{
    (void)ctx;
    (void)msg;
    rig_answer(call, "bye");
    close_edge();
}

static void close_on_notice(void *ctx, const struct wire_msg *msg)
{
    (void)ctx;
    (void)msg;
    close_edge();
}

static void close_on_gap(void *ctx)
{
    (void)ctx;
    close_edge();
}

static void close_on_settled(void *arg, enum bus_outcome outcome)
{
    (void)arg;
    (void)outcome;
    close_edge();
}

static void close_on_reply(void *arg, enum bus_outcome outcome, const struct wire_msg *reply)
{
    (void)arg;
    (void)outcome;
    (void)reply;
    close_edge();
}

static void in_peer_up(void **state)
{
    struct bus_handlers handlers = {.peer_up = close_on_peer, .item = rig_item};

    (void)state;
    open_pair(&handlers);
    close_pair();
}

static void in_peer_down(void **state)
{
    struct bus_handlers handlers = {.peer_down = close_on_peer, .item = rig_item};

    (void)state;
    open_pair(&handlers);
    RIG_UNTIL(bus_has_peer(edge.bus, "router"));
    for (uint64_t n = 1; n <= 10; n++)
        rig_send_to(&edge, rig_peer(&edge, "router-0"), n);
    rig_send(&edge, "router", 1, 11);
    rig_close(&router);
    RIG_UNTIL(!edge.bus);
    memset(&router, 0, sizeof router);
    rig_close(&edge);
}

static void in_item_with_more_behind_it(void **state)
{
    struct bus_handlers handlers = {.item = close_on_item};

    (void)state;
    open_pair(&handlers);
    RIG_UNTIL(router.ups == 1);
    for (uint64_t n = 1; n <= 10; n++)
        rig_send(&router, "edge", 1, n);
    close_pair();
}

static void in_call(void **state)
{
    struct bus_handlers handlers = {.call = close_on_call};
    struct wire_msg msg = {.id = WIRE_ID_account_exists};

    (void)state;
    open_pair(&handlers);
    RIG_UNTIL(router.ups == 1);
    bus_call(router.bus, "edge", 1, &msg, 1000, close_on_reply, NULL);
    close_pair();
}

static void in_notice(void **state)
{
    struct bus_handlers handlers = {.notice = close_on_notice};
    struct wire_msg msg = {.id = WIRE_ID_account_removed};

    (void)state;
    open_pair(&handlers);
    RIG_UNTIL(router.ups == 1);
    for (int i = 0; edge.bus; i++) {
        bus_notice(router.bus, &msg);
        loop_run_once(rig_loop, 1);
    }
    close_pair();
}

static void in_notice_gap(void **state)
{
    struct bus_handlers handlers = {.notice_gap = close_on_gap};

    (void)state;
    open_pair(&handlers);
    close_pair();
}

static void in_settled(void **state)
{
    struct wire_msg msg = rig_route(1);

    (void)state;
    open_pair(NULL);
    for (int i = 0; i < 10; i++)
        bus_send(edge.bus, "router", 1, &msg, close_on_settled, NULL);
    close_pair();
}

static void in_lost(void **state)
{
    struct wire_msg msg = rig_route(1);

    (void)state;
    open_pair(NULL);
    router.holds = true;
    RIG_UNTIL(bus_has_peer(edge.bus, "router"));
    for (int i = 0; i < 10; i++)
        bus_send_to(rig_peer(&edge, "router-0"), &msg, close_on_settled, NULL);
    RIG_UNTIL(router.items == 10);
    rig_close(&router);
    memset(&router, 0, sizeof router);
    close_pair();
}

static void in_reply(void **state)
{
    struct wire_msg msg = {.id = WIRE_ID_account_exists};

    (void)state;
    open_pair(NULL);
    for (int i = 0; i < 10; i++)
        bus_call(edge.bus, "router", 1, &msg, 1000, close_on_reply, NULL);
    close_pair();
}

static void in_timeout(void **state)
{
    struct wire_msg msg = {.id = WIRE_ID_account_exists};

    (void)state;
    open_pair(NULL);
    for (int i = 0; i < 10; i++)
        bus_call(edge.bus, "archive", 1, &msg, 20, close_on_reply, NULL);
    close_pair();
}

static void in_lost_call(void **state)
{
    struct wire_msg msg = {.id = WIRE_ID_sasl_step};

    (void)state;
    open_pair(NULL);
    router.keeps_calls = true;
    for (int i = 0; i < 10; i++)
        bus_call(edge.bus, "router", 1, &msg, 10000, close_on_reply, NULL);
    RIG_UNTIL(router.calls == 10);
    rig_close(&router);
    memset(&router, 0, sizeof router);
    close_pair();
}

/* A settled callback that sends the next item, a reply callback that makes the next call. */
static size_t chained;

static void send_next(void *arg, enum bus_outcome outcome)
{
    struct wire_msg msg = rig_route(1);

    (void)arg;
    (void)outcome;
    if (++chained < 50)
        bus_send(edge.bus, "router", chained, &msg, send_next, NULL);
}

static void call_next(void *arg, enum bus_outcome outcome, const struct wire_msg *reply)
{
    struct wire_msg msg = {.id = WIRE_ID_account_exists};

    (void)arg;
    (void)outcome;
    (void)reply;
    if (++chained < 100)
        bus_call(edge.bus, "router", chained, &msg, 1000, call_next, NULL);
}

static void callbacks_may_use_the_bus(void **state)
{
    (void)state;
    open_pair(NULL);
    chained = 0;
    send_next(NULL, BUS_SETTLED);
    RIG_UNTIL(chained == 50);
    call_next(NULL, BUS_SETTLED, NULL);
    RIG_UNTIL(chained == 100);
    close_edge();
    close_pair();
}

/* nng's thread that takes down connections hangs now and then, and nng_close with it. */
static pthread_mutex_t reaper_lock = PTHREAD_MUTEX_INITIALIZER;

static void hang(nng_aio *aio, void *arg, int reason)
{
    (void)arg;
    pthread_mutex_lock(&reaper_lock);
    pthread_mutex_unlock(&reaper_lock);
    nng_aio_finish(aio, reason);
}

static void a_close_that_hangs_is_left_behind(void **state)
{
    nng_aio *aio;

    (void)state;
    open_pair(NULL);
    RIG_UNTIL(router.ups == 1 && edge.ups == 1);
    pthread_mutex_lock(&reaper_lock);
    assert_int_equal(nng_aio_alloc(&aio, NULL, NULL), 0);
    assert_true(nng_aio_begin(aio));
    nng_aio_defer(aio, hang, NULL);
    nng_aio_reap(aio);
    rig_close(&edge); /* comes back, or the test hangs */
    pthread_mutex_unlock(&reaper_lock);
    RIG_UNTIL(router.downs == 1);
    rig_close(&router);
}

#define CLOSING(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLOSING(in_peer_up),
        CLOSING(in_peer_down),
        CLOSING(in_call),
        CLOSING(in_item_with_more_behind_it),
        CLOSING(in_notice),
        CLOSING(in_notice_gap),
        CLOSING(in_settled),
        CLOSING(in_lost),
        CLOSING(in_reply),
        CLOSING(in_timeout),
        CLOSING(in_lost_call),
        CLOSING(callbacks_may_use_the_bus),
        CLOSING(a_close_that_hangs_is_left_behind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
