/* Real routers, a real Redis, and the daemons around them played by this program on the real bus:
 * nothing is lost and order holds, also when a router is killed in the middle.
 */
#include "../unit/registry/private_redis.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "bus/bus.h"
#include "jid/jid.h"
#include "loop/loop.h"
#include "loop/timer.h"
#include "redis/redis.h"
#include "stanza/stanza.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define USERS    50
#define MESSAGES 4000
#define ROUTERS  2

/* A daemon played here. */
struct actor {
    const char *kind;
    const char *name;
    struct bus *bus;
    struct span lines[4];
    size_t line_count;
    size_t delivered;
    size_t handled;
    size_t ups;
};

static struct {
    struct private_redis server;
    struct loop *loop;
    struct loop_timer tick;
    struct redis *redis;
    pid_t routers[ROUTERS];
    char addresses[ROUTERS][128];
    const char *dial[ROUTERS];
    struct actor edge1;
    struct actor edge2;
    struct actor presence;
    struct actor session;
    size_t settled;
    size_t sent;
    uint64_t last_n[USERS][USERS]; /* of the last message from, to */
    bool has_come[MESSAGES + 1];
    size_t come;
    bool unordered;
    char last_xml[1024];
} t;

/* ---- processes ---- */

static void router_spawn(size_t i)
{
    char list[300];
    char name[16];

    snprintf(list, sizeof(list), "%s,%s", t.addresses[0], t.addresses[1]);
    snprintf(name, sizeof(name), "router-%zu", i);
    t.routers[i] = fork();
    if (t.routers[i] != 0)
        return;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    setenv("JACKDAW_ROUTER_LISTEN", t.addresses[i], 1);
    setenv("JACKDAW_CLUSTER_ROUTERS", list, 1);
    setenv("JACKDAW_REDIS_URL", t.server.url, 1);
    setenv("JACKDAW_LOG_LEVEL", "error", 1);
    execl(JACKDAW_BIN "/jackdaw-router", "jackdaw-router", "--instance", name, (char *)NULL);
    _exit(127);
}

static void router_end(size_t i, int signum)
{
    int status = 0;

    if (t.routers[i] <= 0)
        return;
    (void)kill(t.routers[i], signum);
    (void)waitpid(t.routers[i], &status, 0);
    t.routers[i] = 0;
    if (signum == SIGTERM)
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* ---- actors ---- */

static void note_message(const struct stanza *stanza)
{
    uint64_t n = 0;
    uint64_t from = 0;
    uint64_t to = 0;

    assert_int_equal(span_to_u64(stanza->id, &n), 0);
    assert_int_equal(span_to_u64(span_from(jid_node(stanza->from), 1), &from), 0);
    assert_int_equal(span_to_u64(span_from(jid_node(stanza->to), 1), &to), 0);
    assert_true(n <= MESSAGES && from < USERS && to < USERS);
    if (t.has_come[n])
        return; /* sent again by the next router; the edge would drop it by its origin */
    t.has_come[n] = true;
    t.come++;
    t.unordered |= n <= t.last_n[from][to];
    t.last_n[from][to] = n;
}

static void on_deliver(struct actor *actor, const struct wire_msg *msg)
{
    struct arena arena = {0};
    struct buf xml = {0};
    struct stanza stanza;

    assert_int_equal(stanza_decode(msg->u.deliver.stanza, &arena, &stanza), 0);
    actor->delivered++;
    if (stanza.kind == STANZA_MESSAGE && stanza.type == STANZA_CHAT)
        note_message(&stanza);
    stanza_write(&stanza, (struct span){0}, (struct span){0}, &xml);
    snprintf(t.last_xml, sizeof(t.last_xml), "%s", buf_cstr(&xml));
    buf_deinit(&xml);
    arena_deinit(&arena);
}

static void on_item(void *ctx, struct bus_peer *peer, uint64_t token, const struct wire_msg *msg)
{
    struct actor *actor = ctx;

    if (msg->id == WIRE_ID_deliver)
        on_deliver(actor, msg);
    if (msg->id == WIRE_ID_handle)
        actor->handled++;
    bus_settle(peer, token);
}

static void on_peer_up(void *ctx, struct bus_peer *peer)
{
    (void)peer;
    ((struct actor *)ctx)->ups++;
}

static void on_call(void *ctx, struct bus_call *call, const struct wire_msg *msg)
{
    struct wire_msg reply = {.id = WIRE_ID_result};

    (void)ctx;
    (void)msg;
    bus_reply(call, &reply);
}

static void actor_join(struct actor *actor, const char *kind, const char *name)
{
    struct bus_options options = {
        .loop = t.loop,
        .kind = kind,
        .instance = name,
        .announce = actor->lines,
        .announce_count = actor->line_count,
        .dial = t.dial,
        .dial_count = ROUTERS,
        .hubs = t.dial,
        .hub_count = ROUTERS,
        .linger_ms = 1,
        .peer_grace_ms = 500,
        .resend_ms = 200,
        .handlers = {.peer_up = on_peer_up, .item = on_item, .call = on_call},
        .ctx = actor,
    };
    char error[256] = "";

    actor->bus = bus_new(&options, error, sizeof(error));
    if (!actor->bus)
        fail_msg("bus_new: %s", error);
}

static void count_settled(void *arg, enum bus_outcome outcome)
{
    (void)arg;
    assert_int_equal(outcome, BUS_SETTLED);
    t.settled++;
}

static void client_sends(uint64_t n, const struct stanza *stanza)
{
    struct wire_msg msg = {.id = WIRE_ID_route};
    struct buf bytes = {0};

    stanza_encode(stanza, &bytes);
    msg.u.route =
        (struct wire_route){.origin_sid = 1000, .origin_n = n, .stanza = buf_span(&bytes)};
    assert_int_equal(bus_send(t.edge1.bus, "router", hash_span(jid_bare(stanza->from)), &msg,
                              count_settled, NULL),
                     0);
    t.sent++;
    buf_deinit(&bytes);
}

/* ---- the stage ---- */

static void on_tick(void *arg)
{
    (void)arg;
}

static void turn(void)
{
    loop_run_once(t.loop, 1);
}

static void on_set(void *arg, const struct redis_reply *reply)
{
    (void)reply;
    (*(size_t *)arg)++;
}

/* User `i` is available at edge-2 as session 100 + i. */
static void redis_has(size_t i, size_t *done)
{
    struct wire_msg session = {.id = WIRE_ID_session_record};
    struct wire_msg presence = {.id = WIRE_ID_presence_record};
    struct buf a = {0};
    struct buf b = {0};
    char s[64];
    char p[64];

    snprintf(s, sizeof(s), "jd:s:{u%zu@localhost}", i);
    snprintf(p, sizeof(p), "jd:p:{u%zu@localhost}", i);
    session.u.session_record =
        (struct wire_session_record){.sid = 100 + i, .epoch = 1, .holder = SPAN("edge-2")};
    presence.u.presence_record = (struct wire_presence_record){
        .sid = 100 + i, .flags = WIRE_PRESENCE_AVAILABLE, .priority_plus_128 = 128};
    wire_encode(&session, &a);
    wire_encode(&presence, &b);
    redis_call(t.redis, on_set, done, SPAN("HSET"), span_cstr(s), SPAN("r"), buf_span(&a));
    redis_call(t.redis, on_set, done, SPAN("HSET"), span_cstr(p), SPAN("r"), buf_span(&b));
    buf_deinit(&a);
    buf_deinit(&b);
}

static void fill_redis(void)
{
    char error[128];
    size_t done = 0;

    t.redis = redis_new(t.loop, t.server.url, error, sizeof(error));
    while (!redis_is_up(t.redis))
        turn();
    for (size_t i = 0; i < USERS; i++)
        redis_has(i, &done);
    while (done < 2 * USERS)
        turn();
}

static int setup(void **state)
{
    (void)state;
    memset(&t, 0, sizeof(t));
    private_redis_start(&t.server);
    t.loop = loop_new();
    loop_timer_init(&t.tick, t.loop, on_tick, NULL);
    loop_timer_start(&t.tick, 1, 1);
    for (size_t i = 0; i < ROUTERS; i++) {
        snprintf(t.addresses[i], sizeof(t.addresses[i]), "ipc://%s/r%zu", t.server.dir, i);
        t.dial[i] = t.addresses[i];
    }
    fill_redis();
    for (size_t i = 0; i < ROUTERS; i++)
        router_spawn(i);
    t.presence.lines[0] = SPAN("presence");
    t.presence.lines[1] = SPAN("iq jabber:iq:roster own");
    t.presence.line_count = 2;
    actor_join(&t.edge1, "edge", "edge-1");
    actor_join(&t.edge2, "edge", "edge-2");
    actor_join(&t.presence, "presence", "presence-0");
    actor_join(&t.session, "session", "session-0");
    while (t.edge1.ups + t.edge2.ups + t.presence.ups + t.session.ups < 4 * ROUTERS)
        turn();
    return 0;
}

static int teardown(void **state)
{
    char command[128];

    (void)state;
    bus_free(t.edge1.bus);
    bus_free(t.edge2.bus);
    bus_free(t.presence.bus);
    bus_free(t.session.bus);
    for (size_t i = 0; i < ROUTERS; i++)
        router_end(i, SIGTERM);
    redis_free(t.redis);
    loop_timer_stop(&t.tick);
    loop_free(t.loop);
    private_redis_stop(&t.server);
    snprintf(command, sizeof(command), "rm -rf %s", t.server.dir);
    return system(command) == 0 ? 0 : -1;
}

static void wait_settled(uint64_t within_ms)
{
    uint64_t end = clock_mono_ms() + within_ms;

    while (t.settled < t.sent && clock_mono_ms() < end)
        turn();
    if (t.settled < t.sent)
        fail_msg("%zu of %zu settled", t.settled, t.sent);
}

static void chat(uint64_t n)
{
    char from[64];
    char to[64];
    char id[16];
    struct stanza stanza = {.kind = STANZA_MESSAGE, .type = STANZA_CHAT};

    snprintf(from, sizeof(from), "u%u@localhost/r", (unsigned)(n % USERS));
    snprintf(to, sizeof(to), "u%u@localhost", (unsigned)(n * 7 / USERS % USERS));
    snprintf(id, sizeof(id), "%u", (unsigned)n);
    stanza.from = span_cstr(from);
    stanza.to = span_cstr(to);
    stanza.id = span_cstr(id);
    client_sends(n, &stanza);
}

static void messages_arrive_in_order_and_are_settled(void **state)
{
    uint64_t start = clock_mono_ms();

    (void)state;
    for (uint64_t n = 1; n <= MESSAGES; n++) {
        chat(n);
        if (n % 20 == 0)
            turn();
    }
    wait_settled(20000);
    assert_int_equal(t.come, MESSAGES);
    assert_int_equal(t.edge2.delivered, MESSAGES);
    assert_false(t.unordered);
    print_message("%d messages in %u ms\n", MESSAGES, (unsigned)(clock_mono_ms() - start));
}

static void a_killed_router_loses_nothing(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= MESSAGES; n++) {
        chat(n);
        if (n % 20 == 0)
            turn();
        if (n == MESSAGES / 2)
            router_end(1, SIGKILL);
        if (n == MESSAGES * 3 / 4)
            router_spawn(1);
    }
    wait_settled(20000);
    assert_int_equal(t.come, MESSAGES);
}

static void a_terminated_router_loses_nothing(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= MESSAGES; n++) {
        chat(n);
        if (n % 20 == 0)
            turn();
        if (n == MESSAGES / 2)
            (void)kill(t.routers[0], SIGTERM);
    }
    wait_settled(20000);
    assert_int_equal(t.come, MESSAGES);
}

static void iqs_find_their_service_and_others_an_error(void **state)
{
    struct xml_child child = {.ns = SPAN("jabber:iq:roster"), .name = SPAN("query"), .length = 33};
    struct stanza iq = {.kind = STANZA_IQ,
                        .type = STANZA_GET,
                        .from = SPAN("u1@localhost/r"),
                        .id = SPAN("1"),
                        .children = &child,
                        .child_count = 1,
                        .payload = SPAN("<query xmlns=\"jabber:iq:roster\"/>")};

    (void)state;
    client_sends(1, &iq);
    wait_settled(10000);
    assert_int_equal(t.presence.handled, 1);
    iq.to = SPAN("nowhere.example");
    client_sends(2, &iq);
    wait_settled(10000);
    assert_int_equal(t.edge1.delivered, 1);
    assert_non_null(strstr(t.last_xml, "remote-server-not-found"));
    iq.to = SPAN("localhost");
    client_sends(3, &iq);
    wait_settled(10000);
    assert_int_equal(t.edge1.delivered, 2);
    assert_non_null(strstr(t.last_xml, "service-unavailable"));
}

/* The notices of a session that has come and is available, as session and presence publish them. */
static void publish_session(const char *jid, uint64_t sid, const char *holder)
{
    struct wire_msg session = {.id = WIRE_ID_session_changed};
    struct wire_msg presence = {.id = WIRE_ID_presence_changed};

    session.u.session_changed = (struct wire_session_changed){
        .jid = span_cstr(jid), .sid = sid, .holder = span_cstr(holder), .epoch = 1, .bound = 1};
    presence.u.presence_changed = (struct wire_presence_changed){
        .jid = span_cstr(jid), .sid = sid, .available = 1, .priority_plus_128 = 128 + 10};
    bus_notice(t.session.bus, &session);
    bus_notice(t.session.bus, &presence);
}

static void notices_reach_all_routers(void **state)
{
    uint64_t end = clock_mono_ms() + 10000;
    uint64_t n = 0;

    (void)state;
    /* From many users, so that both routers take part; all to u0. */
    while (t.edge1.delivered < 2 * USERS && clock_mono_ms() < end) {
        struct stanza stanza = {
            .kind = STANZA_MESSAGE, .type = STANZA_NORMAL, .to = SPAN("u0@localhost")};
        char from[64];

        snprintf(from, sizeof(from), "u%u@localhost/r", (unsigned)(n++ % USERS));
        stanza.from = span_cstr(from);
        client_sends(n, &stanza);
        wait_settled(10000);
        if (n == USERS)
            publish_session("u0@localhost/new", 900, "edge-1"); /* Redis does not have it */
    }
    assert_int_equal(t.edge1.delivered, 2 * USERS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(messages_arrive_in_order_and_are_settled),
        TEST(a_killed_router_loses_nothing),
        TEST(a_terminated_router_loses_nothing),
        TEST(iqs_find_their_service_and_others_an_error),
        TEST(notices_reach_all_routers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
