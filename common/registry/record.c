/* What is stored, and the names it is stored under. */
#include "registry/registry_internal.h"

#include "base/buf.h"
#include "redis/keys.h"

#include <inttypes.h>

struct span registry_sid(uint64_t sid, struct arena *arena)
{
    return arena_printf(arena, "%016" PRIx64, sid);
}

int registry_sid_parse(struct span text, uint64_t *sid_out)
{
    uint64_t sid = 0;
    if (text.len != REGISTRY_SID_SIZE) {
        return -1;
    }
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit < 0) {
            return -1;
        }
        sid = sid << 4 | (uint64_t)digit;
    }
    *sid_out = sid;
    return 0;
}

struct span registry_sid_bytes(uint64_t sid, struct arena *arena)
{
    struct buf bytes = {0};
    buf_append_u64(&bytes, sid);
    struct span copy = arena_copy(arena, buf_span(&bytes));
    buf_deinit(&bytes);
    return copy;
}

int registry_record_decode(struct span bytes, struct arena *arena,
                           struct wire_session_record *record_out)
{
    struct wire_msg msg;
    if (wire_decode(bytes, arena, &msg, NULL) != 0 || msg.id != WIRE_ID_session_record) {
        return -1;
    }
    *record_out = msg.u.session_record;
    return 0;
}

struct span registry_bare(struct span full_jid)
{
    return span_head(full_jid, span_find(full_jid, '/'));
}

struct span registry_resource(struct span full_jid)
{
    return span_from(full_jid, span_find(full_jid, '/') + 1);
}

static size_t last_space(struct span member)
{
    size_t at = member.len;
    while (at > 0 && member.data[at - 1] != ' ') {
        at--;
    }
    return at ? at - 1 : member.len;
}

struct span registry_lease_holder(struct span member)
{
    return span_head(member, last_space(member));
}

struct span registry_lease_generation(struct span member)
{
    return span_from(member, last_space(member) + 1);
}

struct span registry_index_key(struct span holder, struct arena *arena)
{
    return redis_key(REDIS_KEY_holder, holder, (struct span){0}, arena);
}

struct span registry_left_key(struct span member, struct arena *arena)
{
    return redis_key(REDIS_KEY_left, registry_lease_holder(member),
                     registry_lease_generation(member), arena);
}

struct span registry_queue_key(struct span account, uint64_t sid, uint64_t epoch,
                               struct arena *arena)
{
    struct span rest = arena_printf(arena, "%016" PRIx64 ":%" PRIu64, sid, epoch);
    return redis_key(REDIS_KEY_queue, account, rest, arena);
}
