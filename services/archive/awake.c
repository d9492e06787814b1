/* The registry says which sessions there are, their records which of them are available. */
#include "awake.h"

#include "base/arena.h"
#include "base/mem.h"
#include "bus/wire.h"
#include "redis/keys.h"
#include "redis/redis.h"
#include "registry/registry.h"

#define PRIORITY_ZERO 128u

struct asking {
    struct arena arena;
    uint64_t *sids;
    size_t count;
    bool has_failed;
    awake_fn *fn;
    void *arg;
};

static void on_sessions(void *arg, enum registry_status status,
                        const struct registry_session *sessions, size_t count)
{
    struct asking *asking = arg;

    asking->has_failed = status != REGISTRY_OK;
    asking->count = asking->has_failed ? 0 : count;
    asking->sids = arena_calloc(&asking->arena, asking->count + 1, sizeof(*asking->sids));
    for (size_t i = 0; i < asking->count; i++)
        asking->sids[i] = sessions[i].record.sid;
}

static bool is_bound(const struct asking *asking, uint64_t sid)
{
    for (size_t i = 0; i < asking->count; i++) {
        if (asking->sids[i] == sid)
            return true;
    }
    return false;
}

static bool takes_messages(struct asking *asking, struct span bytes)
{
    const struct wire_presence_record *record;
    struct wire_msg msg;

    if (wire_decode(bytes, &asking->arena, &msg, NULL) != 0 || msg.id != WIRE_ID_presence_record)
        return false;
    record = &msg.u.presence_record;
    return (record->flags & WIRE_PRESENCE_AVAILABLE) &&
           record->priority_plus_128 >= PRIORITY_ZERO && is_bound(asking, record->sid);
}

/* Redis answers in order: the sessions are there already. */
static void on_presence(void *arg, const struct redis_reply *reply)
{
    struct asking *asking = arg;
    enum awake awake = AWAKE_NO;

    for (size_t i = 0; i < redis_count(reply) && awake == AWAKE_NO; i++) {
        if (takes_messages(asking, redis_text(redis_at(reply, i))))
            awake = AWAKE_YES;
    }
    if (asking->has_failed || redis_failed(reply))
        awake = AWAKE_UNKNOWN;
    asking->fn(asking->arg, awake);
    arena_deinit(&asking->arena);
    mem_free(asking);
}

void awake_ask(struct redis *redis, struct span account, awake_fn *fn, void *arg)
{
    struct asking *asking = mem_calloc(1, sizeof(*asking));

    asking->fn = fn;
    asking->arg = arg;
    registry_read(redis, account, on_sessions, asking);
    redis_call(redis, on_presence, asking, SPAN("HVALS"),
               redis_key(REDIS_KEY_presence, account, (struct span){0}, &asking->arena));
}
