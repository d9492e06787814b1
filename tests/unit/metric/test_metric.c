/* Metrics show what was counted, in the text format Prometheus reads. */
#include "metric/metric.h"

#include "base/span.h"

#include <pthread.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct buf page;

static const char *page_text(void)
{
    buf_reset(&page);
    metric_write(&page);
    return buf_cstr(&page);
}

static int teardown(void **state)
{
    (void)state;
    buf_deinit(&page);
    return 0;
}

static void only_what_was_touched_is_shown(void **state)
{
    (void)state;
    assert_null(strstr(page_text(), "jackdaw_ready"));
    metric_set(METRIC_ready, 0);
    assert_non_null(strstr(page_text(), "# HELP jackdaw_ready 1 while the daemon reports ready.\n"
                                        "# TYPE jackdaw_ready gauge\njackdaw_ready 0\n"));
}

static void gauges_go_both_ways(void **state)
{
    (void)state;
    metric_set(METRIC_conf_generation, 5);
    metric_change(METRIC_conf_generation, -7);
    assert_int_equal(metric_value(METRIC_conf_generation), -2);
    assert_non_null(strstr(page_text(), "\njackdaw_config_generation -2\n"));
}

static void a_family_has_one_head_and_its_first_help(void **state)
{
    (void)state;
    metric_inc(METRIC_stream_login_failures);
    const char *text = page_text();
    assert_non_null(strstr(text, "# HELP jackdaw_logins_total SASL authentications.\n"));
    assert_non_null(strstr(text, "jackdaw_logins_total{outcome=\"failure\"} 1\n"));
    assert_null(strstr(text, "outcome=\"success\""));
    metric_add(METRIC_stream_logins, 3);
    text = page_text();
    const char *head = strstr(text, "# TYPE jackdaw_logins_total counter\n");
    assert_non_null(head);
    assert_null(strstr(head + 1, "# TYPE jackdaw_logins_total counter\n"));
    assert_non_null(strstr(text, "jackdaw_logins_total{outcome=\"success\"} 3\n"));
}

static void histograms_are_cumulative(void **state)
{
    (void)state;
    metric_observe(METRIC_sql_seconds, 0.0001); /* on the bound: inside */
    metric_observe(METRIC_sql_seconds, 0.002);
    metric_observe(METRIC_sql_seconds, 100);
    metric_observe(METRIC_sql_seconds, -1); /* a clock that went back must not upset anything */
    const char *text = page_text();
    assert_non_null(strstr(text, "jackdaw_sql_job_seconds_bucket{le=\"0.0001\"} 2\n"));
    assert_non_null(strstr(text, "jackdaw_sql_job_seconds_bucket{le=\"0.0025\"} 3\n"));
    assert_non_null(strstr(text, "jackdaw_sql_job_seconds_bucket{le=\"10\"} 3\n"));
    assert_non_null(strstr(text, "jackdaw_sql_job_seconds_bucket{le=\"+Inf\"} 4\n"));
    assert_non_null(strstr(text, "jackdaw_sql_job_seconds_sum 100.002100\n"));
    assert_non_null(strstr(text, "jackdaw_sql_job_seconds_count 4\n"));
    assert_int_equal(metric_value(METRIC_sql_seconds), 4);
}

static void *count_much(void *arg)
{
    (void)arg;
    for (int i = 0; i < 100000; i++)
        metric_inc(METRIC_health_requests);
    return NULL;
}

static void threads_lose_no_count(void **state)
{
    pthread_t threads[3];

    (void)state;
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_much, NULL), 0);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(metric_value(METRIC_health_requests), 300000);
}

/* What the head of metrics.def asks of its lines. */
struct line {
    const char *name;
    const char *labels;
    const char *type;
    const char *help;
};

static const struct line lines[] = {
#define METRIC(id, name, labels, type, help) {name, labels, #type, help},
#include "metric/metrics.def"
#undef METRIC
};

static bool ends_in(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);

    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

static void the_table_keeps_its_own_rules(void **state)
{
    (void)state;
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        bool continues = i > 0 && strcmp(lines[i].name, lines[i - 1].name) == 0;
        if (ends_in(lines[i].name, "_total") != (strcmp(lines[i].type, "COUNTER") == 0))
            fail_msg("%s: a counter, and only a counter, ends in _total", lines[i].name);
        if ((lines[i].help[0] == '\0') != continues)
            fail_msg("%s: the first line of a name, and only that, has help", lines[i].name);
        for (size_t k = 0; k < i; k++) {
            if (strcmp(lines[i].name, lines[k].name) != 0)
                continue;
            if (!continues || strcmp(lines[i].labels, lines[k].labels) == 0)
                fail_msg("%s: lines of one name stand together, labels differ", lines[i].name);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_was_touched_is_shown),
        cmocka_unit_test(gauges_go_both_ways),
        cmocka_unit_test(a_family_has_one_head_and_its_first_help),
        cmocka_unit_test(histograms_are_cumulative),
        cmocka_unit_test(threads_lose_no_count),
        cmocka_unit_test(the_table_keeps_its_own_rules),
    };

    return cmocka_run_group_tests(tests, NULL, teardown);
}
