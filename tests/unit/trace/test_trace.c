/* Notes on where a stanza went: made, kept, found again. */
#include "../registry/rig.h"

#include "conf/conf.h"
#include "trace/trace.h"

#include <stdlib.h>

#define ROMEO  SPAN("romeo@example.org/orchard")
#define JULIET SPAN("juliet@example.org")

struct desk {
    struct rig *rig;
    struct conf *conf;
    struct trace *trace;
    int answers;
    bool is_read;
    char text[2000];
};

static void on_read(void *arg, bool is_read, const struct trace_line *lines, size_t count)
{
    struct desk *desk = arg;
    size_t used = 0;
    desk->is_read = is_read;
    desk->text[0] = '\0';
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(
            desk->text + used, sizeof(desk->text) - used, "%llx-%llu %.*s %.*s: %.*s\n",
            (unsigned long long)lines[i].id.origin_sid, (unsigned long long)lines[i].id.origin_n,
            SPAN_ARG(lines[i].daemon), SPAN_ARG(lines[i].what), SPAN_ARG(lines[i].detail));
    desk->answers++;
}

static const char *read_of(struct desk *desk, const char *name)
{
    int before = desk->answers;
    trace_read(desk->rig->redis, span_cstr(name), on_read, desk);
    rig_until(desk->rig, &desk->answers, before + 1);
    return desk->text;
}

static void desk_open(struct desk *desk, void **state, const char *keep, const char *accounts)
{
    struct buf error = {0};
    *desk = (struct desk){.rig = *state};
    assert_int_equal(setenv("JACKDAW_TRACE_KEEP", keep, 1), 0);
    assert_int_equal(setenv("JACKDAW_TRACE_ACCOUNTS", accounts, 1), 0);
    desk->conf = conf_load(NULL, &error);
    assert_non_null(desk->conf);
    desk->trace = trace_new(desk->rig->redis, "edge-1", desk->conf);
}

static void desk_close(struct desk *desk)
{
    trace_free(desk->trace);
    conf_free(desk->conf);
}

static void say(struct desk *desk, uint64_t n, const char *id)
{
    const struct stanza stanza = {.kind = STANZA_MESSAGE,
                                  .type = STANZA_CHAT,
                                  .from = ROMEO,
                                  .to = JULIET,
                                  .id = span_cstr(id)};
    trace_begin(desk->trace, (struct trace_id){0xabc, n}, &stanza);
}

static void a_stanza_is_followed_by_its_origin_id(void **state)
{
    struct desk desk;
    desk_open(&desk, state, "1h", "");
    say(&desk, 7, "");
    trace_note(desk.trace, (struct trace_id){0xabc, 7}, "delivered", SPAN("edge-2"));
    assert_string_equal(
        read_of(&desk, "0000000000000abc-7"),
        "abc-7 edge-1 accepted: message chat from romeo@example.org/orchard to juliet@example.org\n"
        "abc-7 edge-1 delivered: edge-2\n");
    assert_true(desk.is_read);
    desk_close(&desk);
}

static void it_is_found_by_its_id_attribute_too_and_namesakes_are_kept_apart(void **state)
{
    struct desk desk;
    desk_open(&desk, state, "1h", "");
    say(&desk, 1, "same");
    say(&desk, 2, "same");
    say(&desk, 3, "other");
    const char *text = read_of(&desk, "same");
    assert_non_null(strstr(text, "abc-1 "));
    assert_non_null(strstr(text, "abc-2 "));
    assert_null(strstr(text, "abc-3 "));
    desk_close(&desk);
}

static void what_nobody_traced_has_no_notes(void **state)
{
    struct desk desk;
    desk_open(&desk, state, "1h", "");
    assert_string_equal(read_of(&desk, "unheard"), "");
    assert_string_equal(read_of(&desk, "0000000000000abc-99"), "");
    assert_true(desk.is_read);
    desk_close(&desk);
}

static void notes_are_forgotten_after_their_time(void **state)
{
    struct desk desk;
    desk_open(&desk, state, "50ms", "");
    say(&desk, 9, "brief");
    assert_string_not_equal(read_of(&desk, "brief"), "");
    uint64_t deadline = clock_mono_ms() + 10000;
    while (*read_of(&desk, "brief") && clock_mono_ms() < deadline)
        rig_wait_ms(desk.rig, 5);
    assert_string_equal(desk.text, "");
    assert_string_equal(read_of(&desk, "0000000000000abc-9"), "");
    desk_close(&desk);
}

static void only_the_accounts_asked_for_are_traced(void **state)
{
    struct desk desk;
    desk_open(&desk, state, "1h", "juliet@example.org");
    assert_true(trace_wants(desk.trace, ROMEO, SPAN("juliet@example.org/balcony")));
    assert_true(trace_wants(desk.trace, SPAN("juliet@example.org/balcony"), ROMEO));
    assert_false(trace_wants(desk.trace, ROMEO, SPAN("nurse@example.org")));
    desk_close(&desk);
    desk_open(&desk, state, "0s", "");
    assert_false(trace_wants(desk.trace, ROMEO, JULIET));
    desk_close(&desk);
    assert_false(trace_wants(NULL, ROMEO, JULIET));
}

static void an_origin_id_is_read_as_it_is_written(void **state)
{
    char text[TRACE_ID_SIZE];
    struct trace_id id;
    (void)state;
    trace_id_format((struct trace_id){UINT64_MAX, UINT64_MAX}, text);
    assert_int_equal(trace_id_parse(span_cstr(text), &id), 0);
    assert_true(id.origin_sid == UINT64_MAX && id.origin_n == UINT64_MAX);
    assert_int_equal(trace_id_parse(SPAN("0000000000000ABC-1"), &id), -1);
    assert_int_equal(trace_id_parse(SPAN("0000000000000abc-"), &id), -1);
    assert_int_equal(trace_id_parse(SPAN("0000000000000abc1-1"), &id), -1);
    assert_int_equal(trace_id_parse(SPAN(""), &id), -1);
}

static void without_redis_the_answer_says_so(void **state)
{
    struct desk desk;
    desk_open(&desk, state, "1h", "");
    private_redis_kill(&desk.rig->server);
    uint64_t deadline = clock_mono_ms() + 10000;
    while (redis_is_up(desk.rig->redis) && clock_mono_ms() < deadline)
        loop_run_once(desk.rig->loop, 1);
    assert_string_equal(read_of(&desk, "any"), "");
    assert_false(desk.is_read);
    desk_close(&desk);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_stanza_is_followed_by_its_origin_id),
        TEST(it_is_found_by_its_id_attribute_too_and_namesakes_are_kept_apart),
        TEST(what_nobody_traced_has_no_notes),
        TEST(notes_are_forgotten_after_their_time),
        TEST(only_the_accounts_asked_for_are_traced),
        TEST(an_origin_id_is_read_as_it_is_written),
        TEST(without_redis_the_answer_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
