/* XEP-0077 after login: what an iq asks for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "xep0077_register.h"
#include "xml/ns.h"

#define QUERY(inside) "<query xmlns='" NS_REGISTER "'>" inside "</query>"

static struct register_query parse(enum stanza_type type, const char *to, const char *payload,
                                   struct arena *arena)
{
    struct register_query query;
    struct stanza iq = {
        .kind = STANZA_IQ,
        .type = type,
        .from = SPAN("bill@example.org/globe"),
        .to = span_cstr(to),
        .id = SPAN("1"),
        .payload = span_cstr(payload),
    };
    xep0077_parse(&iq, SPAN("bill@example.org"), arena, &query);
    return query;
}

static void what_is_asked_for_is_found(void **state)
{
    (void)state;
    struct arena arena = {0};
    static const struct {
        enum stanza_type type;
        const char *to;
        const char *payload;
        enum register_action action;
    } cases[] = {
        {STANZA_GET, "example.org", QUERY(""), REGISTER_GET},
        {STANZA_GET, "", QUERY(""), REGISTER_GET},
        {STANZA_SET, "", QUERY("<remove/>"), REGISTER_REMOVE},
        {STANZA_SET, "bill@example.org", QUERY("<remove/>"), REGISTER_REMOVE},
        {STANZA_SET, "example.org", QUERY(" <remove/> "), REGISTER_REMOVE},
        {STANZA_SET, "example.org",
         QUERY("<username>Bill</username><password>new &amp; x</password>"), REGISTER_CHANGE},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct register_query query = parse(cases[i].type, cases[i].to, cases[i].payload, &arena);
        assert_int_equal(query.action, cases[i].action);
        assert_true(query.action != REGISTER_CHANGE || span_is(query.password, "new & x"));
    }
    arena_deinit(&arena);
}

static void what_makes_no_sense_is_refused(void **state)
{
    (void)state;
    struct arena arena = {0};
    static const struct {
        const char *to;
        const char *payload;
        const char *condition;
    } cases[] = {
        {"", QUERY("<remove/><username>bill</username>"), "bad-request"},
        {"", QUERY(""), "bad-request"},
        {"", QUERY("<password>x</password>"), "bad-request"},
        {"", QUERY("<username>bill</username>"), "bad-request"},
        {"", QUERY("<username>bill</username><password/>"), "bad-request"},
        {"", QUERY("<username>will</username><password>x</password>"), "not-allowed"},
        {"", QUERY("<username/><password>x</password>"), "not-allowed"},
        {"", QUERY("<x xmlns='jabber:x:data' type='submit'/>"), "bad-request"},
        {"other.example", QUERY("<remove/>"), "not-allowed"},
        {"", "", "bad-request"},
        {"", "<query", "bad-request"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct register_query query = parse(STANZA_SET, cases[i].to, cases[i].payload, &arena);
        assert_int_equal(query.action, REGISTER_REFUSE);
        assert_string_equal(query.condition, cases[i].condition);
    }
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_asked_for_is_found),
        cmocka_unit_test(what_makes_no_sense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
