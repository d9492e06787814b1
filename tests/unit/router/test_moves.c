/* Sessions that change hands (XEP-0198): what is on its way to them waits, follows, or is kept. */
#include "fixture.h"

#define TO_JULIET "juliet@localhost/balcony"
#define CHAT(to, body)                                                                             \
    "<message from='romeo@localhost/orchard' to='" to "' type='chat'><body>" body                  \
    "</body></message>"
#define ROMEO(xml) client_sends(f.edge1, 1, xml)

static int setup_moves(void **state)
{
    setup(state);
    f.sessions[1].loaded.flags = WIRE_SESSION_RESUMABLE; /* juliet's balcony, sid 2 at edge-2 */
    ROMEO("<message from='romeo@localhost/orchard' to='" TO_JULIET "' type='chat'/>");
    redis_answers(); /* all are known now */
    fake_settle_all();
    return 0;
}

/* Redis has it there, and everybody is told. */
static void moves_to(const char *holder, uint64_t epoch)
{
    struct wire_msg msg = {.id = WIRE_ID_session_changed};

    f.sessions[1].loaded.holder = span_cstr(holder);
    f.sessions[1].loaded.epoch = epoch;
    msg.u.session_changed = (struct wire_session_changed){.jid = SPAN(TO_JULIET),
                                                          .sid = 2,
                                                          .holder = span_cstr(holder),
                                                          .epoch = epoch,
                                                          .bound = 1,
                                                          .flags = WIRE_SESSION_RESUMABLE,
                                                          .changes = (uint32_t)epoch};
    router_notice(f.router, &msg);
}

/* The holder that was sent item `i` does not have the session: what it was sent comes back. */
static uint64_t misses(size_t i, struct bus_peer *peer, uint32_t flags)
{
    const struct wire_deliver *deliver = &fake.sent[i].msg.u.deliver;
    struct wire_msg msg = {.id = WIRE_ID_missed};

    msg.u.missed = (struct wire_missed){.origin_sid = deliver->origin_sid,
                                        .origin_n = deliver->origin_n,
                                        .sids = deliver->sids,
                                        .stanza = deliver->stanza,
                                        .flags = flags};
    router_item(f.router, peer, ++f.next_token, &msg);
    return f.next_token;
}

static void check_adopt(size_t i, uint64_t epoch, const char *body)
{
    const struct wire_adopt *adopt = &fake.sent[i].msg.u.adopt;
    struct stanza stanza;

    assert_true(i < fake.sent_count);
    assert_int_equal(fake.sent[i].msg.id, WIRE_ID_adopt);
    assert_string_equal(fake.sent[i].to, "session");
    assert_true(fake.sent[i].hash == hash_span(SPAN("juliet@localhost")));
    assert_true(span_is(adopt->account, "juliet@localhost"));
    assert_int_equal(adopt->sid, 2);
    assert_int_equal(adopt->epoch, epoch);
    assert_int_equal(stanza_decode(adopt->stanza, &f.arena, &stanza), 0);
    assert_non_null(strstr(arena_copy(&f.arena, stanza.payload).data, body));
}

static void what_comes_after_a_move_waits_for_what_came_before(void **state)
{
    size_t first = fake.sent_count;

    (void)state;
    ROMEO(CHAT(TO_JULIET, "one"));
    ROMEO(CHAT(TO_JULIET, "two"));
    check_deliver(first + 1, "edge-2", 1, 2);
    moves_to("edge-1", 2);
    ROMEO(CHAT(TO_JULIET, "three"));
    ROMEO(CHAT(TO_JULIET, "four"));
    assert_int_equal(fake.sent_count, first + 2);
    fake_settle(first, BUS_SETTLED); /* the old holder had got it into the queue */
    assert_int_equal(fake.sent_count, first + 2);
    misses(first + 1, f.edge2, 0); /* but not this one */
    assert_int_equal(redis_answers(), 1);
    check_deliver(first + 2, "edge-1", 1, 2);
    assert_non_null(strstr(sent_xml(first + 2), "two"));
    fake_settle(first + 2, BUS_SETTLED);
    assert_true(is_settled(f.next_token)); /* so the old holder settles its copy */
    assert_int_equal(fake.sent_count, first + 3);
    fake_settle(first + 1, BUS_SETTLED);
    check_deliver(first + 3, "edge-1", 1, 2);
    assert_non_null(strstr(sent_xml(first + 3), "three"));
    assert_non_null(strstr(sent_xml(first + 4), "four"));
    fake_settle_all();
    assert_int_equal(f.router->job_count, 0);
}

static void a_session_that_moves_twice_keeps_its_order(void **state)
{
    size_t first = fake.sent_count;

    (void)state;
    ROMEO(CHAT(TO_JULIET, "one"));
    moves_to("edge-1", 2);
    ROMEO(CHAT(TO_JULIET, "two"));
    moves_to("edge-2", 3);
    ROMEO(CHAT(TO_JULIET, "three"));
    assert_int_equal(fake.sent_count, first + 1);
    fake_settle(first, BUS_SETTLED);
    check_deliver(first + 1, "edge-1", 1, 2);
    assert_int_equal(fake.sent_count, first + 2);
    misses(first + 1, f.edge1, 0);
    redis_answers();
    check_deliver(first + 2, "edge-2", 1, 2);
    assert_non_null(strstr(sent_xml(first + 2), "two"));
    fake_settle(first + 2, BUS_SETTLED);
    fake_settle(first + 1, BUS_SETTLED);
    check_deliver(first + 3, "edge-2", 1, 2);
    assert_non_null(strstr(sent_xml(first + 3), "three"));
    fake_settle_all();
    assert_int_equal(f.router->job_count, 0);
}

static void what_a_dead_holder_had_is_kept_for_who_may_come_back(void **state)
{
    size_t first = fake.sent_count;
    uint64_t token = ROMEO(CHAT(TO_JULIET, "one"));

    (void)state;
    fake_settle(first, BUS_LOST);
    check_adopt(first + 1, 1, "one"); /* not juliet's other resource */
    ROMEO(CHAT(TO_JULIET, "two"));
    check_adopt(first + 2, 1, "two");
    assert_false(is_settled(token));
    moves_to("session-0", 2);
    ROMEO(CHAT(TO_JULIET, "three")); /* waits for those before it */
    assert_int_equal(fake.sent_count, first + 3);
    fake_settle(first + 1, BUS_SETTLED);
    assert_true(is_settled(token));
    fake_settle(first + 2, BUS_SETTLED);
    check_deliver(first + 3, "session-0", 1, 2);
    fake_settle_all();
    assert_int_equal(f.router->job_count, 0);
}

static void a_holder_that_has_lost_a_session_nobody_took_leaves_it_to_be_kept(void **state)
{
    size_t first = fake.sent_count;

    (void)state;
    ROMEO(CHAT(TO_JULIET, "one"));
    misses(first, f.edge2, 0); /* its next life, say */
    redis_answers();
    check_adopt(first + 1, 1, "one");
    fake_settle_all();
    assert_int_equal(f.router->job_count, 0);
}

static void what_a_session_leaves_when_it_ends_goes_to_another_resource(void **state)
{
    size_t first = fake.sent_count;

    (void)state;
    ROMEO(CHAT("juliet@localhost", "one"));
    check_deliver(first, "edge-2", 1, 2);
    fake_settle(first, BUS_SETTLED);
    misses(first, f.edge2, WIRE_MISSED_ENDED);
    redis_answers();
    check_deliver(first + 1, "edge-1", 1, 3);
    fake_settle_all();
    assert_int_equal(f.router->job_count, 0);
}

static void presence_without_an_address_follows_too(void **state)
{
    static const char *const recipients[] = {"juliet@localhost"};
    size_t first = fake.sent_count;

    (void)state;
    service_sends("<presence from='romeo@localhost/orchard'/>", 0, recipients, 1);
    assert_int_equal(fake.sent_count, first + 2); /* balcony and chamber */
    moves_to("edge-1", 2);
    for (size_t i = first; i < first + 2; i++) {
        if (strcmp(fake.sent[i].to, "edge-2") == 0)
            misses(i, f.edge2, 0);
    }
    redis_answers();
    check_deliver(first + 2, "edge-1", 1, 2);
    assert_non_null(strstr(sent_xml(first + 2), "presence"));
    fake_settle_all();
    assert_int_equal(f.router->job_count, 0);
}

static void without_redis_the_sender_of_what_was_missed_is_told(void **state)
{
    size_t first = fake.sent_count;

    (void)state;
    ROMEO(CHAT(TO_JULIET, "one"));
    f.redis_is_up = false;
    misses(first, f.edge2, 0);
    check_error(first + 1, "edge-1", 1, "resource-constraint");
    fake_settle_all();
    assert_int_equal(f.router->job_count, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_moves, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_comes_after_a_move_waits_for_what_came_before),
        TEST(a_session_that_moves_twice_keeps_its_order),
        TEST(what_a_dead_holder_had_is_kept_for_who_may_come_back),
        TEST(a_holder_that_has_lost_a_session_nobody_took_leaves_it_to_be_kept),
        TEST(what_a_session_leaves_when_it_ends_goes_to_another_resource),
        TEST(presence_without_an_address_follows_too),
        TEST(without_redis_the_sender_of_what_was_missed_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
