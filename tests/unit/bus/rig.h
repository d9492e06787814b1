/* What the tests of the bus share: buses on one loop that write down what happens to them. */
#ifndef JACKDAW_TESTS_UNIT_BUS_RIG_H
#define JACKDAW_TESTS_UNIT_BUS_RIG_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "bus/bus_internal.h"
#include "loop/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define RIG_WAIT_MS 10000

struct rig_node {
    struct bus *bus;
    const char *name;
    struct buf story; /* "up edge-1\n", "item edge-1 5\n", ... */
    bool holds;       /* items are kept in `held` instead of being settled */
    struct {
        struct bus_peer *peer;
        uint64_t token;
        uint64_t n;
    } held[256];
    size_t held_count;
    size_t items;
    uint64_t last_n; /* origin_n of the last item */
    bool unordered;  /* an item did not follow the one before it */
    size_t ups;
    size_t downs;
    size_t settled;
    size_t lost;
    size_t notices;
    size_t gaps;
    struct bus_call *call; /* kept unanswered when keeps_calls */
    bool keeps_calls;
    size_t calls;
    void (*on_item)(struct rig_node *node, struct bus_peer *peer, uint64_t token);
};

static struct loop *rig_loop;
static struct loop_timer rig_tick;
static char rig_dir[64];

static inline void rig_on_tick(void *arg)
{
    (void)arg;
}

static inline int rig_setup(void **state)
{
    (void)state;
    snprintf(rig_dir, sizeof rig_dir, "/tmp/jd-bus-XXXXXX");
    if (!mkdtemp(rig_dir))
        return -1;
    rig_loop = loop_new();
    loop_timer_init(&rig_tick, rig_loop, rig_on_tick, NULL);
    loop_timer_start(&rig_tick, 1, 1);
    return 0;
}

static inline int rig_teardown(void **state)
{
    char command[128];

    (void)state;
    loop_timer_stop(&rig_tick);
    loop_free(rig_loop);
    snprintf(command, sizeof command, "rm -rf %s", rig_dir);
    return system(command) == 0 ? 0 : -1;
}

/* An address in the test's folder; the text is good for the test. */
static inline const char *rig_address(const char *name)
{
    static char texts[16][128];
    static unsigned next;
    char *text = texts[next++ % 16];

    snprintf(text, sizeof texts[0], "ipc://%s/%s", rig_dir, name);
    return text;
}

static inline void rig_peer_up(void *ctx, struct bus_peer *peer)
{
    struct rig_node *node = ctx;

    node->ups++;
    buf_printf(&node->story, "up %s\n", bus_peer_instance(peer));
}

static inline void rig_peer_down(void *ctx, struct bus_peer *peer)
{
    struct rig_node *node = ctx;

    node->downs++;
    buf_printf(&node->story, "down %s\n", bus_peer_instance(peer));
}

static inline void rig_item(void *ctx, struct bus_peer *peer, uint64_t token,
                            const struct wire_msg *msg)
{
    struct rig_node *node = ctx;

    node->items++;
    if (msg->u.route.origin_n != node->last_n + 1)
        node->unordered = true;
    node->last_n = msg->u.route.origin_n;
    if (node->on_item) {
        node->on_item(node, peer, token);
        return;
    }
    if (!node->holds) {
        bus_settle(peer, token);
        return;
    }
    assert_true(node->held_count < 256);
    node->held[node->held_count].peer = peer;
    node->held[node->held_count].n = node->last_n;
    node->held[node->held_count++].token = token;
}

static inline void rig_answer(struct bus_call *call, const char *text)
{
    struct wire_msg reply = {.id = WIRE_ID_result};

    reply.u.result.text = span_cstr(text);
    bus_reply(call, &reply);
}

static inline void rig_call(void *ctx, struct bus_call *call, const struct wire_msg *msg)
{
    struct rig_node *node = ctx;

    (void)msg;
    node->calls++;
    if (node->keeps_calls)
        node->call = call;
    else
        rig_answer(call, node->name);
}

static inline void rig_notice(void *ctx, const struct wire_msg *msg)
{
    struct rig_node *node = ctx;

    node->notices++;
    buf_printf(&node->story, "notice %.*s\n", SPAN_ARG(msg->u.account_removed.account));
}

static inline void rig_notice_gap(void *ctx)
{
    struct rig_node *node = ctx;

    node->gaps++;
    buf_printf(&node->story, "gap\n");
}

static inline struct bus_options rig_options(struct rig_node *node, const char *kind,
                                             const char *name)
{
    node->name = name;
    return (struct bus_options){
        .loop = rig_loop,
        .kind = kind,
        .instance = name,
        .linger_ms = 1,
        .peer_grace_ms = 1500,
        .resend_ms = 200,
        .handlers = {rig_peer_up, rig_peer_down, rig_item, rig_call, rig_notice, rig_notice_gap},
        .ctx = node,
    };
}

static inline void rig_open(struct rig_node *node, const struct bus_options *options)
{
    char error[256] = "";

    node->bus = bus_new(options, error, sizeof error);
    if (!node->bus)
        fail_msg("bus_new: %s", error);
}

static inline void rig_listen(struct rig_node *node, const char *kind, const char *name,
                              const char *address)
{
    struct bus_options options = rig_options(node, kind, name);

    options.listen = address;
    rig_open(node, &options);
}

static inline void rig_dial(struct rig_node *node, const char *kind, const char *name,
                            const char *address)
{
    struct bus_options options = rig_options(node, kind, name);

    options.dial = &address;
    options.dial_count = 1;
    rig_open(node, &options);
}

static inline void rig_close(struct rig_node *node)
{
    bus_free(node->bus);
    node->bus = NULL;
    buf_deinit(&node->story);
}

/* Runs the loop until `condition` holds; fails after RIG_WAIT_MS. */
#define RIG_UNTIL(condition)                                                                       \
    do {                                                                                           \
        uint64_t rig_end = clock_mono_ms() + RIG_WAIT_MS;                                          \
        while (!(condition)) {                                                                     \
            if (clock_mono_ms() > rig_end)                                                         \
                fail_msg("not within %d ms: %s", RIG_WAIT_MS, #condition);                         \
            loop_run_once(rig_loop, 1);                                                            \
        }                                                                                          \
    } while (0)

static inline void rig_run_ms(uint64_t ms)
{
    uint64_t end = clock_mono_ms() + ms;

    while (clock_mono_ms() < end)
        loop_run_once(rig_loop, 1);
}

static inline void rig_on_settled(void *arg, enum bus_outcome outcome)
{
    struct rig_node *node = arg;

    if (outcome == BUS_SETTLED)
        node->settled++;
    else
        node->lost++;
}

static inline struct wire_msg rig_route(uint64_t n)
{
    struct wire_msg msg = {.id = WIRE_ID_route};

    msg.u.route.origin_sid = 7;
    msg.u.route.origin_n = n;
    msg.u.route.stanza = SPAN("<message/>");
    return msg;
}

static inline int rig_send_to(struct rig_node *node, struct bus_peer *peer, uint64_t n)
{
    struct wire_msg msg = rig_route(n);

    return bus_send_to(peer, &msg, rig_on_settled, node);
}

static inline int rig_send(struct rig_node *node, const char *kind, uint64_t hash, uint64_t n)
{
    struct wire_msg msg = rig_route(n);

    return bus_send(node->bus, kind, hash, &msg, rig_on_settled, node);
}

static inline struct bus_peer *rig_peer(struct rig_node *node, const char *name)
{
    return bus_find(node->bus, span_cstr(name));
}

/* A break of the connection that neither end wanted. */
static inline void rig_break(struct rig_node *node, const char *name)
{
    struct bus_peer *peer = rig_peer(node, name);

    if (peer && peer->pipe)
        port_close_pipe(peer->port, peer->pipe);
}

#endif
