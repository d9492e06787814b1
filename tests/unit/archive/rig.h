/* What the archive's tests share: the daemon's state on a loop, a private Redis and a database, and
 * in place of the bus a router that notes what is forwarded in rig->said, a line each:
 *     RECIPIENTS <stanza/> */
#ifndef JACKDAW_TESTS_ARCHIVE_RIG_H
#define JACKDAW_TESTS_ARCHIVE_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../registry/private_redis.h"
#include "../service/fake_bus.h"
#include "archive.h"
#include "base/clock.h"
#include "conf/conf.h"
#include "jid/jid.h"
#include "loop/loop.h"
#include "loop/timer.h"
#include "redis/keys.h"
#include "write.h"
#include "xml/parser.h"

struct rig {
    struct private_redis server;
    struct loop *loop;
    struct loop_timer tick;
    struct conf *conf;
    char dir[64];
    struct daemon daemon;
    struct archive *archive;
    struct xml_frames *frames;
    struct bus_peer *router;
    bool holds;    /* the router keeps what is forwarded without settling it */
    size_t routed; /* of fake.sent */
    uint64_t tokens;
    struct buf said;
};

static inline void rig_nothing(void *arg)
{
    (void)arg;
}

static inline void rig_note(struct rig *rig, size_t sent)
{
    const struct wire_forward *item = &fake.sent[sent].msg.u.forward;
    struct arena arena = {0};
    struct stanza stanza;
    if (fake.sent[sent].msg.id == WIRE_ID_dealt) {
        return;
    }
    assert_int_equal(fake.sent[sent].msg.id, WIRE_ID_forward);
    assert_int_equal(stanza_decode(item->stanza, &arena, &stanza), 0);
    for (uint32_t i = 0; i < item->recipients.count; i++) {
        buf_append_span(&rig->said, item->recipients.items[i]);
        buf_append_cstr(&rig->said, " ");
    }
    stanza_write(&stanza, (struct span){0}, (struct span){0}, &rig->said);
    buf_append_cstr(&rig->said, "\n");
    arena_deinit(&arena);
}

static inline void rig_turn(struct rig *rig)
{
    loop_run_once(rig->loop, 1);
    while (rig->routed < fake.sent_count) {
        rig_note(rig, rig->routed);
        if (!rig->holds) {
            fake_settle(rig->routed, BUS_SETTLED);
        }
        rig->routed++;
    }
}

static inline bool rig_is_busy(const struct rig *rig)
{
    return rig->archive->busy > 0 || service_pending(rig->archive->service) > 0 ||
           sql_pending(rig->archive->sql) > 0 || redis_pending(rig->archive->redis) > 0;
}

/* Until nothing is left to do. */
static inline void rig_settle(struct rig *rig)
{
    uint64_t deadline = clock_mono_ms() + 30000;
    do {
        assert_true(clock_mono_ms() < deadline);
        rig_turn(rig);
    } while (rig_is_busy(rig));
}

/* Until this was said. */
static inline void rig_await(struct rig *rig, const char *text)
{
    uint64_t deadline = clock_mono_ms() + 30000;
    while (!strstr(buf_cstr(&rig->said), text)) {
        if (clock_mono_ms() >= deadline) {
            fail_msg("not said: %s\nbut:\n%s", text, buf_cstr(&rig->said));
        }
        rig_turn(rig);
    }
}

static inline void rig_read_stanza(struct rig *rig, const char *xml, struct arena *arena,
                                   struct stanza *stanza_out)
{
    struct xml_limits limits = {1048576, 64};
    struct xml_top top;
    assert_int_equal(xml_frames_parse(rig->frames, span_cstr(xml), &limits, &top), XML_OK);
    assert_int_equal(stanza_from_xml(&top, arena, stanza_out), STANZA_FINE);
}

static inline bool rig_is_settled(uint64_t token)
{
    for (size_t i = 0; i < fake.settled_count; i++) {
        if (fake.settled[i] == token) {
            return true;
        }
    }
    return false;
}

/* The `n`-th message of session 7, for `account`; its uid is made of `n`. Nothing is waited for.
 * The item's token. */
static inline uint64_t rig_keep(struct rig *rig, const char *account, uint64_t n, uint32_t flags,
                                const char *xml)
{
    struct arena arena = {0};
    struct buf bytes = {0};
    struct stanza stanza;
    char uid[WRITE_UID_SIZE] = {0};
    struct wire_msg msg = {.id = WIRE_ID_keep};
    rig_read_stanza(rig, xml, &arena, &stanza);
    stanza_encode(&stanza, &bytes);
    memcpy(uid, &n, sizeof(n));
    memcpy(uid + 8, account, strlen(account) < 8 ? strlen(account) : 8);
    msg.u.keep = (struct wire_keep){.origin_sid = 7,
                                    .origin_n = n,
                                    .flags = flags,
                                    .account = span_cstr(account),
                                    .uid = {uid, sizeof(uid)},
                                    .stanza = buf_span(&bytes)};
    archive_item(rig->archive, rig->router, ++rig->tokens, &msg);
    buf_deinit(&bytes);
    arena_deinit(&arena);
    return rig->tokens;
}

static inline uint64_t rig_came(struct rig *rig, const char *account, uint64_t sid)
{
    struct wire_msg msg = {.id = WIRE_ID_came};
    msg.u.came = (struct wire_came){.account = span_cstr(account), .sid = sid};
    archive_item(rig->archive, rig->router, ++rig->tokens, &msg);
    return rig->tokens;
}

/* `from`, a full JID, sends an iq from session `sid`; rig->said has what came of it. */
static inline void rig_asks(struct rig *rig, const char *from, uint64_t sid, const char *xml)
{
    struct arena arena = {0};
    struct buf bytes = {0};
    struct stanza stanza;
    struct wire_msg msg = {.id = WIRE_ID_handle};
    rig_read_stanza(rig, xml, &arena, &stanza);
    stanza.from = span_cstr(from);
    bool is_for_another = stanza.to.len && !span_eq(stanza.to, jid_bare(stanza.from));
    stanza_encode(&stanza, &bytes);
    msg.u.handle = (struct wire_handle){.origin_sid = sid,
                                        .origin_n = ++rig->tokens,
                                        .flags = is_for_another ? WIRE_HANDLE_INBOUND : 0,
                                        .stanza = buf_span(&bytes)};
    buf_reset(&rig->said);
    archive_item(rig->archive, rig->router, rig->tokens, &msg);
    buf_deinit(&bytes);
    arena_deinit(&arena);
    rig_settle(rig);
}

static inline void rig_hset(struct rig *rig, enum redis_key key, const char *account,
                            const char *resource, const struct wire_msg *record)
{
    struct arena arena = {0};
    struct buf bytes = {0};
    wire_encode(record, &bytes);
    redis_call(rig->archive->redis, NULL, NULL, SPAN("HSET"),
               redis_key(key, span_cstr(account), (struct span){0}, &arena), span_cstr(resource),
               buf_span(&bytes));
    buf_deinit(&bytes);
    arena_deinit(&arena);
    rig_settle(rig);
}

/* In Redis: a session of that account, available with that priority. */
static inline void rig_online(struct rig *rig, const char *account, uint64_t sid, int priority)
{
    struct wire_msg session = {.id = WIRE_ID_session_record};
    struct wire_msg presence = {.id = WIRE_ID_presence_record};
    session.u.session_record =
        (struct wire_session_record){.sid = sid, .epoch = 1, .holder = SPAN("edge-1")};
    presence.u.presence_record =
        (struct wire_presence_record){.sid = sid,
                                      .flags = WIRE_PRESENCE_AVAILABLE,
                                      .priority_plus_128 = (uint32_t)(priority + 128)};
    rig_hset(rig, REDIS_KEY_sessions, account, "r", &session);
    rig_hset(rig, REDIS_KEY_presence, account, "r", &presence);
}

static inline void rig_offline(struct rig *rig, const char *account)
{
    struct arena arena = {0};
    redis_call(rig->archive->redis, NULL, NULL, SPAN("DEL"),
               redis_key(REDIS_KEY_sessions, span_cstr(account), (struct span){0}, &arena));
    arena_deinit(&arena);
    rig_settle(rig);
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

/* How often it was said. */
static inline size_t rig_count(struct rig *rig, const char *text)
{
    size_t count = 0;
    for (const char *at = buf_cstr(&rig->said); (at = strstr(at, text)) != NULL; at++) {
        count++;
    }
    return count;
}

/* ---- life ---- */
static inline void rig_open(struct rig *rig)
{
    static const struct daemon_spec spec = {.name = "archive"};
    void *ctx = NULL;
    struct buf why = {0};
    uint64_t deadline = clock_mono_ms() + 20000;
    rig->daemon =
        (struct daemon){.spec = &spec, .loop = rig->loop, .conf = rig->conf, .name = "archive"};
    assert_int_equal(archive_open(&rig->daemon, &ctx), 0);
    rig->archive = ctx;
    while (!archive_is_ready(rig->archive, &why)) {
        assert_true(clock_mono_ms() < deadline);
        loop_run_once(rig->loop, 1);
    }
    buf_deinit(&why);
}

/* The instance dies with all it was at; what it sent is lost. A new one takes its place. */
static inline void rig_kill(struct rig *rig)
{
    archive_close(rig->archive);
    rig->routed = fake.sent_count;
    rig_open(rig);
}

static inline void rig_start_on(struct rig *rig, const char *sql_url)
{
    char url[96];
    struct buf error = {0};
    memset(rig, 0, sizeof(*rig));
    memset(&fake, 0, sizeof(fake));
    (void)signal(SIGPIPE, SIG_IGN);
    private_redis_start(&rig->server);
    (void)snprintf(rig->dir, sizeof(rig->dir), "/tmp/jackdaw-archive-XXXXXX");
    assert_non_null(mkdtemp(rig->dir));
    (void)snprintf(url, sizeof(url), "sqlite:%s", rig->dir);
    setenv("JACKDAW_REDIS_URL", rig->server.url, 1);
    setenv("JACKDAW_SQL_URL", sql_url ? sql_url : url, 1);
    setenv("JACKDAW_ARCHIVE_MAX_OFFLINE", "120", 1);
    setenv("JACKDAW_ARCHIVE_RETRY_FOR", "500ms", 1);
    rig->conf = conf_load(NULL, &error);
    assert_non_null(rig->conf);
    buf_deinit(&error);
    rig->loop = loop_new();
    loop_timer_init(&rig->tick, rig->loop, rig_nothing, rig);
    loop_timer_start(&rig->tick, 20, 20);
    rig->frames = xml_frames_new();
    rig->router = fake_peer("router", "router-1");
    rig_open(rig);
}

static inline void rig_stop(struct rig *rig)
{
    char command[96];
    archive_close(rig->archive);
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
