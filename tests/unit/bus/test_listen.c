/* A process that dies in the middle of nng's handshake: a listener still takes the next one. */
#include "rig.h"

#include <sys/socket.h>
#include <sys/un.h>

/* Connects to the unix socket, sends `len` bytes of a handshake and is gone. */
static void die_in_handshake(const char *address, const char *bytes, size_t len)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    snprintf(un.sun_path, sizeof un.sun_path, "%s", address + strlen("ipc://"));
    assert_int_equal(connect(fd, (struct sockaddr *)&un, sizeof un), 0);
    if (len > 0)
        assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), len);
    close(fd);
}

static void assert_takes(struct rig_node *router, const char *name, const char *address)
{
    struct rig_node edge = {0};
    size_t before = router->ups;

    rig_dial(&edge, "edge", name, address);
    RIG_UNTIL(router->ups == before + 1 && edge.ups == 1);
    rig_close(&edge);
    RIG_UNTIL(router->downs == before + 1);
}

static void handshakes_cut_short_do_not_stop_it(void **state)
{
    struct rig_node router = {0};
    const char *address = rig_address("router");

    (void)state;
    rig_listen(&router, "router", "router-0", address);
    for (int i = 0; i < 10; i++) {
        char name[24];

        snprintf(name, sizeof name, "edge-%d", i);
        die_in_handshake(address, "\0SP\0", (size_t)i % 5);
        rig_run_ms((uint64_t)i * 70);
        assert_takes(&router, name, address);
    }
    rig_close(&router);
}

/* The connections it had before go on. */
static void earlier_connections_stay(void **state)
{
    struct rig_node router = {0};
    struct rig_node edge = {0};
    const char *address = rig_address("router");

    (void)state;
    rig_listen(&router, "router", "router-0", address);
    rig_dial(&edge, "edge", "edge-1", address);
    RIG_UNTIL(router.ups == 1 && edge.ups == 1);
    for (int i = 0; i < 3; i++) {
        die_in_handshake(address, "", 0);
        rig_run_ms(600);
    }
    assert_int_equal(router.downs, 0);
    assert_int_equal(edge.downs, 0);
    rig_close(&edge);
    RIG_UNTIL(router.downs == 1);
    rig_close(&router);
}

#define LISTEN(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LISTEN(handshakes_cut_short_do_not_stop_it),
        LISTEN(earlier_connections_stay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
