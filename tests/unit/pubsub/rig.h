/* What pubsub's tests share: the daemon's state on a loop and a database, and in place of the bus a
 * router that notes all answers in rig->said, a line each. */
#ifndef JACKDAW_TESTS_PUBSUB_RIG_H
#define JACKDAW_TESTS_PUBSUB_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../registry/private_redis.h"
#include "../service/fake_bus.h"
#include "base/clock.h"
#include "conf/conf.h"
#include "jid/jid.h"
#include "loop/loop.h"
#include "loop/timer.h"
#include "pubsub.h"
#include "xml/parser.h"

struct rig {
    struct private_redis server;
    struct loop *loop;
    struct loop_timer tick;
    struct conf *conf;
    char dir[64];
    struct daemon daemon;
    struct pubsub *pubsub;
    struct xml_frames *frames;
    struct bus_peer *router;
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
    struct arena arena = {0};
    struct stanza stanza;
    if (fake.sent[sent].msg.id == WIRE_ID_dealt) {
        fake_settle(sent, BUS_SETTLED);
        return;
    }
    assert_int_equal(stanza_decode(fake.sent[sent].msg.u.forward.stanza, &arena, &stanza), 0);
    stanza_write(&stanza, (struct span){0}, (struct span){0}, &rig->said);
    buf_append_cstr(&rig->said, "\n");
    fake_settle(sent, BUS_SETTLED);
    arena_deinit(&arena);
}

/* Until nothing is left to do. */
static inline void rig_settle(struct rig *rig)
{
    uint64_t deadline = clock_mono_ms() + 20000;
    do {
        assert_true(clock_mono_ms() < deadline);
        loop_run_once(rig->loop, 1);
        while (rig->routed < fake.sent_count) {
            rig_note(rig, rig->routed++);
        }
    } while (rig->pubsub->asks > 0 || sql_pending(rig->pubsub->sql) > 0 ||
             redis_pending(rig->pubsub->redis) > 0);
}

/* `from`, a full JID, sends an iq; nothing is waited for. */
static inline void rig_send(struct rig *rig, const char *from, const char *xml)
{
    struct arena arena = {0};
    struct buf bytes = {0};
    struct xml_limits limits = {1048576, 64};
    struct xml_top top;
    struct stanza stanza;
    struct wire_msg msg = {.id = WIRE_ID_handle};
    assert_int_equal(xml_frames_parse(rig->frames, span_cstr(xml), &limits, &top), XML_OK);
    assert_int_equal(stanza_from_xml(&top, &arena, &stanza), STANZA_FINE);
    stanza.from = span_cstr(from);
    bool is_for_another = stanza.to.len && !span_eq(stanza.to, jid_bare(stanza.from));
    stanza_encode(&stanza, &bytes);
    msg.u.handle = (struct wire_handle){.origin_sid = 1,
                                        .origin_n = ++rig->tokens,
                                        .flags = is_for_another ? WIRE_HANDLE_INBOUND : 0,
                                        .stanza = buf_span(&bytes)};
    pubsub_item(rig->pubsub, rig->router, rig->tokens, &msg);
    buf_deinit(&bytes);
    arena_deinit(&arena);
}

/* Sends, and waits until all is quiet; rig->said has what came of it. */
static inline void rig_does(struct rig *rig, const char *from, const char *xml)
{
    buf_reset(&rig->said);
    rig_send(rig, from, xml);
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

/* ---- life ---- */
static inline void rig_open(struct rig *rig)
{
    static const struct daemon_spec spec = {.name = "pubsub"};
    void *ctx = NULL;
    struct buf why = {0};
    uint64_t deadline = clock_mono_ms() + 20000;
    rig->daemon =
        (struct daemon){.spec = &spec, .loop = rig->loop, .conf = rig->conf, .name = "pubsub"};
    assert_int_equal(pubsub_open(&rig->daemon, &ctx), 0);
    rig->pubsub = ctx;
    while (!pubsub_is_ready(rig->pubsub, &why)) {
        assert_true(clock_mono_ms() < deadline);
        loop_run_once(rig->loop, 1);
    }
    buf_deinit(&why);
}

/* The instance dies with all it was at; what it sent is lost. A new one takes its place. */
static inline void rig_kill(struct rig *rig)
{
    pubsub_close(rig->pubsub);
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
    (void)snprintf(rig->dir, sizeof(rig->dir), "/tmp/jackdaw-pubsub-XXXXXX");
    assert_non_null(mkdtemp(rig->dir));
    (void)snprintf(url, sizeof(url), "sqlite:%s", rig->dir);
    setenv("JACKDAW_REDIS_URL", rig->server.url, 1);
    setenv("JACKDAW_SQL_URL", sql_url ? sql_url : url, 1);
    setenv("JACKDAW_PUBSUB_MAX_VCARD", "2048", 1);
    setenv("JACKDAW_PUBSUB_MAX_PRIVATE", "1024", 1);
    setenv("JACKDAW_PUBSUB_MAX_PRIVATE_ELEMENTS", "3", 1);
    setenv("JACKDAW_PUBSUB_RETRY_FOR", "500ms", 1);
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
    pubsub_close(rig->pubsub);
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
