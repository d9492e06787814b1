/* The shared shape of services: announcements from the table, dispatch, answers, custody. */
#include "fake_bus.h"

#include "base/hash.h"
#include "loop/loop.h"
#include "service/service.h"
#include "stanza/stanza.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct {
    struct service_clear *clear;
    int clears;
    struct loop *loop;
    struct service *service;
    struct bus_peer *router;
    struct service_request *kept; /* to be answered later */
    struct span seen_account;
    bool seen_own;
    int seen_presence;
    uint64_t token;
} t;

static void on_roster_get(void *ctx, struct service_request *request)
{
    (void)ctx;
    t.seen_own = request->is_own;
    service_reply_result(request, SPAN("<query xmlns=\"jabber:iq:roster\"/>"));
}

static void on_last(void *ctx, struct service_request *request)
{
    (void)ctx;
    t.kept = request;
}

static void on_presence(void *ctx, struct service_request *request)
{
    static const struct span to[] = {{"juliet@localhost", 16}, {"nurse@localhost", 15}};
    struct service_forward forward = {
        .stanza = &request->stanza, .recipients = to, .recipient_count = 2, .request = request};

    (void)ctx;
    t.seen_presence++;
    service_forward(request->service, &forward);
    service_finish(request);
}

static void on_clear(void *ctx, struct service_clear *clear)
{
    (void)ctx;
    t.clears++;
    t.clear = clear;
}

static const struct service_handler handlers[] = {
    {"jabber:iq:roster", "query", SERVICE_GET, SERVICE_OWN, NULL, on_roster_get},
    {"jabber:iq:last", "query", SERVICE_GET, SERVICE_ACCOUNT | SERVICE_OWN, "jabber:iq:last",
     on_last},
    {"jabber:iq:register", NULL, SERVICE_SET, SERVICE_SERVER, "jabber:iq:register", on_last},
};
static const struct service_feature features[] = {
    {.feature = "urn:x", .scopes = SERVICE_SERVER},
    {.category = "pubsub", .type = "pep", .scopes = SERVICE_ACCOUNT},
};
static const struct service_table table = {.handlers = handlers,
                                           .handler_count = 3,
                                           .features = features,
                                           .feature_count = 2,
                                           .presence = on_presence,
                                           .clear = on_clear};

static int setup(void **state)
{
    struct service_options options = {.table = &table};

    (void)state;
    fake_reset();
    memset(&t, 0, sizeof(t));
    t.loop = loop_new();
    options.loop = t.loop;
    t.service = service_new(&options);
    t.router = fake_peer("router", "router-0");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    service_free(t.service);
    loop_free(t.loop);
    fake_reset();
    return 0;
}

struct ask {
    enum stanza_kind kind;
    enum stanza_type type;
    const char *from;
    const char *to;
    const char *ns;
    const char *name;
    uint32_t flags;
};

static uint64_t handle(const struct ask *ask)
{
    struct xml_child child = {.ns = span_cstr(ask->ns), .name = span_cstr(ask->name), .length = 4};
    struct stanza stanza = {.kind = ask->kind,
                            .type = ask->type,
                            .from = span_cstr(ask->from),
                            .to = span_cstr(ask->to),
                            .id = SPAN("i"),
                            .children = &child,
                            .child_count = ask->ns ? 1 : 0,
                            .payload = ask->ns ? SPAN("<x/>") : (struct span){0}};
    struct wire_msg msg = {.id = WIRE_ID_handle};
    struct buf bytes = {0};

    stanza_encode(&stanza, &bytes);
    msg.u.handle = (struct wire_handle){
        .origin_sid = 1, .origin_n = 1, .flags = ask->flags, .stanza = buf_span(&bytes)};
    assert_true(service_item(t.service, t.router, ++t.token, &msg));
    buf_deinit(&bytes);
    return t.token;
}

static struct stanza sent(size_t i)
{
    struct stanza stanza;

    assert_true(i < fake.sent_count);
    assert_string_equal(fake.sent[i].to, "router");
    assert_int_equal(fake.sent[i].msg.id, WIRE_ID_forward);
    assert_int_equal(stanza_decode(fake.sent[i].msg.u.forward.stanza, &fake.arena, &stanza), 0);
    return stanza;
}

static void announcements_come_from_the_table(void **state)
{
    static const char *const expected[] = {
        "presence",
        "accounts",
        "iq jabber:iq:roster own",
        "iq jabber:iq:last account",
        "iq jabber:iq:last own",
        "feature jabber:iq:last account",
        "iq jabber:iq:register server",
        "feature jabber:iq:register server",
        "feature urn:x server",
        "identity pubsub pep account",
    };
    const struct span *lines;
    size_t count = service_announce(&table, &fake.arena, &lines);

    (void)state;
    assert_int_equal(count, sizeof(expected) / sizeof(expected[0]));
    for (size_t i = 0; i < count; i++)
        assert_true(span_is(lines[i], expected[i]));
}

static void an_answer_settles_the_item_when_a_router_has_it(void **state)
{
    uint64_t token = handle(&(struct ask){STANZA_IQ, STANZA_GET, "romeo@localhost/o", "",
                                          "jabber:iq:roster", "query", 0});
    struct stanza reply = sent(0);

    (void)state;
    assert_true(t.seen_own);
    assert_int_equal(reply.type, STANZA_RESULT);
    assert_true(span_is(reply.to, "romeo@localhost/o"));
    assert_true(span_is(reply.from, "romeo@localhost"));
    assert_true(fake.sent[0].hash == hash_span(SPAN("romeo@localhost")));
    assert_int_equal(fake.settled_count, 0);
    fake_settle(0, BUS_SETTLED);
    assert_int_equal(fake.settled_count, 1);
    assert_int_equal(fake.settled[0], token);
    assert_int_equal(service_pending(t.service), 0);
}

static void refused(const struct ask *ask, const char *condition)
{
    size_t i = fake.sent_count;
    struct stanza reply;

    handle(ask);
    reply = sent(i);
    assert_int_equal(reply.type, STANZA_ERROR);
    assert_non_null(memmem(reply.payload.data, reply.payload.len, condition, strlen(condition)));
}

static void what_the_table_does_not_have_is_refused(void **state)
{
    const char *romeo = "romeo@localhost/o";

    (void)state;
    refused(&(struct ask){STANZA_IQ, STANZA_GET, romeo, "juliet@localhost", "jabber:iq:roster",
                          "query", WIRE_HANDLE_INBOUND},
            "forbidden");
    refused(&(struct ask){STANZA_IQ, STANZA_SET, romeo, "", "jabber:iq:roster", "query", 0},
            "service-unavailable");
    refused(&(struct ask){STANZA_IQ, STANZA_GET, romeo, "", "jabber:iq:roster", "item", 0},
            "bad-request");
    refused(&(struct ask){STANZA_IQ, STANZA_GET, romeo, "", "jabber:iq:other", "query", 0},
            "service-unavailable");
    refused(&(struct ask){STANZA_IQ, STANZA_SET, romeo, "", "jabber:iq:register", "query", 0},
            "service-unavailable");
    refused(&(struct ask){STANZA_MESSAGE, STANZA_CHAT, romeo, "juliet@localhost", NULL, NULL, 0},
            "service-unavailable");
}

static void a_request_lives_until_it_is_answered(void **state)
{
    (void)state;
    handle(&(struct ask){STANZA_IQ, STANZA_GET, "romeo@localhost/o", "juliet@localhost",
                         "jabber:iq:last", "query", WIRE_HANDLE_INBOUND});
    assert_non_null(t.kept);
    assert_int_equal(service_pending(t.service), 1);
    assert_true(span_is(t.kept->account, "juliet@localhost"));
    assert_true(span_is(t.kept->from_bare, "romeo@localhost"));
    assert_false(t.kept->is_own);
    assert_true(span_is(t.kept->child->ns, "jabber:iq:last"));
    service_reply_error(t.kept, "forbidden", NULL);
    assert_true(fake.sent[0].hash == hash_span(SPAN("juliet@localhost")));
    fake_settle(0, BUS_SETTLED);
    assert_int_equal(fake.settled_count, 1);
}

static void a_fan_out_is_settled_before_its_cause(void **state)
{
    (void)state;
    handle(
        &(struct ask){STANZA_PRESENCE, STANZA_AVAILABLE, "romeo@localhost/o", "", NULL, NULL, 0});
    assert_int_equal(t.seen_presence, 1);
    assert_int_equal(fake.sent[0].msg.u.forward.recipients.count, 2);
    assert_int_equal(fake.settled_count, 0);
    fake_settle(0, BUS_SETTLED);
    assert_int_equal(fake.settled_count, 1);
}

static void errors_are_not_answered(void **state)
{
    (void)state;
    handle(&(struct ask){STANZA_IQ, STANZA_RESULT, "romeo@localhost/o", "", NULL, NULL, 0});
    handle(&(struct ask){STANZA_MESSAGE, STANZA_ERROR, "romeo@localhost/o", "", NULL, NULL, 0});
    assert_int_equal(fake.sent_count, 0);
    assert_int_equal(fake.settled_count, 2);
}

static void a_full_backlog_keeps_order_and_loses_nothing(void **state)
{
    (void)state;
    fake.is_full = true;
    handle(
        &(struct ask){STANZA_PRESENCE, STANZA_AVAILABLE, "romeo@localhost/o", "", NULL, NULL, 0});
    handle(
        &(struct ask){STANZA_PRESENCE, STANZA_UNAVAILABLE, "romeo@localhost/o", "", NULL, NULL, 0});
    assert_int_equal(fake.sent_count, 0);
    fake.is_full = false;
    for (int i = 0; i < 100 && fake.sent_count < 4; i++)
        loop_run_once(t.loop, 1);
    assert_int_equal(sent(0).type, STANZA_AVAILABLE);
    assert_int_equal(fake.sent[1].msg.id, WIRE_ID_dealt);
    assert_int_equal(sent(2).type, STANZA_UNAVAILABLE);
    assert_int_equal(fake.sent[2].msg.u.forward.recipients.count, 2);
    assert_int_equal(fake.sent[3].msg.id, WIRE_ID_dealt);
    fake_settle_all();
    assert_int_equal(fake.settled_count, 2);
}

/* Behind the answer, by the same router: it has to be the one that asked. */
static void the_router_hears_when_all_is_on_its_way(void **state)
{
    struct service_forward elsewhere = {.stanza = &(struct stanza){.kind = STANZA_PRESENCE,
                                                                   .from = SPAN("x@localhost"),
                                                                   .to = SPAN("y@localhost")}};

    (void)state;
    handle(&(struct ask){STANZA_IQ, STANZA_GET, "romeo@localhost/o", "", "jabber:iq:last", "query",
                         0});
    service_reply_result(t.kept, (struct span){0});
    assert_int_equal(fake.sent_count, 2);
    assert_int_equal(fake.sent[1].msg.id, WIRE_ID_dealt);
    assert_int_equal(fake.sent[1].msg.u.dealt.origin_sid, 1);
    assert_int_equal(fake.sent[1].msg.u.dealt.origin_n, 1);
    assert_true(fake.sent[1].hash == fake.sent[0].hash);
    fake_settle_all();
    handle(&(struct ask){STANZA_IQ, STANZA_GET, "romeo@localhost/o", "", "jabber:iq:last", "query",
                         0});
    elsewhere.request = t.kept;
    service_forward(t.service, &elsewhere);
    service_reply_result(t.kept, (struct span){0});
    assert_int_equal(fake.sent_count, 4);
    assert_int_equal(fake.sent[3].msg.id, WIRE_ID_forward);
    fake_settle_all();
}

static void a_router_that_is_gone_is_not_settled_with(void **state)
{
    (void)state;
    handle(&(struct ask){STANZA_IQ, STANZA_GET, "romeo@localhost/o", "", "jabber:iq:last", "query",
                         0});
    t.router->is_up = false;
    service_peer_down(t.service, t.router);
    service_reply_result(t.kept, (struct span){0});
    fake_settle(0, BUS_SETTLED); /* the fake aborts on a settle with a dead peer */
    assert_int_equal(service_pending(t.service), 0);
}

static void other_items_and_nonsense_do_no_harm(void **state)
{
    struct wire_msg msg = {.id = WIRE_ID_route};

    (void)state;
    assert_false(service_item(t.service, t.router, 1, &msg));
    msg.id = WIRE_ID_handle;
    msg.u.handle = (struct wire_handle){.stanza = SPAN("nonsense")};
    assert_true(service_item(t.service, t.router, 2, &msg));
    assert_int_equal(fake.settled[0], 2);
}

static void an_account_is_cleared_until_it_is_done(void **state)
{
    struct wire_msg msg = {.id = WIRE_ID_clear_account};

    (void)state;
    msg.u.clear_account.account = SPAN("romeo@localhost");
    assert_true(service_item(t.service, t.router, 7, &msg));
    assert_true(span_is(t.clear->account, "romeo@localhost"));
    service_cleared(t.clear, false); /* the database is away */
    assert_int_equal(fake.settled_count, 0);
    while (t.clears < 2)
        loop_run_once(t.loop, 100);
    service_cleared(t.clear, true);
    assert_int_equal(fake.settled[0], 7);
    assert_true(service_item(t.service, t.router, 8, &msg)); /* freed with the service */
}

static void what_is_unanswered_at_the_end_is_freed(void **state)
{
    (void)state;
    handle(&(struct ask){STANZA_IQ, STANZA_GET, "romeo@localhost/o", "", "jabber:iq:last", "query",
                         0});
    assert_int_equal(service_pending(t.service), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(announcements_come_from_the_table),
        TEST(an_answer_settles_the_item_when_a_router_has_it),
        TEST(what_the_table_does_not_have_is_refused),
        TEST(a_request_lives_until_it_is_answered),
        TEST(a_fan_out_is_settled_before_its_cause),
        TEST(errors_are_not_answered),
        TEST(a_full_backlog_keeps_order_and_loses_nothing),
        TEST(the_router_hears_when_all_is_on_its_way),
        TEST(a_router_that_is_gone_is_not_settled_with),
        TEST(other_items_and_nonsense_do_no_harm),
        TEST(an_account_is_cleared_until_it_is_done),
        TEST(what_is_unanswered_at_the_end_is_freed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
