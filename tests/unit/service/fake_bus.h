/* A bus without wires for tests of what stands on it: records what is sent, settles when told.
 * Included once per test program; takes the place of bus.c at link time. */
#ifndef JACKDAW_TESTS_FAKE_BUS_H
#define JACKDAW_TESTS_FAKE_BUS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"
#include "bus/bus.h"

#include <stdlib.h>
#include <string.h>

#define FAKE_MAX 4096

struct bus_peer {
    char kind[32];
    char instance[64];
    const struct span *lines;
    size_t line_count;
    void *data;
    bool is_up;
};

struct fake_sent {
    char to[64]; /* instance or kind */
    uint64_t hash;
    struct wire_msg msg; /* decoded from its own copy */
    struct buf bytes;
    bus_settled_fn *settled;
    void *arg;
    bool is_settled;
};

struct fake_call {
    struct buf bytes;
    struct wire_msg msg;
    bus_reply_fn *reply;
    void *arg;
    bool is_answered;
};

static struct {
    struct arena arena;
    struct bus_peer peers[16];
    size_t peer_count;
    struct fake_sent sent[FAKE_MAX];
    size_t sent_count;
    struct fake_call calls[64];
    size_t call_count;
    uint64_t settled[FAKE_MAX]; /* tokens, in order */
    size_t settled_count;
    bool is_full;
} fake;

static inline struct bus_peer *fake_peer(const char *kind, const char *instance)
{
    struct bus_peer *peer = &fake.peers[fake.peer_count++];

    memset(peer, 0, sizeof(*peer));
    memcpy(peer->kind, kind, strlen(kind) + 1);
    memcpy(peer->instance, instance, strlen(instance) + 1);
    peer->is_up = true;
    return peer;
}

static inline void fake_reset(void)
{
    for (size_t i = 0; i < fake.sent_count; i++)
        buf_deinit(&fake.sent[i].bytes);
    for (size_t i = 0; i < fake.call_count; i++)
        buf_deinit(&fake.calls[i].bytes);
    arena_deinit(&fake.arena);
    memset(&fake, 0, sizeof(fake));
}

static inline int fake_record(const char *to, const struct wire_msg *msg, bus_settled_fn *settled,
                              void *arg)
{
    struct fake_sent *sent = &fake.sent[fake.sent_count];

    if (fake.is_full)
        return -1;
    if (fake.sent_count == FAKE_MAX)
        abort();
    fake.sent_count++;
    memset(sent, 0, sizeof(*sent));
    memcpy(sent->to, to, strlen(to) + 1);
    wire_encode(msg, &sent->bytes);
    if (wire_decode(buf_span(&sent->bytes), &fake.arena, &sent->msg, NULL) != 0)
        abort();
    sent->settled = settled;
    sent->arg = arg;
    return 0;
}

/* Settles what was sent as number `i`. */
static inline void fake_settle(size_t i, enum bus_outcome outcome)
{
    struct fake_sent *sent = &fake.sent[i];

    if (i >= fake.sent_count || sent->is_settled)
        abort();
    sent->is_settled = true;
    if (sent->settled)
        sent->settled(sent->arg, outcome);
}

static inline void fake_settle_all(void)
{
    for (size_t i = 0; i < fake.sent_count; i++) {
        if (!fake.sent[i].is_settled)
            fake_settle(i, BUS_SETTLED);
    }
}

int bus_send_to(struct bus_peer *peer, const struct wire_msg *msg, bus_settled_fn *settled,
                void *arg)
{
    return fake_record(peer->instance, msg, settled, arg);
}

int bus_send(struct bus *bus, const char *kind, uint64_t hash, const struct wire_msg *msg,
             bus_settled_fn *settled, void *arg)
{
    int result = fake_record(kind, msg, settled, arg);

    (void)bus;
    if (result == 0)
        fake.sent[fake.sent_count - 1].hash = hash;
    return result;
}

void bus_settle(struct bus_peer *peer, uint64_t token)
{
    if (!peer->is_up || fake.settled_count == FAKE_MAX)
        abort();
    fake.settled[fake.settled_count++] = token;
}

uint64_t bus_call(struct bus *bus, const char *kind, uint64_t hash, const struct wire_msg *request,
                  uint32_t deadline_ms, bus_reply_fn *reply, void *arg)
{
    struct fake_call *call = &fake.calls[fake.call_count++];

    (void)bus;
    (void)kind;
    (void)hash;
    (void)deadline_ms;
    wire_encode(request, &call->bytes);
    if (wire_decode(buf_span(&call->bytes), &fake.arena, &call->msg, NULL) != 0)
        abort();
    call->reply = reply;
    call->arg = arg;
    return fake.call_count;
}

void bus_call_cancel(struct bus *bus, uint64_t handle)
{
    (void)bus;
    (void)handle;
}

const char *bus_peer_kind(const struct bus_peer *peer)
{
    return peer->kind;
}

const char *bus_peer_instance(const struct bus_peer *peer)
{
    return peer->instance;
}

size_t bus_peer_announced(const struct bus_peer *peer, const struct span **lines_out)
{
    *lines_out = peer->lines;
    return peer->line_count;
}

void bus_peer_set_data(struct bus_peer *peer, void *data)
{
    peer->data = data;
}

void *bus_peer_data(const struct bus_peer *peer)
{
    return peer->data;
}

struct bus_peer *bus_find(struct bus *bus, struct span instance)
{
    (void)bus;
    for (size_t i = 0; i < fake.peer_count; i++) {
        if (fake.peers[i].is_up && span_is(instance, fake.peers[i].instance))
            return &fake.peers[i];
    }
    return NULL;
}

bool bus_has_peer(struct bus *bus, const char *kind)
{
    (void)bus;
    for (size_t i = 0; i < fake.peer_count; i++) {
        if (fake.peers[i].is_up && strcmp(kind, fake.peers[i].kind) == 0)
            return true;
    }
    return false;
}

#endif
