/* The table. Choices that RFC 6121 leaves open:
 *
 * - chat and normal to a bare JID (8.5.2.1.1) go to the most available resource or resources: those
 *   that share the highest priority. It is what ejabberd and Prosody do, and clients set priorities
 *   in that expectation: all have the same, all get it; one is lower, it stays quiet. The option
 *   router.bare_messages = all chooses every non-negative resource (8.5.2.1.1 allows both).
 * - normal and groupchat to a full JID that matches nothing (8.5.3.2.1): the sender is told, since
 *   silence would lose the message and a chat room needs the error to drop a ghost. A headline is
 *   not worth an answer.
 * - A probe for nobody (4.3.2, 8.5.1) is answered like one by a stranger: `unsubscribed`.
 * - No such user (8.5.1): the sender is told. So a message that could be stored tells whether an
 *   account exists, as it does with ejabberd and Prosody: accepting it in silence would lose it.
 *   What is never stored is answered alike for both.
 * - Where section 8 says to store, the archive daemon does (keep.h); while there is none in the
 *   cluster the sender is told, and again a message tells nobody whether an account exists.
 */
#include "rules.h"

#include "base/assert.h"

/* Short names, so that a row fits its line. */
#define ____ ACT_IGNORE
#define DLVR ACT_DELIVER
#define TOPM ACT_TOP
#define NNEG ACT_NON_NEGATIVE
#define AVAI ACT_AVAILABLE
#define BARE ACT_AS_BARE
#define STOR ACT_STORE
#define UNAV ACT_UNAVAILABLE
#define NREM ACT_NO_REMOTE
#define LATR ACT_LATER
#define SVCA ACT_SERVICE_ACCOUNT
#define SVCS ACT_SERVICE_SERVER
#define OWNA ACT_OWN
#define POUT ACT_PRESENCE_OUT
#define P_IN ACT_PRESENCE_IN

/* clang-format off */
static const unsigned char table[ROW_COUNT][DEST_COUNT] = {
    /*                               no    bare  bare  bare  full  full
     *                               user  avail neg   none  match none  own   server foreign unknown */
    [ROW_MESSAGE_NORMAL]          = {UNAV, TOPM, STOR, STOR, DLVR, UNAV, BARE, UNAV, NREM, LATR},
    [ROW_MESSAGE_CHAT]            = {UNAV, TOPM, STOR, STOR, DLVR, BARE, BARE, UNAV, NREM, LATR},
    [ROW_MESSAGE_GROUPCHAT]       = {UNAV, UNAV, UNAV, UNAV, DLVR, UNAV, BARE, UNAV, NREM, LATR},
    [ROW_MESSAGE_HEADLINE]        = {____, NNEG, ____, ____, DLVR, ____, BARE, ____, NREM, LATR},
    [ROW_MESSAGE_ERROR]           = {____, ____, ____, ____, DLVR, ____, BARE, ____, ____, ____},
    [ROW_MESSAGE_COPY]            = {____, ____, ____, ____, DLVR, ____, ____, ____, ____, ____},
    [ROW_PRESENCE_CLIENT]         = {POUT, POUT, POUT, POUT, POUT, POUT, POUT, POUT, POUT, POUT},
    [ROW_PRESENCE_STATE]          = {____, AVAI, AVAI, ____, DLVR, ____, BARE, ____, ____, ____},
    [ROW_PRESENCE_SUBSCRIPTION_IN]= {____, P_IN, P_IN, P_IN, P_IN, P_IN, P_IN, ____, NREM, P_IN},
    [ROW_PRESENCE_SUBSCRIPTION]   = {____, AVAI, AVAI, ____, DLVR, BARE, BARE, ____, NREM, ____},
    [ROW_PRESENCE_PROBE_IN]       = {P_IN, P_IN, P_IN, P_IN, P_IN, P_IN, P_IN, ____, ____, P_IN},
    [ROW_PRESENCE_PROBE]          = {____, ____, ____, ____, ____, ____, ____, ____, ____, ____},
    [ROW_PRESENCE_ERROR]          = {____, AVAI, AVAI, ____, DLVR, ____, BARE, ____, ____, ____},
    [ROW_IQ_REQUEST]              = {UNAV, SVCA, SVCA, SVCA, DLVR, UNAV, SVCA, SVCS, NREM, LATR},
    [ROW_IQ_REQUEST_VOUCHED]      = {OWNA, OWNA, OWNA, OWNA, UNAV, UNAV, OWNA, ____, NREM, OWNA},
    [ROW_IQ_REQUEST_DEALT]        = {UNAV, UNAV, UNAV, UNAV, DLVR, UNAV, UNAV, ____, NREM, LATR},
    [ROW_IQ_ANSWER]               = {____, ____, ____, ____, DLVR, ____, ____, ____, ____, ____},
};
/* clang-format on */

/* The row of each kind and type, + 1; 0: no such stanza. */
#define R(row) (ROW_##row + 1)
static const unsigned char rows[][STANZA_TYPE_COUNT] = {
    [STANZA_MESSAGE] =
        {
            [STANZA_NORMAL] = R(MESSAGE_NORMAL),
            [STANZA_CHAT] = R(MESSAGE_CHAT),
            [STANZA_GROUPCHAT] = R(MESSAGE_GROUPCHAT),
            [STANZA_HEADLINE] = R(MESSAGE_HEADLINE),
            [STANZA_ERROR] = R(MESSAGE_ERROR),
        },
    [STANZA_PRESENCE] =
        {
            [STANZA_ERROR] = R(PRESENCE_ERROR),
            [STANZA_AVAILABLE] = R(PRESENCE_STATE),
            [STANZA_UNAVAILABLE] = R(PRESENCE_STATE),
            [STANZA_SUBSCRIBE] = R(PRESENCE_SUBSCRIPTION),
            [STANZA_SUBSCRIBED] = R(PRESENCE_SUBSCRIPTION),
            [STANZA_UNSUBSCRIBE] = R(PRESENCE_SUBSCRIPTION),
            [STANZA_UNSUBSCRIBED] = R(PRESENCE_SUBSCRIPTION),
            [STANZA_PROBE] = R(PRESENCE_PROBE),
        },
    [STANZA_IQ] =
        {
            [STANZA_ERROR] = R(IQ_ANSWER),
            [STANZA_GET] = R(IQ_REQUEST),
            [STANZA_SET] = R(IQ_REQUEST),
            [STANZA_RESULT] = R(IQ_ANSWER),
        },
};
#undef R

/* Rows that depend on who sent the stanza. */
static const struct {
    enum rules_row row;
    enum rules_source source;
    enum rules_row instead;
} by_source[] = {
    {ROW_PRESENCE_STATE, SOURCE_CLIENT, ROW_PRESENCE_CLIENT},
    {ROW_PRESENCE_SUBSCRIPTION, SOURCE_CLIENT, ROW_PRESENCE_CLIENT},
    {ROW_PRESENCE_PROBE, SOURCE_CLIENT, ROW_PRESENCE_CLIENT},
    {ROW_PRESENCE_ERROR, SOURCE_CLIENT, ROW_PRESENCE_CLIENT},
    {ROW_PRESENCE_SUBSCRIPTION, SOURCE_SERVICE_INBOUND, ROW_PRESENCE_SUBSCRIPTION_IN},
    {ROW_PRESENCE_PROBE, SOURCE_SERVICE_INBOUND, ROW_PRESENCE_PROBE_IN},
    {ROW_IQ_REQUEST, SOURCE_SERVICE, ROW_IQ_REQUEST_DEALT},
    {ROW_IQ_REQUEST, SOURCE_SERVICE_VOUCHED, ROW_IQ_REQUEST_VOUCHED},
};

enum rules_row rules_row(enum stanza_kind kind, enum stanza_type type, enum rules_source source)
{
    enum rules_row row;

    if (kind > STANZA_IQ || type >= STANZA_TYPE_COUNT || rows[kind][type] == 0)
        return ROW_COUNT;
    row = (enum rules_row)(rows[kind][type] - 1);
    if (row <= ROW_MESSAGE_ERROR)
        return row;
    for (size_t i = 0; i < sizeof(by_source) / sizeof(by_source[0]); i++) {
        if (by_source[i].row == row && by_source[i].source == source)
            return by_source[i].instead;
    }
    return row;
}

enum rules_action rules_action(enum rules_row row, enum rules_dest dest)
{
    ASSERT(row < ROW_COUNT && dest < DEST_COUNT);
    return (enum rules_action)table[row][dest];
}

bool rules_needs_sessions(enum rules_row row, bool is_full)
{
    const unsigned char *cells = table[row];

    if (is_full)
        return cells[DEST_FULL_MATCH] != cells[DEST_FULL_NONE];
    return cells[DEST_BARE_AVAILABLE] != cells[DEST_BARE_NEGATIVE] ||
           cells[DEST_BARE_NEGATIVE] != cells[DEST_BARE_NONE];
}

/* Only where a missing account would be treated otherwise than one without sessions. */
bool rules_needs_existence(enum rules_row row, bool is_full)
{
    const unsigned char *cells = table[row];

    if (rules_needs_sessions(row, is_full))
        return false;
    return cells[DEST_NO_USER] != cells[is_full ? DEST_FULL_NONE : DEST_BARE_NONE];
}

bool rules_needs_blocks(enum rules_row row)
{
    return table[row][DEST_BARE_NONE] == SVCA || table[row][DEST_BARE_NONE] == P_IN;
}

bool rules_is_negative(enum rules_row row, enum rules_dest dest)
{
    const unsigned char *cells = table[row];

    if (dest == DEST_FULL_NONE)
        return cells[DEST_FULL_NONE] != cells[DEST_FULL_MATCH];
    return (dest == DEST_BARE_NEGATIVE || dest == DEST_BARE_NONE) &&
           cells[dest] != cells[DEST_BARE_AVAILABLE];
}
