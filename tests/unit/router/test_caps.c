/* Entity capabilities of the server: told to those who have streams, and answered by their hash. */
#include "fixture.h"

#define INFO "http://jabber.org/protocol/disco#info"

static const struct span edge_lines[] = {{"streams", 7}};
static const struct span pubsub_lines[] = {
    {"iq vcard-temp account", 21},
    {"feature vcard-temp server", 25},
};

static struct bus_peer *peer_with(const char *kind, const char *name, const struct span *lines,
                                  size_t count)
{
    struct bus_peer *peer = fake_peer(kind, name);

    peer->lines = lines;
    peer->line_count = count;
    router_peer_up(f.router, peer);
    return peer;
}

static void run_until_sent(size_t count)
{
    while (fake.sent_count < count)
        loop_run_once(f.loop, 1);
}

/* Between `before` and `after` in what was sent as number `i`. */
static const char *told(size_t i, const char *before, const char *after)
{
    struct span text = fake.sent[i].msg.u.stream_features.features;
    const char *copy = arena_copy(&f.arena, text).data;
    const char *at = strstr(copy, before);

    assert_int_equal(fake.sent[i].msg.id, WIRE_ID_stream_features);
    assert_non_null(at);
    at += strlen(before);
    return arena_copy(&f.arena, span_of(at, (size_t)(strstr(at, after) - at))).data;
}

static const char *ask(const char *node)
{
    struct span iq = arena_printf(
        &f.arena,
        "<iq from='romeo@localhost/orchard' to='localhost' type='get' id='q'><query xmlns='" INFO
        "' node='%s'/></iq>",
        node);

    client_sends(f.edge1, 1, iq.data);
    return sent_xml(fake.sent_count - 1);
}

static const char *caps_node(size_t i)
{
    return arena_printf(&f.arena, "%s#%s", told(i, "node=\"", "\""), told(i, "ver=\"", "\"")).data;
}

static const char *caps2_node(size_t i)
{
    return arena_printf(&f.arena, "urn:xmpp:caps#sha-256.%s",
                        told(i, "algo=\"sha-256\">", "</hash>"))
        .data;
}

static void who_has_streams_is_told_and_nobody_else(void **state)
{
    (void)state;
    peer_with("edge", "edge-3", edge_lines, 1);
    run_until_sent(3); /* all edges: what one announces they all have */
    for (size_t i = 0; i < 3; i++) {
        assert_memory_equal(fake.sent[i].to, "edge-", 5);
        assert_true(span_is(fake.sent[i].msg.u.stream_features.domain, "localhost"));
    }
    assert_non_null(strstr(ask(caps_node(0)), "type=\"result\""));
    assert_non_null(strstr(ask(caps2_node(0)), "type=\"result\""));
    assert_non_null(strstr(ask(caps2_node(0)), caps2_node(0)));
    assert_non_null(strstr(ask("https://localhost/#x"), "item-not-found"));
}

static void the_hash_changes_with_the_services_and_the_old_one_stays_answered(void **state)
{
    (void)state;
    peer_with("edge", "edge-3", edge_lines, 1);
    run_until_sent(3);
    peer_with("pubsub", "pubsub-0", pubsub_lines, 2);
    run_until_sent(6);
    assert_string_not_equal(caps_node(2), caps_node(5));
    assert_null(strstr(ask(caps_node(2)), "var=\"vcard-temp\""));
    assert_non_null(strstr(ask(caps_node(5)), "var=\"vcard-temp\""));
    assert_null(strstr(ask(caps2_node(2)), "var=\"vcard-temp\""));
    assert_non_null(strstr(ask(caps2_node(5)), "var=\"vcard-temp\""));
}

static void nothing_is_told_before_the_services_are_here(void **state)
{
    (void)state;
    peer_with("edge", "edge-3", edge_lines, 1);
    for (int i = 0; i < 3; i++)
        loop_run_once(f.loop, 0);
    assert_int_equal(fake.sent_count, 0);
    services_come();
    run_until_sent(3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_has_streams_is_told_and_nobody_else),
        TEST(the_hash_changes_with_the_services_and_the_old_one_stays_answered),
        cmocka_unit_test_setup_teardown(nothing_is_told_before_the_services_are_here, setup_router,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
