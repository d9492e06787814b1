/* Configuration: what is right is read, what is wrong is told with place, name and what is allowed.
 */
#include "conf/conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static char path[64];
static struct buf error;

static int setup(void **state)
{
    (void)state;
    snprintf(path, sizeof(path), "/tmp/jackdaw-test-conf-%d.ini", getpid());
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    buf_deinit(&error);
    return 0;
}

static struct conf *load(const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    buf_reset(&error);
    return conf_load(path, &error);
}

/* The text is refused and the error holds each of the words. */
static void refused(const char *text, const char *const words[], size_t count)
{
    struct conf *conf = load(text);

    if (conf)
        fail_msg("accepted: %s", text);
    for (size_t i = 0; i < count; i++) {
        if (!strstr(buf_cstr(&error), words[i]))
            fail_msg("\"%s\" is not in: %s", words[i], buf_cstr(&error));
    }
    assert_non_null(strstr(buf_cstr(&error), "allowed"));
}
#define REFUSED(text, ...)                                                                         \
    do {                                                                                           \
        const char *const words[] = {__VA_ARGS__};                                                 \
        refused(text, words, sizeof(words) / sizeof(words[0]));                                    \
    } while (0)

static void without_a_file_all_is_at_its_default(void **state)
{
    const struct span *domains;
    struct conf *conf = conf_load(NULL, &error);

    (void)state;
    assert_non_null(conf);
    assert_int_equal(conf_u64(conf, CONF_bus_linger), 3);
    assert_int_equal(conf_u64(conf, CONF_bus_max_message), 4 << 20);
    assert_int_equal(conf_list(conf, CONF_cluster_domains, &domains), 1);
    assert_true(span_is(domains[0], "localhost"));
    assert_int_equal(conf_choice(conf, CONF_log_level), 2);
    assert_false(conf_bool(conf, CONF_stream_plain_without_tls));
    assert_false(conf_is_set(conf, CONF_bus_linger));
    conf_free(conf);
    conf_free(NULL);
}

static void every_type_is_read_in_every_form(void **state)
{
    const struct span *domains;
    struct conf *conf = load("; comment\n# comment\n[bus]\nlinger = 5ms\npeer_grace=1m\n"
                             "max_message = 128K\n");

    (void)state;
    assert_null(conf); /* units are lower case */
    conf = load("[bus]\nlinger = 5ms ; why\npeer_grace=1m\nmax_message = 128k\n"
                "[log]\nlevel: debug\nformat = json\n[stream]\nplain_without_tls = on\n"
                "[cluster]\ndomains = a.example, b.example\n  c.example\nrun_dir = /a b\n");
    assert_non_null(conf);
    assert_int_equal(conf_u64(conf, CONF_bus_linger), 5);
    assert_int_equal(conf_u64(conf, CONF_bus_peer_grace), 60000);
    assert_int_equal(conf_u64(conf, CONF_bus_max_message), 131072);
    assert_int_equal(conf_choice(conf, CONF_log_level), 3);
    assert_int_equal(conf_choice(conf, CONF_log_format), 1);
    assert_true(conf_bool(conf, CONF_stream_plain_without_tls));
    assert_int_equal(conf_list(conf, CONF_cluster_domains, &domains), 3);
    assert_string_equal(domains[0].data, "a.example");
    assert_string_equal(domains[1].data, "b.example");
    assert_string_equal(domains[2].data, "c.example");
    assert_string_equal(conf_str(conf, CONF_cluster_run_dir), "/a b");
    assert_true(conf_is_set(conf, CONF_bus_linger));
    assert_false(conf_is_set(conf, CONF_bus_resend));
    conf_free(conf);
}

static void domains_are_normalised_and_kept_once(void **state)
{
    const struct span *domains;
    struct conf *conf = load(
        "[cluster]\ndomains = Example.ORG, example.org, xn--bcher-kva.example,\n  B.example\n");

    (void)state;
    if (!conf)
        fail_msg("%s", buf_cstr(&error));
    assert_int_equal(conf_list(conf, CONF_cluster_domains, &domains), 3);
    assert_string_equal(domains[0].data, "example.org");
    assert_string_equal(domains[1].data, "b\303\274cher.example");
    assert_string_equal(domains[2].data, "b.example");
    conf_free(conf);
    REFUSED("[cluster]\ndomains = a.example, a@b\n", ":2:", "cluster.domains", "domain names");
}

#define TWO_DOMAINS "[cluster]\ndomains = a.example, b.example\n"

static void a_domain_has_its_own_value_and_others_the_general_one(void **state)
{
    const struct span a = SPAN("a.example");
    const struct span b = SPAN("b.example");
    /* The domains may be listed last, and a domain be written in any case. */
    struct conf *conf =
        load("[session B.Example]\nregistration = yes\nmax_sessions = 3\nconflict = rename\n"
             "[pubsub a.example]\nserver_name = A ; its name\n[pubsub]\nserver_name = All\n"
             "[contact a.example]\nabuse = mailto:a xmpp:a\n"
             "[session  a.example ]\nmax_sessions = 4\n" TWO_DOMAINS);
    const struct span *abuse;

    (void)state;
    if (!conf)
        fail_msg("%s", buf_cstr(&error));
    assert_false(conf_bool(conf, CONF_session_registration));
    assert_false(conf_bool_of(conf, CONF_session_registration, a));
    assert_true(conf_bool_of(conf, CONF_session_registration, b));
    assert_false(conf_bool_of(conf, CONF_session_registration, SPAN("b.example.org")));
    assert_false(conf_bool_of(conf, CONF_session_registration, SPAN("")));
    assert_int_equal(conf_u64_of(conf, CONF_session_max_sessions, a), 4);
    assert_int_equal(conf_u64_of(conf, CONF_session_max_sessions, b), 3);
    assert_int_equal(conf_u64(conf, CONF_session_max_sessions), 20);
    assert_int_equal(conf_choice_of(conf, CONF_session_conflict, a), 0);
    assert_int_equal(conf_choice_of(conf, CONF_session_conflict, b), 2);
    assert_string_equal(conf_str_of(conf, CONF_pubsub_server_name, a), "A");
    assert_string_equal(conf_str_of(conf, CONF_pubsub_server_name, b), "All");
    assert_int_equal(conf_list_of(conf, CONF_contact_abuse, a, &abuse), 2);
    assert_string_equal(abuse[1].data, "xmpp:a");
    assert_int_equal(conf_list_of(conf, CONF_contact_abuse, b, &abuse), 0);
    assert_true(conf_is_set_of(conf, CONF_pubsub_server_name, a));
    assert_false(conf_is_set_of(conf, CONF_session_conflict, a));
    assert_false(conf_is_set_of(conf, CONF_pubsub_server_name, b)); /* for all, not for this one */
    assert_false(conf_is_set(conf, CONF_session_registration));
    conf_free(conf);
}

static void mistakes_in_a_domain_are_told_with_what_is_allowed(void **state)
{
    (void)state;
    REFUSED(TWO_DOMAINS "[session c.example]\n\nregistration = yes\n", path,
            ":5:", "session.registration is set for c.example", "a.example, b.example");
    REFUSED(TWO_DOMAINS "[session a.example]\nworkers = 2\n", ":4:", "session.workers cannot",
            "[session a.example]: registration,");
    REFUSED(TWO_DOMAINS "[bus a.example]\nlinger = 2ms\n", "bus.linger cannot", "nothing");
    REFUSED(TWO_DOMAINS "[session a.example]\nregistration = maybe\n", ":4:", "yes or no");
    REFUSED(TWO_DOMAINS "[session a@example]\nregistration = yes\n", ":4:", "no valid domain");
    REFUSED(TWO_DOMAINS "[session a.example]\nregistration = yes\n[session A.example]\n"
                        "registration = no\n",
            ":6:", "second time");
    REFUSED(TWO_DOMAINS "[session a.example]\nregistration = yes\n  no\n", "indented");
    REFUSED("[cluster]\ndomains = ,\n[session a.example]\nregistration = yes\n", "elements: 1");
    assert_null(load(TWO_DOMAINS "[sessions a.example]\nregistration = yes\n"));
    assert_non_null(strstr(buf_cstr(&error), ":4: unknown section [sessions]; there are: "));
    assert_null(load(TWO_DOMAINS "[session a.example]\nregistrations = yes\n"));
    assert_non_null(strstr(buf_cstr(&error), ":4: unknown option registrations in [session]"));
}

static void a_long_domain_is_read_whole(void **state)
{
#define LONG "a-name-that-is-longer.than-what-the-parser-keeps.of-a-section.example"
    (void)state;
    struct conf *conf = load("[cluster]\ndomains = " LONG ", x" LONG "\n[session x" LONG "]\n"
                             "registration = yes\n");
    if (!conf)
        fail_msg("%s", buf_cstr(&error));
    assert_false(conf_bool_of(conf, CONF_session_registration, SPAN(LONG)));
    assert_true(conf_bool_of(conf, CONF_session_registration, SPAN("x" LONG)));
    conf_free(conf);
}

static void the_environment_sets_for_a_domain_too(void **state)
{
    const char *const text = "[cluster]\ndomains = a-b.example, b\303\274.example\n[session]\n"
                             "registration = yes\n[session a-b.example]\nmax_sessions = 2\n";
    (void)state;
    setenv("JACKDAW_SESSION_REGISTRATION__A_B_EXAMPLE", "no", 1);
    setenv("JACKDAW_SESSION_MAX_SESSIONS__A_B_EXAMPLE", "7", 1);
    setenv("JACKDAW_SESSION_MAX_SESSIONS__B__EXAMPLE", "8", 1);
    struct conf *conf = load(text);
    if (!conf)
        fail_msg("%s", buf_cstr(&error));
    assert_false(conf_bool_of(conf, CONF_session_registration, SPAN("a-b.example")));
    assert_true(conf_bool_of(conf, CONF_session_registration, SPAN("b\303\274.example")));
    assert_int_equal(conf_u64_of(conf, CONF_session_max_sessions, SPAN("a-b.example")), 7);
    assert_int_equal(conf_u64_of(conf, CONF_session_max_sessions, SPAN("b\303\274.example")), 8);
    conf_free(conf);
    unsetenv("JACKDAW_SESSION_MAX_SESSIONS__B__EXAMPLE");
    unsetenv("JACKDAW_SESSION_MAX_SESSIONS__A_B_EXAMPLE");
    REFUSED("[cluster]\ndomains = a-b.example, a.b.example\n", "environment: session.registration",
            "A_B_EXAMPLE", "several", "a-b.example, a.b.example");
    REFUSED("[cluster]\ndomains = b.example\n", "A_B_EXAMPLE, which is no domain", "b.example");
    setenv("JACKDAW_SESSION_REGISTRATION__A_B_EXAMPLE", "perhaps", 1);
    REFUSED(text, "JACKDAW_SESSION_REGISTRATION__A_B_EXAMPLE cannot be \"perhaps\"", "yes or no");
    unsetenv("JACKDAW_SESSION_REGISTRATION__A_B_EXAMPLE");
    setenv("JACKDAW_BUS_LINGER__A_B_EXAMPLE", "1ms", 1);
    REFUSED(text, "JACKDAW_BUS_LINGER__A_B_EXAMPLE", "cannot be set for one domain", "--options");
    unsetenv("JACKDAW_BUS_LINGER__A_B_EXAMPLE");
}

static void wrong_values_are_told_with_file_line_and_limits(void **state)
{
    (void)state;
    REFUSED("[bus]\n\nlinger = fast\n", path, ":3:", "bus.linger", "\"fast\"", "a duration",
            "0 to 1s");
    REFUSED("[bus]\nlinger = 2s\n", ":2:", "0 to 1s");
    REFUSED("[bus]\nlinger = 5\n", "a duration");
    REFUSED("[bus]\nlinger = -5ms\n", "a duration");
    REFUSED("[bus]\nlinger = 99999999999999999999ms\n", "a duration");
    REFUSED("[bus]\nlinger = 18446744073709551615d\n", "a duration");
    REFUSED("[bus]\nmax_message = 1k\n", "64k to 1g");
    REFUSED("[log]\nlevel = loud\n", "log.level", "error warn info debug");
    REFUSED("[log]\nlevel =\n", "log.level");
    REFUSED("[health]\nport = 65536\n", "0 to 65535");
    REFUSED("[stream]\nplain_without_tls = maybe\n", "yes or no");
    REFUSED("[cluster]\ndomains = ,,\n", "elements: 1 to 1000");
}

static void unknown_names_are_told_with_what_there_is(void **state)
{
    (void)state;
    assert_null(load("[buss]\nlinger = 5ms\n"));
    assert_non_null(strstr(buf_cstr(&error), ":2: unknown section [buss]; there are: "));
    assert_non_null(strstr(buf_cstr(&error), "cluster"));
    assert_null(load("[bus]\nlingr = 5ms\n"));
    assert_non_null(strstr(buf_cstr(&error), ":2: unknown option lingr in [bus]; there are: "));
    assert_non_null(strstr(buf_cstr(&error), "linger"));
    assert_null(load("linger = 5ms\n"));
    assert_null(load("[bus]\nwhat is this\n"));
    assert_non_null(strstr(buf_cstr(&error), ":2: neither"));
}

static void every_mistake_is_told_not_only_the_first(void **state)
{
    (void)state;
    assert_null(load("[bus]\nlinger = x\nresend = y\n[log]\nlevel = z\n"));
    assert_non_null(strstr(buf_cstr(&error), ":2: bus.linger"));
    assert_non_null(strstr(buf_cstr(&error), ":3: bus.resend"));
    assert_non_null(strstr(buf_cstr(&error), ":5: log.level"));
}

static void repeats_stray_indents_and_long_lines_are_mistakes(void **state)
{
    char text[700];

    (void)state;
    REFUSED("[bus]\nlinger = 5ms\nlinger = 6ms\n", ":3:", "second time");
    REFUSED("[bus]\nlinger = 5ms\n  6ms\n", ":3:", "indented");
    memset(text, 'x', sizeof(text));
    memcpy(text, "[cluster]\nrun_dir = /", 21);
    memcpy(text + 600, "\n[log]\nlevel = z\n", 18);
    REFUSED(text, ":2: line too long", ":4: log.level");
}

static void a_file_that_cannot_be_read_is_told(void **state)
{
    (void)state;
    buf_reset(&error);
    assert_null(conf_load("/nonexistent/jackdaw.conf", &error));
    assert_non_null(strstr(buf_cstr(&error), "/nonexistent/jackdaw.conf: cannot be read: No such"));
}

static void the_environment_wins_and_is_checked_too(void **state)
{
    (void)state;
    setenv("JACKDAW_BUS_LINGER", "7ms", 1);
    setenv("JACKDAW_CONFIG", "/somewhere", 1);
    struct conf *conf = load("[bus]\nlinger = 5ms\n");
    assert_non_null(conf);
    assert_int_equal(conf_u64(conf, CONF_bus_linger), 7);
    conf_free(conf);
    setenv("JACKDAW_BUS_LINGER", "soon", 1);
    assert_null(load(""));
    assert_non_null(strstr(buf_cstr(&error), "JACKDAW_BUS_LINGER cannot be \"soon\"; allowed: "));
    setenv("JACKDAW_BUS_LINGER", "1ms", 1);
    setenv("JACKDAW_BUS_LINGR", "7ms", 1);
    assert_null(load(""));
    assert_non_null(strstr(buf_cstr(&error), "unknown option JACKDAW_BUS_LINGR;"));
    unsetenv("JACKDAW_BUS_LINGR");
    unsetenv("JACKDAW_BUS_LINGER");
    unsetenv("JACKDAW_CONFIG");
}

static void the_example_is_valid_and_changes_nothing(void **state)
{
    struct buf example = {0};

    (void)state;
    conf_write_example(&example);
    struct conf *conf = load(buf_cstr(&example));
    assert_non_null(conf);
    conf_free(conf);
    /* Uncommented, every option is set to its default: that must be valid as well. */
    for (size_t i = 1; i < example.len; i++) {
        if (example.data[i] == '#' && example.data[i - 1] == '\n' && example.data[i + 1] != ' ')
            example.data[i] = ' ';
    }
    struct buf set = {0};
    for (size_t i = 0; i < example.len; i++) {
        if (!(example.data[i] == ' ' && i > 0 && example.data[i - 1] == '\n'))
            buf_append_u8(&set, (uint8_t)example.data[i]);
    }
    assert_non_null(strstr(buf_cstr(&example), "# For one domain: [session example.org]"));
    assert_null(strstr(buf_cstr(&example), "[bus example.org]"));
    conf = load(buf_cstr(&set));
    if (!conf)
        fail_msg("%s", buf_cstr(&error));
    assert_true(conf_is_set(conf, CONF_bus_linger));
    conf_free(conf);
    buf_deinit(&set);
    buf_deinit(&example);
}

static void the_reference_names_every_option(void **state)
{
    struct buf out = {0};
    static const char *const names[] = {
#define OPTION(section, name, type, fallback, limits, prose) "| `" #name "` |",
#include "conf/options.def"
#undef OPTION
    };

    (void)state;
    conf_write_reference(&out);
    assert_non_null(strstr(buf_cstr(&out), "| `registration` | `no` | yes or no | yes | Let"));
    assert_non_null(strstr(buf_cstr(&out), "| `linger` | `3ms` | a duration"));
    assert_non_null(strstr(buf_cstr(&out), "0 to 1s |  | A busy"));
    for (size_t i = 0; i < CONF_COUNT; i++) {
        if (!strstr(buf_cstr(&out), names[i]))
            fail_msg("%s is not in the reference", names[i]);
    }
    assert_int_equal(conf_find("bus", "linger"), CONF_bus_linger);
    assert_int_equal(conf_find("bus", "x"), -1);
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_file_all_is_at_its_default),
        cmocka_unit_test(every_type_is_read_in_every_form),
        cmocka_unit_test(domains_are_normalised_and_kept_once),
        cmocka_unit_test(a_domain_has_its_own_value_and_others_the_general_one),
        cmocka_unit_test(mistakes_in_a_domain_are_told_with_what_is_allowed),
        cmocka_unit_test(a_long_domain_is_read_whole),
        cmocka_unit_test(the_environment_sets_for_a_domain_too),
        cmocka_unit_test(wrong_values_are_told_with_file_line_and_limits),
        cmocka_unit_test(unknown_names_are_told_with_what_there_is),
        cmocka_unit_test(every_mistake_is_told_not_only_the_first),
        cmocka_unit_test(repeats_stray_indents_and_long_lines_are_mistakes),
        cmocka_unit_test(a_file_that_cannot_be_read_is_told),
        cmocka_unit_test(the_environment_wins_and_is_checked_too),
        cmocka_unit_test(the_example_is_valid_and_changes_nothing),
        cmocka_unit_test(the_reference_names_every_option),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
