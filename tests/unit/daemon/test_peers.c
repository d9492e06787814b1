/* Daemons find each other from one configuration, in any order of start, and say who is missing. */
#include "child.h"

#include "base/log.h"

static const struct daemon_spec router = {.name = "router",
                                          .summary = "a router that routes nothing",
                                          .flags = DAEMON_LISTENS | DAEMON_IS_HUB};
static const struct daemon_spec edge = {.name = "edge",
                                        .summary = "an edge that holds nothing",
                                        .flags = DAEMON_DIALS_ROUTERS | DAEMON_WANTS_NOTICES};

static char config[128];

static void write_config(void)
{
    snprintf(config, sizeof(config), "%s/cluster.conf", child_dir);
    FILE *file = fopen(config, "w");
    assert_non_null(file);
    fprintf(file,
            "[cluster]\nrouters = ipc://%s/router.ipc\n[router]\nlisten = ipc://%s/router.ipc\n"
            "[bus]\npeer_grace = 100ms\n",
            child_dir, child_dir);
    assert_int_equal(fclose(file), 0);
}

static void a_daemon_waits_for_its_router_and_says_so_once(void **state)
{
    const char *const edge_args[] = {"--config", config, "--instance", "edge-1", NULL};
    const char *const router_args[] = {"--config", config, "--instance", "router-0", NULL};
    struct child first, second;

    (void)state;
    write_config();
    child_start(&first, &edge, edge_args);
    child_wait_for(&first, "event=not_ready why=\"waiting for a router daemon (cluster.routers)\"");
    usleep(1200000);
    child_start(&second, &router, router_args);
    child_wait_for(&first, "event=peer_up kind=router peer=router-0");
    child_wait_for(&first, "event=ready");
    assert_null(strstr(strstr(buf_cstr(&first.log), "not_ready") + 1, "not_ready"));
    child_wait_for(&second, "event=peer_up kind=edge peer=edge-1");
    kill(second.pid, SIGKILL);
    assert_int_equal(child_end(&second), -SIGKILL);
    child_wait_for(&first, "event=not_ready");
    kill(first.pid, SIGTERM);
    assert_int_equal(child_end(&first), 0);
    child_free(&first);
    child_free(&second);
}

static void an_address_that_cannot_be_had_is_told(void **state)
{
    const char *const args[] = {"--instance", "router-0", NULL};
    struct child child;

    (void)state;
    setenv("JACKDAW_ROUTER_LISTEN", "ipc:///nonexistent/folder/router.ipc", 1);
    assert_int_equal(child_run(&child, &router, args), 1);
    unsetenv("JACKDAW_ROUTER_LISTEN");
    assert_non_null(strstr(buf_cstr(&child.log), "event=bus_failed reason="));
    assert_non_null(strstr(buf_cstr(&child.log), "hint=\"see router.listen and cluster.run_dir\""));
    child_free(&child);
}

static void options_of_the_bus_come_from_the_configuration(void **state)
{
    struct buf error = {0};
    struct arena arena = {0};
    struct bus_options options;

    (void)state;
    setenv("JACKDAW_CLUSTER_ROUTERS", "tcp://127.0.0.1:1, tcp://127.0.0.1:4", 1);
    setenv("JACKDAW_CLUSTER_SESSIONS", "tcp://127.0.0.1:7", 1);
    setenv("JACKDAW_SESSION_LISTEN", "tcp://127.0.0.1:7", 1);
    setenv("JACKDAW_BUS_LINGER", "9ms", 1);
    struct conf *conf = conf_load(NULL, &error);
    assert_non_null(conf);
    daemon_bus_options(conf, "session",
                       DAEMON_LISTENS | DAEMON_DIALS_ROUTERS | DAEMON_DIALS_SESSIONS, &arena,
                       &options);
    conf_free(conf); /* a reload frees it while the bus lives on */
    assert_string_equal(options.kind, "session");
    assert_string_equal(options.listen, "tcp://127.0.0.1:7");
    assert_int_equal(options.dial_count, 2); /* not itself */
    assert_string_equal(options.dial[1], "tcp://127.0.0.1:4");
    assert_int_equal(options.hub_count, 2);
    assert_int_equal(options.linger_ms, 9);
    assert_false(options.is_hub);
    arena_deinit(&arena);
    buf_deinit(&error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_daemon_waits_for_its_router_and_says_so_once),
        cmocka_unit_test(an_address_that_cannot_be_had_is_told),
        cmocka_unit_test(options_of_the_bus_come_from_the_configuration),
    };

    return cmocka_run_group_tests(tests, child_setup, child_teardown);
}
