/* Many streams, and everything that can happen to them, in an order nobody planned (but the same on
 * each run): no order may crash, leak or leave a session behind. Worth most under AddressSanitizer.
 */
#include "fake.h"

#define STEPS   20000
#define STREAMS 8

static uint64_t seed = 42;

static unsigned roll(unsigned sides)
{
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)(seed >> 33) % sides;
}

#define OLD_OPEN                                                                                   \
    "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "        \
    "to='localhost' version='1.0'>"

static const char *const lines[] = {
    OPEN,
    OPEN,
    OPEN,
    OLD_OPEN,
    OLD_OPEN,
    AUTH("'SCRAM-SHA-1'>biws</auth>"),
    AUTH("'SCRAM-SHA-1'>biws</auth>"),
    AUTH("'SCRAM-SHA-256'/>"),
    "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>Yz1i</response>",
    "<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
    BIND_IQ,
    BIND_IQ,
    BIND_IQ,
    "<presence xmlns='jabber:client'/>",
    "<presence xmlns='jabber:client' type='unavailable'/>",
    "<message xmlns='jabber:client' to='juliet@localhost'><body>x</body></message>",
    "<message xmlns='jabber:client' to='@@'/>",
    "<iq xmlns='jabber:client' type='set' id='s'>"
    "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>",
    "<iq xmlns='jabber:client' type='set' id='r'><query xmlns='jabber:iq:register'>"
    "<username>u</username><password>p</password></query></iq>",
    "<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>",
    "</stream:stream>",
    "<half",
};

/* A call or an item that was dealt with makes room for new ones. */
static void forget_done(void)
{
    while (fake.call_count > 0 && !fake.calls[fake.call_count - 1].is_open)
        buf_deinit(&fake.calls[--fake.call_count].bytes);
    while (fake.item_count > 0 && !fake.items[fake.item_count - 1].settled)
        buf_deinit(&fake.items[--fake.item_count].bytes);
}

static void answer_calls(bool all)
{
    static uint64_t next_sid = 100;
    for (size_t i = 0; i < fake.call_count; i++) {
        struct fake_call *call = &fake.calls[i];
        if (!call->is_open || (!all && roll(2)))
            continue;
        struct wire_msg reply = {.id = WIRE_ID_result};
        if (call->msg.id == WIRE_ID_bind) {
            reply.id = WIRE_ID_bind_reply;
            reply.u.bind_reply.jid = SPAN("romeo@localhost/orchard");
            reply.u.bind_reply.sid = next_sid++;
            reply.u.bind_reply.condition = roll(8) ? SPAN("") : SPAN("conflict");
        } else if (call->msg.id == WIRE_ID_sasl_start || call->msg.id == WIRE_ID_sasl_step) {
            reply.id = WIRE_ID_sasl_reply;
            reply.u.sasl_reply.outcome = roll(5) ? WIRE_SASL_SUCCESS : roll(3);
            reply.u.sasl_reply.account = SPAN("romeo@localhost");
            reply.u.sasl_reply.condition = SPAN("not-authorized");
        }
        call->is_open = false;
        bool is_lost = !all && roll(6) == 0;
        call->reply(call->arg, is_lost ? BUS_TIMEOUT : BUS_SETTLED, is_lost ? NULL : &reply);
    }
}

static void settle_items(void)
{
    for (size_t i = 0; i < fake.item_count; i++)
        settle_item(i, BUS_SETTLED);
}

static void deliver_somewhere(void)
{
    const uint64_t sids[3] = {100 + roll(2000), 100 + roll(2000), 100 + roll(2000)};
    struct stanza stanza = {.kind = STANZA_MESSAGE,
                            .type = STANZA_CHAT,
                            .from = SPAN("juliet@localhost/b"),
                            .payload = SPAN("<body>x</body>")};
    deliver(&stanza, sids, 3);
    struct wire_msg end = {.id = WIRE_ID_end_session, .u.end_session = {.sid = sids[0]}};
    stream_host_item(host, peer, 1, &end);
}

static void one_step(struct fake_conn **conns)
{
    struct fake_conn **at = &conns[roll(STREAMS)];
    unsigned what = roll(20);
    if (!*at)
        *at = conn_new(roll(3) ? &framed : &bytes_transport);
    (*at)->is_full = roll(200) == 0;
    fake.is_full = fake.item_count + 20 > MAX_SENT || roll(50) == 0;
    if (what < 13) {
        say(*at, lines[roll(sizeof(lines) / sizeof(lines[0]))]);
    } else if (what < 15) {
        answer_calls(false);
    } else if (what == 15) {
        deliver_somewhere();
    } else if (what == 16 || (*at)->is_finished) {
        conn_free(*at);
        *at = NULL;
    } else {
        settle_items();
    }
    if (fake.call_count + STREAMS + 2 > MAX_SENT)
        answer_calls(true);
    forget_done();
    if (roll(100) == 0)
        loop_run_once(loop, 0);
}

static void test_no_order_of_events_breaks_anything(void **state)
{
    (void)state;
    struct fake_conn *conns[STREAMS] = {0};
    struct stream_options options = default_options();
    changed_domain->registration = true;
    fixture_up(&options);
    for (int i = 0; i < STEPS; i++)
        one_step(conns);
    for (size_t i = 0; i < STREAMS; i++)
        if (conns[i])
            conn_free(conns[i]);
    fixture_down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_order_of_events_breaks_anything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
