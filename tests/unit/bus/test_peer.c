/* Peers that die, restart, stop and come back; who owns which hash. */
#include "rig.h"

#include <signal.h>
#include <sys/wait.h>

static struct rig_node edge;

/* ---- a daemon in a process of its own: this program again, see main ---- */

struct child {
    pid_t pid;
    FILE *out; /* what it says: "item 5", ... */
};

/* Answers every item with a line on standard output. mode "settle" settles them, "keep" does not.
 */
static int child_main(char **argv)
{
    struct rig_node node = {0};
    struct bus_options options;
    char error[256] = "";

    rig_loop = loop_new();
    options = rig_options(&node, "router", argv[2]);
    options.listen = argv[3];
    node.holds = strcmp(argv[4], "keep") == 0;
    node.bus = bus_new(&options, error, sizeof error);
    if (!node.bus)
        return 1;
    printf("ready\n");
    fflush(stdout);
    for (size_t said = 0;;) {
        loop_run_once(rig_loop, 1);
        if (said == node.items)
            continue;
        said = node.items;
        printf("items %zu last %llu unordered %d\n", said, (unsigned long long)node.last_n,
               node.unordered);
        fflush(stdout);
    }
}

static struct child start_child(const char *name, const char *address, const char *mode)
{
    struct child child = {0};
    char line[64];
    int fds[2];

    assert_int_equal(pipe(fds), 0);
    child.pid = fork();
    assert_true(child.pid >= 0);
    if (child.pid == 0) {
        dup2(fds[1], STDOUT_FILENO);
        execl("/proc/self/exe", "test_peer", "child", name, address, mode, (char *)NULL);
        _exit(127);
    }
    close(fds[1]);
    child.out = fdopen(fds[0], "r");
    assert_non_null(fgets(line, sizeof line, child.out));
    assert_string_equal(line, "ready\n");
    return child;
}

static void kill_child(struct child *child)
{
    kill(child->pid, SIGKILL);
    waitpid(child->pid, NULL, 0);
    fclose(child->out);
}

/* Reads what the child says until it has had `items`. */
static void child_until(struct child *child, size_t items, uint64_t *last_out)
{
    size_t had = 0;
    unsigned long long last = 0;
    int unordered = 0;
    char line[128];

    while (had < items && fgets(line, sizeof line, child->out)) {
        if (sscanf(line, "items %zu last %llu unordered %d", &had, &last, &unordered) != 3)
            fail_msg("child said %s", line);
    }
    assert_int_equal(had, items);
    assert_int_equal(unordered, 0);
    if (last_out)
        *last_out = last;
}

/* ---- dying ---- */

static void what_a_killed_peer_had_goes_to_its_next_life(void **state)
{
    const char *address = rig_address("kill");
    struct child child = start_child("router-0", address, "keep");
    uint64_t killed_ms;

    (void)state;
    memset(&edge, 0, sizeof edge);
    rig_dial(&edge, "edge", "edge-1", address);
    RIG_UNTIL(edge.ups == 1);
    for (uint64_t n = 1; n <= 200; n++)
        assert_int_equal(rig_send(&edge, "router", 1, n), 0);
    assert_int_equal(rig_send_to(&edge, rig_peer(&edge, "router-0"), 201), 0);
    for (int i = 0; i < 20; i++)
        rig_run_ms(5);
    child_until(&child, 201, NULL);
    kill_child(&child);
    killed_ms = clock_mono_ms();
    RIG_UNTIL(edge.downs == 1);
    /* The kernel says that its process is gone: nobody waits out the grace. */
    assert_in_range(clock_mono_ms() - killed_ms, 0, 1000);
    assert_int_equal(edge.lost, 1); /* the one for that instance only */
    assert_int_equal(edge.settled, 0);
    assert_false(bus_has_peer(edge.bus, "router"));
    assert_int_equal(rig_send(&edge, "router", 1, 201), 0);
    child = start_child("router-0", address, "settle");
    RIG_UNTIL(edge.ups == 2 && edge.settled == 201);
    child_until(&child, 201, NULL);
    kill_child(&child);
    rig_close(&edge);
}

static void killing_at_any_moment_loses_nothing(void **state)
{
    const char *address = rig_address("any");
    struct child child = start_child("router-0", address, "settle");
    uint64_t n = 0;

    (void)state;
    memset(&edge, 0, sizeof edge);
    rig_dial(&edge, "edge", "edge-1", address);
    for (int life = 0; life < 8; life++) {
        for (int i = 0; i < 1000; i++) {
            assert_int_equal(rig_send(&edge, "router", 1, ++n), 0);
            if (i % (20 + life) == 0)
                loop_run_once(rig_loop, 1);
        }
        kill_child(&child);
        child = start_child("router-0", address, "settle");
    }
    RIG_UNTIL(edge.settled == n);
    assert_int_equal(edge.lost, 0);
    kill_child(&child);
    rig_close(&edge);
}

static void a_stopped_peer_is_waited_for(void **state)
{
    const char *address = rig_address("stop");
    struct child child = start_child("router-0", address, "settle");
    struct bus_options options = rig_options(&edge, "edge", "edge-1");
    uint64_t n = 0;

    (void)state;
    memset(&edge, 0, sizeof edge);
    options.dial = &address;
    options.dial_count = 1;
    options.max_unsettled_bytes = 300000;
    rig_open(&edge, &options);
    RIG_UNTIL(edge.ups == 1);
    kill(child.pid, SIGSTOP);
    for (int i = 0; i < 2000; i++) { /* longer than grace and resend time together */
        if (rig_send(&edge, "router", 1, n + 1) == 0)
            n++;
        loop_run_once(rig_loop, 1);
    }
    assert_in_range(n, 1000, 4000); /* the backlog is bounded */
    assert_true(edge.settled < n);
    kill(child.pid, SIGCONT);
    RIG_UNTIL(edge.settled == n);
    assert_int_equal(edge.downs, 0);
    child_until(&child, n, NULL);
    kill_child(&child);
    rig_close(&edge);
}

/* ---- restarts seen from a listener ---- */

static void a_restarted_dialler_is_a_new_peer(void **state)
{
    struct rig_node router = {0};
    const char *address = rig_address("again");

    (void)state;
    memset(&edge, 0, sizeof edge);
    rig_listen(&router, "router", "router-0", address);
    edge.holds = true;
    rig_dial(&edge, "edge", "edge-1", address);
    RIG_UNTIL(router.ups == 1);
    for (uint64_t n = 1; n <= 10; n++)
        rig_send_to(&router, rig_peer(&router, "edge-1"), n);
    rig_send(&router, "edge", 1, 11);
    RIG_UNTIL(edge.items == 11);
    rig_close(&edge); /* says goodbye */
    memset(&edge, 0, sizeof edge);
    rig_dial(&edge, "edge", "edge-1", address);
    RIG_UNTIL(router.downs == 1 && router.lost == 10);
    RIG_UNTIL(router.ups == 2 && router.settled == 1);
    assert_int_equal(edge.items, 1);
    assert_int_equal(edge.last_n, 11);
    rig_close(&edge);
    rig_close(&router);
}

/* The listener's process dies and comes back at once: before anyone had noticed that it was away.
 */
static void a_quick_restart_of_a_listener_is_noticed(void **state)
{
    struct rig_node router = {0};
    const char *address = rig_address("quick");

    (void)state;
    memset(&edge, 0, sizeof edge);
    router.holds = true;
    rig_listen(&router, "router", "router-0", address);
    rig_dial(&edge, "edge", "edge-1", address);
    RIG_UNTIL(edge.ups == 1);
    for (uint64_t n = 1; n <= 50; n++)
        rig_send(&edge, "router", n % 2, n);
    RIG_UNTIL(router.items == 50);
    rig_close(&router);
    memset(&router, 0, sizeof router);
    rig_listen(&router, "router", "router-0", address);
    RIG_UNTIL(edge.settled == 50);
    assert_int_equal(router.items, 50);
    assert_false(router.unordered);
    assert_int_equal(edge.lost, 0);
    rig_close(&edge);
    rig_close(&router);
}

/* The user may settle what came from a peer that is gone meanwhile. */
static void settling_after_the_end_of_the_sender_is_harmless(void **state)
{
    struct rig_node router = {0};
    const char *address = rig_address("after");

    (void)state;
    memset(&edge, 0, sizeof edge);
    router.holds = true;
    rig_listen(&router, "router", "router-0", address);
    rig_dial(&edge, "edge", "edge-1", address);
    for (uint64_t n = 1; n <= 3; n++)
        rig_send(&edge, "router", 1, n);
    RIG_UNTIL(router.items == 3);
    rig_close(&edge);
    RIG_UNTIL(router.downs == 1);
    assert_false(list_is_empty(&router.bus->gone));
    for (int i = 0; i < 3; i++)
        bus_settle(router.held[i].peer, router.held[i].token);
    assert_true(list_is_empty(&router.bus->gone));
    rig_close(&router);
}

static void a_peer_that_stays_away_is_given_up_and_may_come_back(void **state)
{
    struct rig_node router = {0};
    const char *address = rig_address("grace");

    (void)state;
    memset(&edge, 0, sizeof edge);
    rig_listen(&router, "router", "router-0", address);
    rig_dial(&edge, "edge", "edge-1", address);
    RIG_UNTIL(router.ups == 1 && edge.ups == 1);
    edge.holds = true;
    rig_send_to(&router, rig_peer(&router, "edge-1"), 1);
    RIG_UNTIL(edge.items == 1);
    rig_send(&router, "edge", 1, 2);
    rig_break(&router, "edge-1");
    RIG_UNTIL(rig_peer(&router, "edge-1")->pipe == 0);
    bus_enter(router.bus);
    bus_peer_down(rig_peer(&router, "edge-1"), "as if the grace were over");
    bus_leave(router.bus);
    assert_int_equal(router.lost, 1);
    /* The router has forgotten; the edge has not, but learns it when it is back. */
    edge.holds = false;
    RIG_UNTIL(router.ups == 2 && edge.ups == 2 && edge.downs == 1);
    RIG_UNTIL(router.settled == 1);
    assert_int_equal(edge.last_n, 2);
    rig_close(&edge);
    rig_close(&router);
}

/* ---- hashes ---- */

static void open_routers(struct rig_node *routers, unsigned count)
{
    static const char *const names[] = {"router-0", "router-1", "router-2", "router-3"};
    const char *addresses[4];
    struct bus_options options = rig_options(&edge, "edge", "edge-1");

    memset(&edge, 0, sizeof edge);
    edge.name = "edge-1";
    for (unsigned i = 0; i < count; i++) {
        memset(&routers[i], 0, sizeof routers[i]);
        addresses[i] = rig_address(names[i]);
        rig_listen(&routers[i], "router", names[i], addresses[i]);
    }
    options.dial = addresses;
    options.dial_count = count;
    rig_open(&edge, &options);
    RIG_UNTIL(edge.ups == count);
}

static void only_the_share_of_a_peer_moves_when_it_goes(void **state)
{
    struct rig_node routers[4];
    char before[1000];
    unsigned counts[4] = {0};
    unsigned moved = 0;

    (void)state;
    open_routers(routers, 4);
    for (uint64_t hash = 0; hash < 1000; hash++) {
        before[hash] = bus_peer_instance(bus_pick(edge.bus, "router", hash))[7];
        counts[before[hash] - '0']++;
    }
    for (int i = 0; i < 4; i++)
        assert_in_range(counts[i], 200, 300);
    rig_close(&routers[2]);
    RIG_UNTIL(edge.downs == 1);
    for (uint64_t hash = 0; hash < 1000; hash++) {
        char now = bus_peer_instance(bus_pick(edge.bus, "router", hash))[7];

        if (before[hash] == '2')
            moved++;
        else
            assert_int_equal(now, before[hash]);
    }
    assert_int_equal(moved, counts[2]);
    rig_close(&edge);
    for (int i = 0; i < 4; i++) {
        if (i != 2)
            rig_close(&routers[i]);
    }
}

/* Each hash numbers its own items: origin_n is hash * 1000 + n. */
static uint64_t last_of_hash[8];
static size_t out_of_order;

static void check_hash_order(struct rig_node *node, struct bus_peer *peer, uint64_t token)
{
    uint64_t hash = node->last_n / 1000;

    if (node->last_n <= last_of_hash[hash])
        out_of_order++; /* a repetition, or worse: see the test */
    else if (node->last_n != last_of_hash[hash] + 1)
        fail_msg("hash %u: %u after %u", (unsigned)hash, (unsigned)node->last_n,
                 (unsigned)last_of_hash[hash]);
    last_of_hash[hash] = node->last_n > last_of_hash[hash] ? node->last_n : last_of_hash[hash];
    bus_settle(peer, token);
}

static void items_of_a_hash_stay_in_order_when_routers_come_and_go(void **state)
{
    struct rig_node routers[2];
    uint64_t sent = 0;

    (void)state;
    open_routers(routers, 2);
    for (uint64_t hash = 0; hash < 8; hash++)
        last_of_hash[hash] = hash * 1000;
    out_of_order = 0;
    routers[0].on_item = routers[1].on_item = check_hash_order;
    for (uint64_t n = 1; n <= 600; n++) {
        for (uint64_t hash = 0; hash < 8; hash++, sent++)
            assert_int_equal(rig_send(&edge, "router", hash, hash * 1000 + n), 0);
        loop_run_once(rig_loop, 1);
        if (n % 100 == 50) {
            rig_close(&routers[0]);
            memset(&routers[0], 0, sizeof routers[0]);
            routers[0].on_item = check_hash_order;
        }
        if (n % 100 == 70)
            rig_listen(&routers[0], "router", "router-0", rig_address("router-0"));
    }
    RIG_UNTIL(edge.settled == sent);
    for (uint64_t hash = 0; hash < 8; hash++)
        assert_int_equal(last_of_hash[hash], hash * 1000 + 600);
    assert_true(out_of_order < 400); /* what was handled but not reported is handled again */
    rig_close(&edge);
    rig_close(&routers[0]);
    rig_close(&routers[1]);
}

/* The owner of a hash changes while items of it are with the old one: later ones follow them. */
static void a_hash_does_not_move_while_it_has_items_under_way(void **state)
{
    struct rig_node routers[2];
    uint64_t hash = 0;

    (void)state;
    open_routers(routers, 2);
    while (bus_pick(edge.bus, "router", hash) != rig_peer(&edge, "router-1"))
        hash++;
    rig_close(&routers[1]);
    RIG_UNTIL(edge.downs == 1);
    routers[0].holds = true;
    rig_send(&edge, "router", hash, 1);
    RIG_UNTIL(routers[0].items == 1);
    memset(&routers[1], 0, sizeof routers[1]);
    rig_listen(&routers[1], "router", "router-1", rig_address("router-1"));
    RIG_UNTIL(edge.ups == 3);
    assert_true(bus_pick(edge.bus, "router", hash) == rig_peer(&edge, "router-1"));
    rig_send(&edge, "router", hash, 2);
    RIG_UNTIL(routers[0].items == 2);
    bus_settle(routers[0].held[0].peer, routers[0].held[0].token);
    bus_settle(routers[0].held[1].peer, routers[0].held[1].token);
    RIG_UNTIL(edge.settled == 2);
    rig_send(&edge, "router", hash, 3);
    RIG_UNTIL(edge.settled == 3);
    assert_int_equal(routers[1].items, 1);
    rig_close(&edge);
    rig_close(&routers[0]);
    rig_close(&routers[1]);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_a_killed_peer_had_goes_to_its_next_life, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(killing_at_any_moment_loses_nothing, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(a_stopped_peer_is_waited_for, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(a_restarted_dialler_is_a_new_peer, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(a_quick_restart_of_a_listener_is_noticed, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(settling_after_the_end_of_the_sender_is_harmless, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(a_peer_that_stays_away_is_given_up_and_may_come_back,
                                        rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(only_the_share_of_a_peer_moves_when_it_goes, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(items_of_a_hash_stay_in_order_when_routers_come_and_go,
                                        rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(a_hash_does_not_move_while_it_has_items_under_way,
                                        rig_setup, rig_teardown),
    };

    if (argc == 5 && strcmp(argv[1], "child") == 0)
        return child_main(argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
