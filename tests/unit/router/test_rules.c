/* RFC 6121 section 8, row by row: what the table says is what the text says. */
#include "rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct expected {
    enum rules_row row;
    enum rules_action cells[DEST_COUNT];
};

#define IGN ACT_IGNORE
#define ERR ACT_UNAVAILABLE
#define STO ACT_STORE
#define REM ACT_NO_REMOTE
#define DEL ACT_DELIVER

/* Columns: no user, bare available, bare negative, bare none, full match, full none, own, server,
 * foreign, unknown. */
static const struct expected expected[] = {
    {ROW_MESSAGE_NORMAL, {ERR, ACT_TOP, STO, STO, DEL, ERR, ACT_AS_BARE, ERR, REM, ACT_LATER}},
    {ROW_MESSAGE_CHAT,
     {ERR, ACT_TOP, STO, STO, DEL, ACT_AS_BARE, ACT_AS_BARE, ERR, REM, ACT_LATER}},
    {ROW_MESSAGE_GROUPCHAT, {ERR, ERR, ERR, ERR, DEL, ERR, ACT_AS_BARE, ERR, REM, ACT_LATER}},
    {ROW_MESSAGE_HEADLINE,
     {IGN, ACT_NON_NEGATIVE, IGN, IGN, DEL, IGN, ACT_AS_BARE, IGN, REM, ACT_LATER}},
    {ROW_MESSAGE_ERROR, {IGN, IGN, IGN, IGN, DEL, IGN, ACT_AS_BARE, IGN, IGN, IGN}},
    {ROW_PRESENCE_STATE,
     {IGN, ACT_AVAILABLE, ACT_AVAILABLE, IGN, DEL, IGN, ACT_AS_BARE, IGN, IGN, IGN}},
    {ROW_PRESENCE_SUBSCRIPTION_IN,
     {IGN, ACT_PRESENCE_IN, ACT_PRESENCE_IN, ACT_PRESENCE_IN, ACT_PRESENCE_IN, ACT_PRESENCE_IN,
      ACT_PRESENCE_IN, IGN, REM, ACT_PRESENCE_IN}},
    {ROW_PRESENCE_SUBSCRIPTION,
     {IGN, ACT_AVAILABLE, ACT_AVAILABLE, IGN, DEL, ACT_AS_BARE, ACT_AS_BARE, IGN, REM, IGN}},
    {ROW_PRESENCE_PROBE_IN,
     {ACT_PRESENCE_IN, ACT_PRESENCE_IN, ACT_PRESENCE_IN, ACT_PRESENCE_IN, ACT_PRESENCE_IN,
      ACT_PRESENCE_IN, ACT_PRESENCE_IN, IGN, IGN, ACT_PRESENCE_IN}},
    {ROW_PRESENCE_PROBE, {IGN, IGN, IGN, IGN, IGN, IGN, IGN, IGN, IGN, IGN}},
    {ROW_PRESENCE_ERROR,
     {IGN, ACT_AVAILABLE, ACT_AVAILABLE, IGN, DEL, IGN, ACT_AS_BARE, IGN, IGN, IGN}},
    {ROW_IQ_REQUEST,
     {ERR, ACT_SERVICE_ACCOUNT, ACT_SERVICE_ACCOUNT, ACT_SERVICE_ACCOUNT, DEL, ERR,
      ACT_SERVICE_ACCOUNT, ACT_SERVICE_SERVER, REM, ACT_LATER}},
    {ROW_IQ_REQUEST_VOUCHED,
     {ACT_OWN, ACT_OWN, ACT_OWN, ACT_OWN, ERR, ERR, ACT_OWN, IGN, REM, ACT_OWN}},
    {ROW_IQ_REQUEST_DEALT, {ERR, ERR, ERR, ERR, DEL, ERR, ERR, IGN, REM, ACT_LATER}},
    {ROW_IQ_ANSWER, {IGN, IGN, IGN, IGN, DEL, IGN, IGN, IGN, IGN, IGN}},
};

static void each_row_says_what_section_8_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        for (unsigned dest = 0; dest < DEST_COUNT; dest++) {
            if (rules_action(expected[i].row, (enum rules_dest)dest) != expected[i].cells[dest])
                fail_msg("row %u column %u", expected[i].row, dest);
        }
    }
}

static void all_presence_of_clients_goes_to_its_owner(void **state)
{
    (void)state;
    for (unsigned dest = 0; dest < DEST_COUNT; dest++)
        assert_int_equal(rules_action(ROW_PRESENCE_CLIENT, (enum rules_dest)dest),
                         ACT_PRESENCE_OUT);
}

static void errors_and_results_are_never_answered(void **state)
{
    static const enum rules_row rows[] = {ROW_MESSAGE_ERROR, ROW_PRESENCE_ERROR, ROW_IQ_ANSWER};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        for (unsigned dest = 0; dest < DEST_COUNT; dest++) {
            enum rules_action action = rules_action(rows[i], (enum rules_dest)dest);

            assert_true(action != ACT_UNAVAILABLE && action != ACT_NO_REMOTE &&
                        action != ACT_LATER && action != ACT_SERVICE_ACCOUNT &&
                        action != ACT_SERVICE_SERVER);
        }
    }
}

static void kinds_and_types_find_their_rows(void **state)
{
    static const struct {
        enum stanza_kind kind;
        enum stanza_type type;
        enum rules_source source;
        enum rules_row row;
    } cases[] = {
        {STANZA_MESSAGE, STANZA_NORMAL, SOURCE_CLIENT, ROW_MESSAGE_NORMAL},
        {STANZA_MESSAGE, STANZA_CHAT, SOURCE_SERVICE, ROW_MESSAGE_CHAT},
        {STANZA_MESSAGE, STANZA_GROUPCHAT, SOURCE_CLIENT, ROW_MESSAGE_GROUPCHAT},
        {STANZA_MESSAGE, STANZA_HEADLINE, SOURCE_CLIENT, ROW_MESSAGE_HEADLINE},
        {STANZA_MESSAGE, STANZA_ERROR, SOURCE_CLIENT, ROW_MESSAGE_ERROR},
        {STANZA_MESSAGE, STANZA_CHAT, SOURCE_STORE, ROW_MESSAGE_CHAT},
        {STANZA_MESSAGE, STANZA_GET, SOURCE_CLIENT, ROW_COUNT},
        {STANZA_PRESENCE, STANZA_AVAILABLE, SOURCE_CLIENT, ROW_PRESENCE_CLIENT},
        {STANZA_PRESENCE, STANZA_PROBE, SOURCE_CLIENT, ROW_PRESENCE_CLIENT},
        {STANZA_PRESENCE, STANZA_ERROR, SOURCE_CLIENT, ROW_PRESENCE_CLIENT},
        {STANZA_PRESENCE, STANZA_UNAVAILABLE, SOURCE_SERVICE, ROW_PRESENCE_STATE},
        {STANZA_PRESENCE, STANZA_SUBSCRIBE, SOURCE_SERVICE, ROW_PRESENCE_SUBSCRIPTION},
        {STANZA_PRESENCE, STANZA_UNSUBSCRIBED, SOURCE_SERVICE_INBOUND,
         ROW_PRESENCE_SUBSCRIPTION_IN},
        {STANZA_PRESENCE, STANZA_PROBE, SOURCE_SERVICE_INBOUND, ROW_PRESENCE_PROBE_IN},
        {STANZA_PRESENCE, STANZA_ERROR, SOURCE_SERVICE, ROW_PRESENCE_ERROR},
        {STANZA_PRESENCE, STANZA_NORMAL, SOURCE_CLIENT, ROW_COUNT},
        {STANZA_IQ, STANZA_GET, SOURCE_CLIENT, ROW_IQ_REQUEST},
        {STANZA_IQ, STANZA_SET, SOURCE_SERVICE, ROW_IQ_REQUEST_DEALT},
        {STANZA_IQ, STANZA_SET, SOURCE_SERVICE_INBOUND, ROW_IQ_REQUEST},
        {STANZA_IQ, STANZA_GET, SOURCE_SERVICE_VOUCHED, ROW_IQ_REQUEST_VOUCHED},
        {STANZA_IQ, STANZA_RESULT, SOURCE_CLIENT, ROW_IQ_ANSWER},
        {STANZA_IQ, STANZA_ERROR, SOURCE_SERVICE, ROW_IQ_ANSWER},
        {STANZA_IQ, STANZA_CHAT, SOURCE_CLIENT, ROW_COUNT},
        {STANZA_MESSAGE, STANZA_TYPE_COUNT, SOURCE_CLIENT, ROW_COUNT},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (rules_row(cases[i].kind, cases[i].type, cases[i].source) != cases[i].row)
            fail_msg("case %zu", i);
    }
}

static void only_what_decides_is_looked_up(void **state)
{
    (void)state;
    /* Whether an account exists is asked for messages only when one is to be stored (keep.h). */
    assert_false(rules_needs_existence(ROW_MESSAGE_CHAT, false));
    assert_true(rules_needs_sessions(ROW_MESSAGE_CHAT, false));
    assert_true(rules_needs_sessions(ROW_MESSAGE_NORMAL, true));
    assert_false(rules_needs_sessions(ROW_MESSAGE_GROUPCHAT, false));
    assert_false(rules_needs_existence(ROW_MESSAGE_GROUPCHAT, false));
    assert_true(rules_needs_existence(ROW_IQ_REQUEST, false));
    assert_false(rules_needs_sessions(ROW_IQ_REQUEST, false));
    assert_true(rules_needs_sessions(ROW_IQ_REQUEST, true));
    assert_true(rules_needs_existence(ROW_PRESENCE_SUBSCRIPTION_IN, true));
    assert_false(rules_needs_sessions(ROW_PRESENCE_SUBSCRIPTION_IN, true));
    assert_false(rules_needs_sessions(ROW_PRESENCE_CLIENT, false));
    assert_false(rules_needs_existence(ROW_PRESENCE_CLIENT, false));
    assert_false(rules_needs_sessions(ROW_IQ_ANSWER, false));
}

static void not_there_is_bad_news_only_where_it_matters(void **state)
{
    (void)state;
    assert_true(rules_is_negative(ROW_MESSAGE_CHAT, DEST_BARE_NONE));
    assert_true(rules_is_negative(ROW_MESSAGE_CHAT, DEST_FULL_NONE));
    assert_true(rules_is_negative(ROW_MESSAGE_CHAT, DEST_BARE_NEGATIVE));
    assert_false(rules_is_negative(ROW_MESSAGE_CHAT, DEST_BARE_AVAILABLE));
    assert_false(rules_is_negative(ROW_MESSAGE_CHAT, DEST_FULL_MATCH));
    assert_false(rules_is_negative(ROW_MESSAGE_GROUPCHAT, DEST_BARE_NONE));
    assert_false(rules_is_negative(ROW_IQ_REQUEST, DEST_BARE_NONE));
    assert_true(rules_is_negative(ROW_IQ_ANSWER, DEST_FULL_NONE));
    assert_false(rules_is_negative(ROW_PRESENCE_STATE, DEST_BARE_NEGATIVE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_says_what_section_8_says),
        cmocka_unit_test(all_presence_of_clients_goes_to_its_owner),
        cmocka_unit_test(errors_and_results_are_never_answered),
        cmocka_unit_test(kinds_and_types_find_their_rows),
        cmocka_unit_test(only_what_decides_is_looked_up),
        cmocka_unit_test(not_there_is_bad_news_only_where_it_matters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
