/* Redis access against a real, private redis-server on a unix socket, which is killed and started
 * again while commands are on their way. */
#include "base/arena.h"
#include "base/clock.h"
#include "loop/loop.h"
#include "loop/timer.h"
#include "redis/keys.h"
#include "redis/redis.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 10000

static char folder[] = "/tmp/jackdaw-redis-XXXXXX";
static char url[64];
static pid_t server;

static void server_start(void)
{
    char path[64];
    snprintf(path, sizeof(path), "%s/redis.sock", folder);
    server = fork();
    assert_true(server >= 0);
    if (server == 0) {
        execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", path, "--save", "",
               "--dir", folder, "--logfile", "redis.log", "--loglevel", "warning", (char *)NULL);
        _exit(127);
    }
}

static void server_stop(int signum)
{
    kill(server, signum);
    waitpid(server, NULL, 0);
}

/* ---- what is seen ---- */
struct seen {
    size_t count;
    size_t down;
    enum redis_type type;
    int64_t integer;
    char text[256];
    size_t elements;
    char order[64]; /* one letter per answer */
};

static void note(void *arg, const struct redis_reply *reply)
{
    struct seen *seen = arg;
    struct span text = redis_text(reply);
    seen->count++;
    seen->down += redis_type(reply) == REDIS_DOWN;
    seen->type = redis_type(reply);
    seen->integer = redis_integer(reply);
    seen->elements = redis_count(reply);
    snprintf(seen->text, sizeof(seen->text), "%.*s", SPAN_ARG(text));
}

static void tick(void *arg)
{
    (void)arg;
}

/* Turns the loop until `*value` reaches `wanted`. */
static void run_until(struct loop *loop, const size_t *value, size_t wanted)
{
    struct loop_timer timer;
    uint64_t end = clock_mono_ms() + PATIENCE_MS;
    loop_timer_init(&timer, loop, tick, NULL);
    loop_timer_start(&timer, 10, 10);
    while (*value < wanted && clock_mono_ms() < end) {
        loop_run_once(loop, 1);
    }
    loop_timer_stop(&timer);
    assert_int_equal(*value, wanted);
}

static size_t ups;
static size_t downs;

static void on_change(void *arg, bool up)
{
    (void)arg;
    *(up ? &ups : &downs) += 1;
}

static struct redis *open_and_wait(struct loop *loop)
{
    char error[128] = "";
    struct redis *redis = redis_new(loop, url, error, sizeof(error));
    assert_non_null(redis);
    ups = downs = 0;
    redis_on_change(redis, on_change, NULL);
    run_until(loop, &ups, 1);
    assert_true(redis_is_up(redis));
    return redis;
}

/* ---- tests ---- */
static void addresses_are_checked(void **state)
{
    static const char *const bad[] = {"",
                                      "unix:",
                                      "redis://",
                                      "http://x",
                                      "redis://h:99999",
                                      "redis://h/x",
                                      "redis://:p@",
                                      "unix:/x?y"};
    char error[128];
    (void)state;
    struct loop *loop = loop_new();
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        error[0] = '\0';
        assert_null(redis_new(loop, bad[i], error, sizeof(error)));
        assert_true(error[0] != '\0');
    }
    loop_free(loop);
}

static void replies_of_every_type(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct redis *redis = open_and_wait(loop);
    struct seen set = {0};
    struct seen get = {0};
    struct seen incr = {0};
    struct seen nil = {0};
    struct seen list = {0};
    struct seen wrong = {0};
    redis_call(redis, note, &set, SPAN("SET"), SPAN("bytes"), span_of("a\0b", 3));
    redis_call(redis, note, &get, SPAN("STRLEN"), SPAN("bytes"));
    redis_call(redis, note, &incr, SPAN("INCR"), SPAN("n"));
    redis_call(redis, note, &nil, SPAN("GET"), SPAN("nothing"));
    redis_call(redis, note, &wrong, SPAN("INCR"), SPAN("bytes"));
    redis_call(redis, note, &list, SPAN("MGET"), SPAN("n"), SPAN("nothing"), SPAN(""));
    assert_int_equal(set.count, 0); /* never from inside */
    assert_int_equal(redis_pending(redis), 6);
    run_until(loop, &list.count, 1);
    assert_string_equal(set.text, "OK");
    assert_int_equal(get.integer, 3);
    assert_int_equal(incr.integer, 1);
    assert_int_equal(nil.type, REDIS_NIL);
    assert_int_equal(wrong.type, REDIS_ERROR);
    assert_int_equal(list.elements, 3);
    assert_int_equal(redis_pending(redis), 0);
    redis_free(redis);
    loop_free(loop);
}

static void ten_thousand_in_one_turn(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct redis *redis = open_and_wait(loop);
    struct seen seen = {0};
    redis_call(redis, note, &seen, SPAN("DEL"), SPAN("many"));
    for (int i = 0; i < 10000; i++) {
        redis_call(redis, note, &seen, SPAN("INCR"), SPAN("many"));
    }
    run_until(loop, &seen.count, 10001);
    assert_int_equal(seen.integer, 10000);
    redis_free(redis);
    loop_free(loop);
}

static const struct redis_script add_script = {
    "add", "return redis.call('INCRBY', KEYS[1], ARGV[1] + ARGV[2])"};

static void scripts_survive_being_forgotten(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct redis *redis = open_and_wait(loop);
    struct span keys[] = {SPAN("sum")};
    struct span args[] = {SPAN("2"), SPAN("3")};
    struct redis_script_args with = {keys, 1, args, 2};
    struct seen seen = {0};
    redis_call(redis, NULL, NULL, SPAN("DEL"), SPAN("sum"));
    redis_run(redis, &add_script, &with, note, &seen);
    run_until(loop, &seen.count, 1);
    redis_run(redis, &add_script, &with, note, &seen);
    run_until(loop, &seen.count, 2);
    assert_int_equal(seen.integer, 10);
    redis_call(redis, NULL, NULL, SPAN("SCRIPT"), SPAN("FLUSH"));
    redis_run(redis, &add_script, &with, note, &seen);
    run_until(loop, &seen.count, 3);
    assert_int_equal(seen.integer, 15);
    redis_run(redis, &add_script, &with, note, &seen);
    run_until(loop, &seen.count, 4);
    assert_int_equal(seen.integer, 20);
    redis_free(redis);
    loop_free(loop);
}

static void a_killed_server_fails_what_waits_and_comes_back(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct redis *redis = open_and_wait(loop);
    struct seen seen = {0};
    struct seen after = {0};
    kill(server, SIGSTOP);
    for (int i = 0; i < 100; i++) {
        redis_call(redis, note, &seen, SPAN("PING"));
    }
    loop_run_once(loop, 0);
    server_stop(SIGKILL);
    run_until(loop, &seen.count, 100);
    assert_int_equal(seen.down, 100);
    assert_int_equal(downs, 1);
    assert_false(redis_is_up(redis));
    redis_call(redis, note, &after, SPAN("PING"));
    assert_int_equal(after.count, 0);
    run_until(loop, &after.count, 1);
    assert_int_equal(after.type, REDIS_DOWN);
    server_start();
    run_until(loop, &ups, 2);
    redis_call(redis, note, &after, SPAN("PING"));
    run_until(loop, &after.count, 2);
    assert_string_equal(after.text, "PONG");
    redis_free(redis);
    loop_free(loop);
}

static void a_silent_server_counts_as_gone(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct redis *redis = open_and_wait(loop);
    struct seen seen = {0};
    kill(server, SIGSTOP);
    redis_call(redis, note, &seen, SPAN("PING"));
    run_until(loop, &seen.count, 1);
    assert_int_equal(seen.type, REDIS_DOWN);
    kill(server, SIGCONT);
    run_until(loop, &ups, 2);
    redis_free(redis);
    loop_free(loop);
}

static void freeing_answers_what_waits(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct redis *redis = open_and_wait(loop);
    struct seen seen = {0};
    redis_call(redis, note, &seen, SPAN("PING"));
    redis_free(redis);
    assert_int_equal(seen.down, 1);
    loop_free(loop);
}

static void keys_are_filled_in(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct span key = redis_key(REDIS_KEY_directed, SPAN("juliet@example.com"), SPAN("42"), &arena);
    assert_true(span_is(key, "jd:d:{juliet@example.com}:42"));
    key = redis_key(REDIS_KEY_presence, SPAN("juliet@example.com"), (struct span){0}, &arena);
    assert_true(span_is(key, "jd:p:{juliet@example.com}"));
    arena_deinit(&arena);
}

static int set_up(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    assert_non_null(mkdtemp(folder));
    snprintf(url, sizeof(url), "unix:%s/redis.sock", folder);
    server_start();
    return 0;
}

static int tear_down(void **state)
{
    char command[96];
    (void)state;
    server_stop(SIGKILL);
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_checked),
        cmocka_unit_test(replies_of_every_type),
        cmocka_unit_test(ten_thousand_in_one_turn),
        cmocka_unit_test(scripts_survive_being_forgotten),
        cmocka_unit_test(a_killed_server_fails_what_waits_and_comes_back),
        cmocka_unit_test(a_silent_server_counts_as_gone),
        cmocka_unit_test(freeing_answers_what_waits),
        cmocka_unit_test(keys_are_filled_in),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
