/* What presence's tests share: a private Redis, a database in a new directory, one or two instances
 * of the daemon's state on a loop, and in place of the bus a router that hands what is for a local
 * account to the instance of that account and notes everything else in rig->said, a line each:
 *     RECIPIENTS <stanza/>
 *     notice JID available=1 priority=0
 */
#ifndef JACKDAW_TESTS_PRESENCE_RIG_H
#define JACKDAW_TESTS_PRESENCE_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../registry/private_redis.h"
#include "../service/fake_bus.h"
#include "base/clock.h"
#include "base/hash.h"
#include "conf/conf.h"
#include "jid/jid.h"
#include "loop/loop.h"
#include "loop/timer.h"
#include "metric/metric.h"
#include "presence.h"
#include "redis/keys.h"
#include "xml/ns.h"
#include "xml/parser.h"

struct rig {
    struct private_redis server;
    struct loop *loop;
    struct loop_timer tick;
    struct conf *conf;
    char dir[64];
    struct daemon daemons[2];
    struct presence *presences[2];
    int count;
    int only;            /* this instance serves every account, - 1; 0: by hash */
    struct redis *redis; /* the test's own */
    struct xml_frames *frames;
    struct bus_peer *router;
    size_t routed; /* of fake.sent */
    uint64_t tokens;
    size_t forward_of[FAKE_MAX]; /* by token of a handle: the forward it comes from, + 1 */
    size_t settled;              /* of fake.settled */
    uint64_t answered;
    struct buf said;
};

static struct rig *rig_of_notices;

void bus_notice(struct bus *bus, const struct wire_msg *msg)
{
    (void)bus;
    if (rig_of_notices && msg->id == WIRE_ID_presence_changed) {
        const struct wire_presence_changed *changed = &msg->u.presence_changed;
        buf_printf(&rig_of_notices->said, "notice %.*s available=%u priority=%d\n",
                   SPAN_ARG(changed->jid), (unsigned)changed->available,
                   (int)changed->priority_plus_128 - 128);
    }
}

void bus_each_peer(struct bus *bus, const char *kind,
                   void (*each)(void *arg, struct bus_peer *peer), void *arg)
{
    (void)bus;
    assert_string_equal(kind, "router");
    each(arg, rig_of_notices->router);
}

static inline void rig_nothing(void *arg)
{
    (void)arg;
}

static inline void rig_count(void *arg, const struct redis_reply *reply)
{
    (void)reply;
    ++*(uint64_t *)arg;
}

/* ---- the router ---- */
static inline struct presence *rig_owner(struct rig *rig, struct span account)
{
    uint64_t i = rig->only ? (uint64_t)rig->only - 1 : hash_span(account) % (uint64_t)rig->count;
    return rig->presences[i];
}

static inline void rig_handle(struct rig *rig, struct presence *presence,
                              const struct wire_handle *handle)
{
    struct wire_msg msg = {.id = WIRE_ID_handle, .u.handle = *handle};
    presence_item(presence, rig->router, ++rig->tokens, &msg);
}

/* How a stamp of XEP-0203 by the server is noted: times differ. */
#define LATE "<late/>"

/* Writes LATE for each such stamp from `at` on. */
static inline void rig_note_stamps(struct buf *said, size_t at)
{
    static const char delay[] = "<delay xmlns=\"urn:xmpp:delay\" from=\"localhost\" stamp=\"20";
    struct buf rest = {0};
    const char *found;

    while ((found = strstr(buf_cstr(said) + at, delay)) != NULL) {
        at = (size_t)(found - said->data);
        buf_append_cstr(&rest, strstr(found, "/>") + 2);
        said->len = at;
        buf_append_cstr(said, LATE);
        buf_append_span(said, buf_span(&rest));
        buf_reset(&rest);
    }
    buf_deinit(&rest);
}

static inline void rig_note(struct rig *rig, const struct wire_forward *forward,
                            const struct stanza *stanza)
{
    for (uint32_t i = 0; i < forward->recipients.count; i++) {
        buf_printf(&rig->said, "%s%.*s", i ? "," : "", SPAN_ARG(forward->recipients.items[i]));
    }
    buf_append_cstr(&rig->said, forward->recipients.count ? " " : "");
    size_t at = rig->said.len;
    stanza_write(stanza, (struct span){0}, (struct span){0}, &rig->said);
    rig_note_stamps(&rig->said, at);
    buf_append_cstr(&rig->said, "\n");
}

/* What is handed on is settled when that is, as routers do. */
static inline void rig_route(struct rig *rig, size_t sent)
{
    if (fake.sent[sent].msg.id == WIRE_ID_forget_account) {
        buf_printf(&rig->said, "forget %.*s\n",
                   SPAN_ARG(fake.sent[sent].msg.u.forget_account.account));
        fake_settle(sent, BUS_SETTLED);
        return;
    }
    if (fake.sent[sent].msg.id == WIRE_ID_dealt) {
        fake_settle(sent, BUS_SETTLED);
        return;
    }
    const struct wire_forward *forward = &fake.sent[sent].msg.u.forward;
    struct arena arena = {0};
    struct stanza stanza;
    assert_int_equal(stanza_decode(forward->stanza, &arena, &stanza), 0);
    struct span to = forward->recipients.count ? forward->recipients.items[0] : stanza.to;
    bool is_local = span_is(jid_domain(to), "localhost");
    if ((forward->flags & WIRE_FORWARD_INBOUND) && is_local) {
        struct wire_handle handle = {forward->origin_sid, forward->origin_n, WIRE_HANDLE_INBOUND,
                                     forward->stanza};
        assert_true(rig->tokens + 1 < FAKE_MAX);
        rig->forward_of[rig->tokens + 1] = sent + 1;
        rig_handle(rig, rig_owner(rig, jid_bare(to)), &handle);
    } else {
        rig_note(rig, forward, &stanza);
        fake_settle(sent, BUS_SETTLED);
    }
    arena_deinit(&arena);
}

static inline bool rig_is_busy(const struct rig *rig)
{
    size_t busy = fake.sent_count - rig->routed + fake.settled_count - rig->settled;
    for (int i = 0; i < rig->count; i++) {
        busy += rig->presences[i]->jobs + redis_pending(rig->presences[i]->redis) +
                sql_pending(rig->presences[i]->sql);
    }
    return busy > 0;
}

static inline void rig_turn(struct rig *rig)
{
    loop_run_once(rig->loop, 1);
    while (rig->routed < fake.sent_count) {
        rig_route(rig, rig->routed++);
    }
    while (rig->settled < fake.settled_count) {
        size_t sent = rig->forward_of[fake.settled[rig->settled++]];
        if (sent) {
            fake_settle(sent - 1, BUS_SETTLED);
        }
    }
}

/* Until nothing is left to do. */
static inline void rig_settle(struct rig *rig)
{
    uint64_t deadline = clock_mono_ms() + 20000;
    do {
        assert_true(clock_mono_ms() < deadline);
        rig_turn(rig);
    } while (rig_is_busy(rig));
}

/* ---- what clients do ---- */
static inline void rig_bind(struct rig *rig, const char *full, uint64_t sid)
{
    struct arena arena = {0};
    struct buf bytes = {0};
    struct wire_msg msg = {.id = WIRE_ID_session_record};
    struct span jid = span_cstr(full);
    uint64_t before = rig->answered;
    msg.u.session_record = (struct wire_session_record){.sid = sid, .holder = SPAN("edge-1")};
    wire_encode(&msg, &bytes);
    redis_call(rig->redis, rig_count, &rig->answered, SPAN("HSET"),
               redis_key(REDIS_KEY_sessions, jid_bare(jid), (struct span){0}, &arena),
               jid_resource(jid), buf_span(&bytes));
    while (rig->answered == before) {
        loop_run_once(rig->loop, 1);
    }
    buf_deinit(&bytes);
    arena_deinit(&arena);
}

static inline void rig_unbind(struct rig *rig, const char *full)
{
    struct arena arena = {0};
    struct span jid = span_cstr(full);
    uint64_t before = rig->answered;
    redis_call(rig->redis, rig_count, &rig->answered, SPAN("HDEL"),
               redis_key(REDIS_KEY_sessions, jid_bare(jid), (struct span){0}, &arena),
               jid_resource(jid));
    while (rig->answered == before) {
        loop_run_once(rig->loop, 1);
    }
    arena_deinit(&arena);
}

/* The client of session `sid` sends its `n`-th stanza; nothing is waited for. `from` is its full
 * JID. */
static inline void rig_send_to(struct rig *rig, struct presence *presence, const char *from,
                               uint64_t sid_and_n, const char *xml)
{
    struct arena arena = {0};
    struct buf bytes = {0};
    struct xml_limits limits = {262144, 64};
    struct xml_top top;
    struct stanza stanza;
    assert_int_equal(xml_frames_parse(rig->frames, span_cstr(xml), &limits, &top), XML_OK);
    assert_int_equal(stanza_from_xml(&top, &arena, &stanza), STANZA_FINE);
    stanza.from = span_cstr(from);
    stanza_encode(&stanza, &bytes);
    struct wire_handle handle = {sid_and_n >> 16, sid_and_n & 0xffff, 0, buf_span(&bytes)};
    bool is_iq_for_another = stanza.kind == STANZA_IQ && stanza.to.len;
    handle.flags = is_iq_for_another ? WIRE_HANDLE_INBOUND : 0;
    rig_handle(rig, presence, &handle);
    buf_deinit(&bytes);
    arena_deinit(&arena);
}

#define ORIGIN(sid, n) ((uint64_t)(sid) << 16 | (uint64_t)(n))

static inline void rig_send(struct rig *rig, const char *from, uint64_t origin, const char *xml)
{
    struct presence *presence = rig_owner(rig, jid_bare(span_cstr(from)));
    rig_send_to(rig, presence, from, origin, xml);
}

/* Sends, and waits until all is quiet; rig->said has what came of it. */
static inline const char *rig_does(struct rig *rig, const char *from, uint64_t origin,
                                   const char *xml)
{
    buf_reset(&rig->said);
    rig_send(rig, from, origin, xml);
    rig_settle(rig);
    return buf_cstr(&rig->said);
}

static inline void rig_expect(struct rig *rig, const char *wanted)
{
    if (!strstr(buf_cstr(&rig->said), wanted)) {
        fail_msg("not said: %s\nbut:\n%s", wanted, buf_cstr(&rig->said));
    }
}

static inline void rig_expect_not(struct rig *rig, const char *unwanted)
{
    if (strstr(buf_cstr(&rig->said), unwanted)) {
        fail_msg("said: %s\nin:\n%s", unwanted, buf_cstr(&rig->said));
    }
}

/* ---- life ---- */
static inline void rig_wait_ready(struct rig *rig)
{
    uint64_t deadline = clock_mono_ms() + 20000;
    for (int i = 0; i < rig->count; i++) {
        struct buf why = {0};
        while (!presence_is_ready(rig->presences[i], &why)) {
            assert_true(clock_mono_ms() < deadline);
            loop_run_once(rig->loop, 1);
        }
        buf_deinit(&why);
    }
    while (!redis_is_up(rig->redis)) {
        loop_run_once(rig->loop, 1);
    }
}

static inline void rig_open(struct rig *rig, int i)
{
    static const struct daemon_spec spec = {.name = "presence"};
    rig->daemons[i] =
        (struct daemon){.spec = &spec, .loop = rig->loop, .conf = rig->conf, .name = "presence"};
    void *ctx = NULL;
    assert_int_equal(presence_open(&rig->daemons[i], &ctx), 0);
    rig->presences[i] = ctx;
}

/* The instance dies with all it was at, and what it sent and nobody has taken is lost. All that is
 * not settled must have come from it. A new one takes its place. */
static inline void rig_kill(struct rig *rig, int i)
{
    presence_close(rig->presences[i]);
    for (size_t k = 0; k < fake.sent_count; k++) {
        fake.sent[k].is_settled = true;
    }
    rig->routed = fake.sent_count;
    rig->settled = fake.settled_count;
    memset(rig->forward_of, 0, sizeof(rig->forward_of));
    rig_open(rig, i);
}

static inline void rig_start_on(struct rig *rig, int count, const char *sql_url)
{
    char url[96];
    struct buf error = {0};
    memset(rig, 0, sizeof(*rig));
    memset(&fake, 0, sizeof(fake));
    (void)signal(SIGPIPE, SIG_IGN);
    private_redis_start(&rig->server);
    (void)snprintf(rig->dir, sizeof(rig->dir), "/tmp/jackdaw-presence-XXXXXX");
    assert_non_null(mkdtemp(rig->dir));
    (void)snprintf(url, sizeof(url), "sqlite:%s", rig->dir);
    setenv("JACKDAW_REDIS_URL", rig->server.url, 1);
    setenv("JACKDAW_SQL_URL", sql_url ? sql_url : url, 1);
    rig->conf = conf_load(NULL, &error);
    assert_non_null(rig->conf);
    buf_deinit(&error);
    rig->loop = loop_new();
    loop_timer_init(&rig->tick, rig->loop, rig_nothing, rig);
    loop_timer_start(&rig->tick, 20, 20);
    rig->frames = xml_frames_new();
    rig->router = fake_peer("router", "router-1");
    rig->redis = redis_new(rig->loop, rig->server.url, NULL, 0);
    rig->count = count;
    for (int i = 0; i < count; i++) {
        rig_open(rig, i);
    }
    rig_of_notices = rig;
    rig_wait_ready(rig);
}

static inline void rig_stop(struct rig *rig)
{
    char command[96];
    for (int i = 0; i < rig->count; i++) {
        presence_close(rig->presences[i]);
    }
    rig_of_notices = NULL;
    redis_free(rig->redis);
    fake_reset();
    xml_frames_free(rig->frames);
    conf_free(rig->conf);
    loop_timer_stop(&rig->tick);
    loop_free(rig->loop);
    buf_deinit(&rig->said);
    private_redis_stop(&rig->server);
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", rig->dir);
    assert_int_equal(system(command), 0);
}

#endif
