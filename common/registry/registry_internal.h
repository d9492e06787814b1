/* Shared inside registry: records, keys and small pieces of Lua. */
#ifndef JACKDAW_REGISTRY_REGISTRY_INTERNAL_H
#define JACKDAW_REGISTRY_REGISTRY_INTERNAL_H

#include "base/arena.h"
#include "redis/redis.h"
#include "registry/registry.h"

/* Redis' own clock in milliseconds: the only one that all daemons share. */
#define REGISTRY_LUA_NOW                                                                           \
    "local t = redis.call('TIME') local now = t[1] * 1000 + math.floor(t[2] / 1000) "

/* The field of an index that names the holder's generation; all others are session ids. */
#define REGISTRY_GENERATION SPAN("generation")

#define REGISTRY_SID_SIZE 16 /* hexadecimal digits */

/* How a session id is written in an index, in `arena`. */
struct span registry_sid(uint64_t sid, struct arena *arena);
/* 0, or -1 for anything else than 16 digits. */
int registry_sid_parse(struct span text, uint64_t *sid_out);
/* The sid as it stands in an encoded record: bytes 8 to 15, behind id, version and length
 * (wire.def: it is the first field of session_record). */
struct span registry_sid_bytes(uint64_t sid, struct arena *arena);
int registry_record_decode(struct span bytes, struct arena *arena,
                           struct wire_session_record *record_out);
/* Bare JID and resource of a full JID: all in it up to and behind the first slash. */
struct span registry_bare(struct span full_jid);
struct span registry_resource(struct span full_jid);
/* "instance generation" taken apart at the last space. */
struct span registry_lease_holder(struct span member);
struct span registry_lease_generation(struct span member);
/* jd:e:{holder} and jd:e:{holder}:generation of a lease. */
struct span registry_index_key(struct span holder, struct arena *arena);
struct span registry_left_key(struct span member, struct arena *arena);

/* index.c */
struct registry_indexed {
    struct span account;
    struct span resource;
    struct span holder;
    uint64_t sid;
    uint32_t lease_ms; /* for a holder that has no lease */
};
void registry_index_add(struct redis *redis, const struct registry_indexed *indexed);
void registry_index_drop(struct redis *redis, struct span holder, uint64_t sid);

#endif
