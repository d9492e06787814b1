/* Whatever a value holds, a log line stays one line and its pairs stay its own. */
#include "base/log.h"

#include "base/span.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static int pipe_fds[2];

static int open_pipe(void **state)
{
    (void)state;
    if (pipe2(pipe_fds, O_NONBLOCK) < 0)
        return -1;
    log_set_fd(pipe_fds[1]);
    return 0;
}

/* What follows event= in the line just written (the whole line for JSON), without its end. */
static const char *line(void)
{
    static char text[4096];
    ssize_t len = read(pipe_fds[0], text, sizeof(text) - 1);

    if (len <= 0)
        return "";
    assert_int_equal(text[len - 1], '\n');
    text[len - 1] = '\0';
    assert_null(strchr(text, '\n'));
    const char *event = strstr(text, "event=");
    return event ? event + 6 : text;
}

static void names_and_pairs_are_in_the_line(void **state)
{
    char text[512];

    (void)state;
    log_open("edge", "edge-1", LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
    LOG_INFO("listening", "port=%u addr=%s", 5280, "127.0.0.1");
    ssize_t len = read(pipe_fds[0], text, sizeof(text) - 1);
    assert_true(len > 0);
    text[len] = '\0';
    assert_non_null(strstr(text, "Z level=info daemon=edge instance=edge-1 event=listening "
                                 "port=5280 addr=127.0.0.1\n"));
    LOG_INFO("stopped", "");
    assert_string_equal(line(), "stopped");
}

static void levels_that_are_off_write_nothing(void **state)
{
    (void)state;
    log_open("edge", "edge-1", LOG_LEVEL_WARN, LOG_FORMAT_LOGFMT);
    LOG_INFO("x", "");
    LOG_DEBUG("x", "");
    assert_string_equal(line(), "");
    uint64_t warnings = log_lines(LOG_LEVEL_WARN);
    LOG_WARN("x", "");
    assert_string_equal(line(), "x");
    assert_int_equal(log_lines(LOG_LEVEL_WARN), warnings + 1);
    assert_int_equal(log_lines(LOG_LEVEL_DEBUG), 0);
    log_set_level(LOG_LEVEL_DEBUG);
    LOG_DEBUG("y", "");
    assert_string_equal(line(), "y");
}

static void values_are_quoted_where_needed(void **state)
{
    (void)state;
    LOG_INFO("x", "reason=%s next=%d", "no such file", 1);
    assert_string_equal(line(), "x reason=\"no such file\" next=1");
    LOG_INFO("x", "a=%s b=%s", "", "\"\\");
    assert_string_equal(line(), "x a=\"\" b=\"\\\"\\\\\"");
    LOG_INFO("x", "reason=cannot open %s hint=look there", "f");
    assert_string_equal(line(), "x reason=\"cannot open f\" hint=\"look there\"");
    LOG_INFO("x", "only text");
    assert_string_equal(line(), "x text=\"only text\"");
}

static void a_value_cannot_forge_a_line_or_a_pair(void **state)
{
    (void)state;
    LOG_INFO("x", "user=%s", "eve level=error\nlevel=error event=fake");
    assert_string_equal(line(), "x user=\"eve level=error\\u000alevel=error event=fake\"");
    LOG_INFO("x", "user=%s ok=%d",
             "eve\x1f"
             "ok=2",
             1);
    assert_string_equal(line(), "x text=\"user=eve\\u001fok=2\\u001fok=1\"");
}

static void long_values_are_cut_and_the_line_ends(void **state)
{
    char value[8000];

    (void)state;
    memset(value, '"', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    LOG_INFO("x", "a=%s b=%s", value, value);
    assert_true(strlen(line()) > 1000);
    memset(value, 1, sizeof(value) - 1);
    LOG_INFO("x", "a=%s b=%s", value, value);
    const char *text = line();
    assert_int_equal(text[strlen(text) - 1], '"');
}

static void json_lines_are_objects(void **state)
{
    (void)state;
    log_open("edge", "edge-1", LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    LOG_INFO("listening", "port=%u addr=%s id=%s neg=%d", 5280, "a \"b\"", "007", -3);
    const char *text = line();
    assert_int_equal(text[0], '{');
    assert_non_null(strstr(text, "\"event\":\"listening\",\"port\":5280,\"addr\":\"a "
                                 "\\\"b\\\"\",\"id\":\"007\",\"neg\":-3}"));
    log_open("edge", "edge-1", LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_pairs_are_in_the_line),
        cmocka_unit_test(levels_that_are_off_write_nothing),
        cmocka_unit_test(values_are_quoted_where_needed),
        cmocka_unit_test(a_value_cannot_forge_a_line_or_a_pair),
        cmocka_unit_test(long_values_are_cut_and_the_line_ends),
        cmocka_unit_test(json_lines_are_objects),
    };

    return cmocka_run_group_tests(tests, open_pipe, NULL);
}
