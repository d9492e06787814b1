/* A router with a fake bus and a fake registry, talked to in XML. Included by one test program
 * each. */
#ifndef JACKDAW_TESTS_ROUTER_FIXTURE_H
#define JACKDAW_TESTS_ROUTER_FIXTURE_H

#include "../service/fake_bus.h"

#include "base/hash.h"
#include "conf/conf.h"
#include "loop/loop.h"
#include "router.h"
#include "stanza/stanza.h"
#include "xml/ns.h"
#include "xml/parser.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define SESSIONS_MAX 64

static struct {
    struct loop *loop;
    struct conf *conf;
    struct router *router;
    struct xml_frames *frames;
    struct arena arena;
    struct bus_peer *edge1;
    struct bus_peer *edge2;
    struct bus_peer *presence;
    struct bus_peer *session;
    uint64_t next_token;
    uint64_t next_n;
    bool redis_is_up;
    bool asks_senders; /* else all clients are known to block nobody (block.h) */
    /* what Redis has */
    struct {
        const char *account;
        struct route_loaded loaded;
    } sessions[SESSIONS_MAX];
    size_t session_count;
    struct {
        const char *account;
        const char *jid;
    } blocked[8];
    size_t blocked_count;
    /* accounts being asked for */
    struct span loads[256];
    size_t load_count;
    struct span asked[256];
    size_t asked_count;
} f;

static bool source_is_up(void *ctx)
{
    (void)ctx;
    return f.redis_is_up;
}

static void source_load(void *ctx, struct span account, bool was_empty)
{
    (void)ctx;
    (void)was_empty;
    f.loads[f.load_count++] = arena_copy(&f.arena, account);
}

static void source_exists(void *ctx, struct span account)
{
    (void)ctx;
    f.asked[f.asked_count++] = arena_copy(&f.arena, account);
}

static inline void redis_has(const char *account, const char *resource, const char *holder,
                             uint64_t sid, int priority)
{
    f.sessions[f.session_count].account = account;
    f.sessions[f.session_count++].loaded = (struct route_loaded){
        .resource = span_cstr(resource),
        .holder = span_cstr(holder),
        .sid = sid,
        .epoch = 1,
        .priority = (int16_t)priority,
        .is_available = true,
    };
}

static inline void redis_lost(uint64_t sid)
{
    for (size_t i = 0; i < f.session_count; i++) {
        if (f.sessions[i].loaded.sid == sid)
            f.sessions[i].account = "";
    }
}

static inline void redis_blocks(const char *account, const char *jid)
{
    f.blocked[f.blocked_count].account = account;
    f.blocked[f.blocked_count++].jid = jid;
}

static inline void blocked_answers(struct span account)
{
    struct span jids[8];
    size_t n = 0;

    for (size_t i = 0; i < f.blocked_count; i++) {
        if (span_is(account, f.blocked[i].account))
            jids[n++] = span_cstr(f.blocked[i].jid);
    }
    route_cache_blocked(f.router->cache, account, jids, n);
}

/* Redis answers everything asked so far. Returns how many answers. */
static inline size_t redis_answers(void)
{
    size_t count = f.load_count;

    for (size_t i = 0; i < count; i++) {
        struct route_loaded found[SESSIONS_MAX];
        struct span account = f.loads[i];
        size_t n = 0;

        for (size_t j = 0; j < f.session_count; j++) {
            if (span_is(account, f.sessions[j].account))
                found[n++] = f.sessions[j].loaded;
        }
        blocked_answers(account);
        route_cache_loaded(f.router->cache, account, found, n);
    }
    memmove(f.loads, f.loads + count, (f.load_count - count) * sizeof(f.loads[0]));
    f.load_count -= count;
    return count;
}

/* One stanza as a client or service writes it (`from` in it), encoded. */
static inline struct span encoded(const char *xml)
{
    struct xml_limits limits = {262144, 64};
    struct buf text = {0};
    struct buf out = {0};
    struct xml_top top;
    struct stanza stanza;
    struct span result;
    size_t name = strcspn(xml, " />");

    buf_append(&text, xml, name);
    buf_append_cstr(&text, " xmlns='jabber:client'");
    buf_append_cstr(&text, xml + name);
    assert_int_equal(xml_frames_parse(f.frames, buf_span(&text), &limits, &top), XML_OK);
    assert_int_equal(stanza_from_xml(&top, &f.arena, &stanza), STANZA_FINE);
    stanza_encode(&stanza, &out);
    result = arena_copy(&f.arena, buf_span(&out));
    buf_deinit(&text);
    buf_deinit(&out);
    return result;
}

/* The session `sid` at `peer` sends; returns the item's token. */
static inline uint64_t client_sends(struct bus_peer *peer, uint64_t sid, const char *xml)
{
    struct wire_msg msg = {.id = WIRE_ID_route};

    if (!f.asks_senders)
        f.router->clear.sids[sid % BLOCK_CLEAR_SLOTS] = sid;
    msg.u.route =
        (struct wire_route){.origin_sid = sid, .origin_n = ++f.next_n, .stanza = encoded(xml)};
    router_item(f.router, peer, ++f.next_token, &msg);
    return f.next_token;
}

/* A service forwards to `count` recipients. */
static inline uint64_t service_sends(const char *xml, uint32_t flags, const char *const *recipients,
                                     size_t count)
{
    struct wire_msg msg = {.id = WIRE_ID_forward};
    struct span jids[64];

    for (size_t i = 0; i < count; i++)
        jids[i] = span_cstr(recipients[i]);
    msg.u.forward = (struct wire_forward){.flags = flags,
                                          .origin_sid = 99,
                                          .origin_n = ++f.next_n,
                                          .recipients = {jids, (uint32_t)count},
                                          .stanza = encoded(xml)};
    router_item(f.router, f.presence, ++f.next_token, &msg);
    return f.next_token;
}

static inline bool is_settled(uint64_t token)
{
    for (size_t i = 0; i < fake.settled_count; i++) {
        if (fake.settled[i] == token)
            return true;
    }
    return false;
}

/* The stanza of what was sent as number `i`, as XML without namespace declaration of its own. */
static inline const char *sent_xml(size_t i)
{
    const struct wire_msg *msg = &fake.sent[i].msg;
    struct span bytes = msg->id == WIRE_ID_deliver  ? msg->u.deliver.stanza
                        : msg->id == WIRE_ID_handle ? msg->u.handle.stanza
                                                    : (struct span){0};
    struct stanza stanza;
    struct buf out = {0};
    const char *text;

    assert_true(i < fake.sent_count);
    assert_int_equal(stanza_decode(bytes, &f.arena, &stanza), 0);
    stanza_write(&stanza, (struct span){0}, (struct span){0}, &out);
    text = arena_copy(&f.arena, buf_span(&out)).data;
    buf_deinit(&out);
    return text;
}

/* What was sent as number `i` is a deliver to these sessions of `holder`. */
static inline void check_deliver(size_t i, const char *holder, size_t count, ...)
{
    const struct wire_u64s *sids = &fake.sent[i].msg.u.deliver.sids;
    va_list args;

    assert_true(i < fake.sent_count);
    assert_int_equal(fake.sent[i].msg.id, WIRE_ID_deliver);
    assert_string_equal(fake.sent[i].to, holder);
    assert_int_equal(sids->count, count);
    va_start(args, count);
    for (size_t j = 0; j < count; j++) {
        uint64_t sid = (uint64_t)va_arg(args, int);
        bool found = false;

        for (size_t k = 0; k < count; k++)
            found |= sids->items[k] == sid;
        assert_true(found);
    }
    va_end(args);
}

/* It is a handle to the service of kind `kind` acting for `account`. */
static inline void check_handle(size_t i, const char *kind, const char *account, bool inbound)
{
    assert_true(i < fake.sent_count);
    assert_int_equal(fake.sent[i].msg.id, WIRE_ID_handle);
    assert_string_equal(fake.sent[i].to, kind);
    assert_true(fake.sent[i].hash == hash_span(span_cstr(account)));
    assert_int_equal(fake.sent[i].msg.u.handle.flags, inbound ? WIRE_HANDLE_INBOUND : 0);
}

/* It is an error reply with that condition to session `sid` at `holder`. */
static inline void check_error(size_t i, const char *holder, int sid, const char *condition)
{
    check_deliver(i, holder, 1, sid);
    assert_non_null(strstr(sent_xml(i), "type=\"error\""));
    assert_non_null(strstr(sent_xml(i), condition));
}

static const struct span presence_lines[] = {
    {"presence", 8},
    {"iq jabber:iq:roster own", 23},
    {"iq jabber:iq:last account", 25},
    {"feature jabber:iq:last account", 30},
};
static const struct span session_lines[] = {
    {"iq jabber:iq:register server", 28},
    {"iq jabber:iq:register own", 25},
    {"feature jabber:iq:register server", 33},
};

static inline void services_come(void)
{
    f.presence = fake_peer("presence", "presence-0");
    f.presence->lines = presence_lines;
    f.presence->line_count = 4;
    f.session = fake_peer("session", "session-0");
    f.session->lines = session_lines;
    f.session->line_count = 3;
    router_peer_up(f.router, f.presence);
    router_peer_up(f.router, f.session);
}

static inline int setup_router(void **state)
{
    struct buf error = {0};
    struct router_options options = {
        .source = {.is_up = source_is_up, .load = source_load, .exists = source_exists}};

    (void)state;
    memset(&f, 0, sizeof(f));
    fake_reset();
    f.loop = loop_new();
    f.conf = conf_load(NULL, &error);
    assert_non_null(f.conf);
    f.frames = xml_frames_new();
    f.redis_is_up = true;
    options.loop = f.loop;
    options.conf = f.conf;
    f.router = router_new(&options);
    f.edge1 = fake_peer("edge", "edge-1");
    f.edge2 = fake_peer("edge", "edge-2");
    router_peer_up(f.router, f.edge1);
    router_peer_up(f.router, f.edge2);
    buf_deinit(&error);
    return 0;
}

static inline int setup(void **state)
{
    setup_router(state);
    services_come();
    redis_has("romeo@localhost", "orchard", "edge-1", 1, 0);
    redis_has("juliet@localhost", "balcony", "edge-2", 2, 5);
    redis_has("juliet@localhost", "chamber", "edge-1", 3, 1);
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    for (size_t i = 0; i < fake.peer_count; i++) {
        fake.peers[i].is_up = false;
        if (fake.peers[i].data)
            router_peer_down(f.router, &fake.peers[i]);
    }
    router_free(f.router);
    xml_frames_free(f.frames);
    conf_free(f.conf);
    loop_free(f.loop);
    arena_deinit(&f.arena);
    fake_reset();
    return 0;
}

#endif
