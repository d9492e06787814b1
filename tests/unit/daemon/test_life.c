/* The life of a daemon: arguments, start, reload, readiness, drain and the end, each as the header
 * of the skeleton says. */
#include "child.h"

#include "base/log.h"
#include "base/mem.h"
#include "loop/timer.h"

/* A daemon that is ready after its first reload and drains for a while. */
struct toy {
    struct daemon *d;
    struct loop_timer timer;
    daemon_done_fn *done;
    void *done_arg;
    bool was_reloaded;
};

static int toy_open(struct daemon *d, void **ctx_out)
{
    struct toy *toy = mem_calloc(1, sizeof(*toy));

    toy->d = d;
    *ctx_out = toy;
    return 0;
}

static bool toy_is_ready(void *ctx, struct buf *why)
{
    struct toy *toy = ctx;

    if (!toy->was_reloaded)
        buf_append_cstr(why, "waiting for a reload");
    return toy->was_reloaded;
}

static void toy_reload(void *ctx)
{
    struct toy *toy = ctx;

    toy->was_reloaded = true;
    LOG_INFO("toy_reload", "linger=%u", (unsigned)conf_u64(toy->d->conf, CONF_bus_linger));
}

static void toy_drained(void *arg)
{
    struct toy *toy = arg;

    LOG_INFO("toy_drained", "");
    toy->done(toy->done_arg);
}

static void toy_drain(void *ctx, daemon_done_fn *done, void *arg)
{
    struct toy *toy = ctx;

    toy->done = done;
    toy->done_arg = arg;
    loop_timer_init(&toy->timer, toy->d->loop, toy_drained, toy);
    loop_timer_start(&toy->timer, 200, 0);
}

static void toy_drain_for_ever(void *ctx, daemon_done_fn *done, void *arg)
{
    (void)ctx;
    (void)done;
    (void)arg;
}

static void toy_close(void *ctx)
{
    LOG_INFO("toy_close", "");
    mem_free(ctx);
}

static int toy_fail(struct daemon *d, void **ctx_out)
{
    (void)d;
    (void)ctx_out;
    LOG_ERROR("toy_failed", "");
    return -1;
}

static const struct daemon_spec toy = {
    .name = "toy",
    .summary = "a daemon to test the skeleton with",
    .flags = DAEMON_HAS_NO_BUS,
    .open = toy_open,
    .is_ready = toy_is_ready,
    .reload = toy_reload,
    .drain = toy_drain,
    .close = toy_close,
};

static char config[128];

static void write_config(const char *text)
{
    snprintf(config, sizeof(config), "%s/toy.conf", child_dir);
    FILE *file = fopen(config, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void arguments_are_answered_or_refused(void **state)
{
    static const struct {
        const char *args[3];
        int code;
        const char *says;
    } cases[] = {
        {{"--help"}, 0, "jackdaw-toy: a daemon to test the skeleton with"},
        {{"--help"}, 0, "--config FILE"},
        {{"--version"}, 0, "jackdaw-toy 0."},
        {{"--options"}, 0, "| `drain_timeout` | `30s` |"},
        {{"--example"}, 0, "[daemon]"},
        {{"--check"}, 0, ""},
        {{"--bogus"}, 64, "unknown option --bogus"},
        {{"--config"}, 64, "a value is missing after --config"},
        {{"--config", "/nonexistent/x"}, 78, "/nonexistent/x: cannot be read"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct child child;
        int code = child_run(&child, &toy, cases[i].args);
        if (code != cases[i].code || !strstr(buf_cstr(&child.log), cases[i].says))
            fail_msg("case %zu: exit %d, said:\n%s", i, code, buf_cstr(&child.log));
        child_free(&child);
    }
}

static void an_invalid_configuration_is_told_and_ends_with_78(void **state)
{
    const char *const args[] = {"--config", config, NULL};
    struct child child;

    (void)state;
    write_config("[log]\nlevel = loud\n");
    assert_int_equal(child_run(&child, &toy, args), 78);
    assert_non_null(strstr(buf_cstr(&child.log),
                           "toy.conf:2: log.level cannot be \"loud\"; allowed: one of error warn "
                           "info debug"));
    child_free(&child);
}

static void a_daemon_that_cannot_open_ends_with_1(void **state)
{
    struct daemon_spec spec = toy;
    const char *const args[] = {NULL};
    struct child child;

    (void)state;
    spec.open = toy_fail;
    assert_int_equal(child_run(&child, &spec, args), 1);
    assert_non_null(strstr(buf_cstr(&child.log), "event=toy_failed"));
    assert_null(strstr(buf_cstr(&child.log), "event=toy_close"));
    child_free(&child);
}

static void a_reload_applies_or_is_refused_as_a_whole(void **state)
{
    const char *const args[] = {"--config", config, "--instance", "toy-7", NULL};
    struct child child;

    (void)state;
    write_config("[bus]\nlinger = 5ms\n");
    child_start(&child, &toy, args);
    child_wait_for(&child,
                   "daemon=toy instance=toy-7 event=not_ready why=\"waiting for a reload\"");
    write_config("[bus]\nlinger = never\n[log]\nlevel = debug\n");
    kill(child.pid, SIGHUP);
    child_wait_for(&child, "event=reload_refused");
    child_wait_for(&child, "bus.linger cannot be");
    write_config("[bus]\nlinger = 6ms\n");
    kill(child.pid, SIGHUP);
    child_wait_for(&child, "event=toy_reload linger=6");
    child_wait_for(&child, "event=ready");
    kill(child.pid, SIGTERM);
    assert_int_equal(child_end(&child), 0);
    child_free(&child);
}

static void a_drain_is_waited_for(void **state)
{
    const char *const args[] = {NULL};
    struct child child;

    (void)state;
    child_start(&child, &toy, args);
    child_wait_for(&child, "event=not_ready");
    kill(child.pid, SIGINT);
    child_wait_for(&child, "event=draining signal=2");
    child_wait_for(&child, "event=toy_drained");
    child_wait_for(&child, "event=toy_close");
    child_wait_for(&child, "event=stopped code=0");
    assert_int_equal(child_end(&child), 0);
    child_free(&child);
}

static void a_drain_has_a_bound(void **state)
{
    struct daemon_spec spec = toy;
    const char *const args[] = {"--config", config, NULL};
    struct child child;

    (void)state;
    spec.drain = toy_drain_for_ever;
    write_config("[daemon]\ndrain_timeout = 300ms\n");
    child_start(&child, &spec, args);
    child_wait_for(&child, "event=not_ready");
    kill(child.pid, SIGTERM);
    child_wait_for(&child, "event=drain_overdue");
    assert_int_equal(child_end(&child), 0);
    assert_non_null(strstr(buf_cstr(&child.log), "event=toy_close"));
    child_free(&child);
}

static void a_second_signal_ends_at_once(void **state)
{
    struct daemon_spec spec = toy;
    const char *const args[] = {NULL};
    struct child child;

    (void)state;
    spec.drain = toy_drain_for_ever;
    child_start(&child, &spec, args);
    child_wait_for(&child, "event=not_ready");
    kill(child.pid, SIGTERM);
    child_wait_for(&child, "event=draining");
    kill(child.pid, SIGTERM);
    assert_int_equal(child_end(&child), 128 + SIGTERM);
    child_free(&child);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arguments_are_answered_or_refused),
        cmocka_unit_test(an_invalid_configuration_is_told_and_ends_with_78),
        cmocka_unit_test(a_daemon_that_cannot_open_ends_with_1),
        cmocka_unit_test(a_reload_applies_or_is_refused_as_a_whole),
        cmocka_unit_test(a_drain_is_waited_for),
        cmocka_unit_test(a_drain_has_a_bound),
        cmocka_unit_test(a_second_signal_ends_at_once),
    };

    return cmocka_run_group_tests(tests, child_setup, child_teardown);
}
