/* Read, change, compare and set; again when somebody was faster. */
#include "registry/change.h"

#include "base/log.h"
#include "base/mem.h"
#include "redis/keys.h"
#include "registry/registry_internal.h"

#define TRIES_MAX 8

struct changing {
    struct redis *redis;
    struct registry_change change; /* its spans in `arena` */
    registry_change_fn *fn;
    void *arg;
    struct arena arena;
    struct registry_session now;
    struct wire_session_record before;
    struct span old; /* the record's bytes */
    unsigned tries;
    bool was_indexed;
};

/* The queue may be missing: a session without one can be moved too. */
static const struct redis_script swap_script = {
    "registry_swap",
    "if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end "
    "redis.call('HSET', KEYS[1], ARGV[1], ARGV[3]) "
    "if KEYS[2] ~= KEYS[3] and redis.call('EXISTS', KEYS[2]) == 1 then "
    "redis.call('RENAME', KEYS[2], KEYS[3]) end "
    "return 1",
};

static void try_once(struct changing *changing);

/* Somebody else has it: the index must not say otherwise. */
static void take_back(struct changing *changing, bool has_now)
{
    struct span holder = changing->change.holder;
    if (changing->was_indexed && !(has_now && span_eq(changing->now.record.holder, holder))) {
        registry_index_drop(changing->redis, holder, changing->change.sid);
    }
}

static void finish(struct changing *changing, enum registry_status status)
{
    bool has_now = status == REGISTRY_OK || status == REGISTRY_CONFLICT;
    bool has_before = status == REGISTRY_OK;
    if (status != REGISTRY_OK && status != REGISTRY_DOWN) {
        take_back(changing, has_now);
    }
    changing->fn(changing->arg, status, has_now ? &changing->now : NULL,
                 has_before ? &changing->before : NULL);
    arena_deinit(&changing->arena);
    mem_free(changing);
}

static bool is_down(const struct redis_reply *reply)
{
    if (redis_type(reply) == REDIS_ERROR) {
        LOG_ERROR("registry_error", "what=change text=%.*s", SPAN_ARG(redis_text(reply)));
    }
    return redis_failed(reply);
}

static bool is_takeover(const struct changing *changing)
{
    return !span_is_empty(changing->change.holder);
}

static void on_swapped(void *arg, const struct redis_reply *reply)
{
    struct changing *changing = arg;
    if (is_down(reply)) {
        finish(changing, REGISTRY_DOWN);
    } else if (redis_integer(reply) == 0) {
        try_once(changing);
    } else {
        if (is_takeover(changing) &&
            !span_eq(changing->before.holder, changing->now.record.holder)) {
            registry_index_drop(changing->redis, changing->before.holder, changing->change.sid);
        }
        finish(changing, REGISTRY_OK);
    }
}

/* What the record becomes. */
static void apply(struct changing *changing)
{
    const struct registry_change *change = &changing->change;
    struct wire_session_record *record = &changing->now.record;
    record->changes++;
    record->flags = (record->flags & ~change->clear) | change->set;
    if (change->sets_resume) {
        record->resume_s = change->resume_s;
    }
    if (!is_takeover(changing)) {
        return;
    }
    record->epoch++;
    record->holder = change->holder;
    if (change->detached_ms == 0 || record->detached_ms == 0) {
        record->detached_ms = change->detached_ms;
    }
    if (!span_is_empty(change->address)) {
        record->address = change->address;
        record->transport = change->transport;
    }
}

static void swap(struct changing *changing)
{
    const struct registry_change *change = &changing->change;
    struct arena *arena = &changing->arena;
    struct wire_msg msg = {.id = WIRE_ID_session_record};
    struct buf record = {0};
    apply(changing);
    msg.u.session_record = changing->now.record;
    wire_encode(&msg, &record);
    if (is_takeover(changing)) {
        changing->was_indexed = true;
        registry_index_add(changing->redis, &(struct registry_indexed){
                                                .account = change->account,
                                                .resource = changing->now.resource,
                                                .holder = change->holder,
                                                .sid = change->sid,
                                                .lease_ms = change->lease_ms,
                                            });
    }
    struct span keys[] = {
        redis_key(REDIS_KEY_sessions, change->account, (struct span){0}, arena),
        registry_queue_key(change->account, change->sid, changing->before.epoch, arena),
        registry_queue_key(change->account, change->sid, changing->now.record.epoch, arena),
    };
    struct span args[] = {changing->now.resource, changing->old, buf_span(&record)};
    redis_run(changing->redis, &swap_script, &(struct redis_script_args){keys, 3, args, 3},
              on_swapped, changing);
    buf_deinit(&record);
}

/* Finds the session among those of its account. */
static bool find(struct changing *changing, const struct redis_reply *reply)
{
    for (size_t i = 0; i + 1 < redis_count(reply); i += 2) {
        changing->now.resource = arena_copy(&changing->arena, redis_text(redis_at(reply, i)));
        changing->old = arena_copy(&changing->arena, redis_text(redis_at(reply, i + 1)));
        if (registry_record_decode(changing->old, &changing->arena, &changing->now.record) == 0 &&
            changing->now.record.sid == changing->change.sid) {
            return true;
        }
    }
    return false;
}

static bool has_what_is_needed(const struct changing *changing)
{
    const struct registry_change *change = &changing->change;
    const struct wire_session_record *record = &changing->now.record;
    return (record->flags & change->need) == change->need &&
           (!change->needs_resume || record->resume_s > 0);
}

static bool has_moved(const struct changing *changing)
{
    const struct registry_change *change = &changing->change;
    const struct wire_session_record *record = &changing->now.record;
    return (change->epoch != 0 && change->epoch != record->epoch) ||
           (!span_is_empty(change->from) && !span_eq(change->from, record->holder));
}

static void on_read(void *arg, const struct redis_reply *reply)
{
    struct changing *changing = arg;
    if (is_down(reply)) {
        finish(changing, REGISTRY_DOWN);
    } else if (!find(changing, reply) || !has_what_is_needed(changing)) {
        finish(changing, REGISTRY_GONE);
    } else if (has_moved(changing)) {
        finish(changing, REGISTRY_CONFLICT);
    } else {
        changing->before = changing->now.record;
        swap(changing);
    }
}

static void try_once(struct changing *changing)
{
    if (changing->tries++ == TRIES_MAX) {
        finish(changing, REGISTRY_DOWN);
        return;
    }
    redis_call(changing->redis, on_read, changing, SPAN("HGETALL"),
               redis_key(REDIS_KEY_sessions, changing->change.account, (struct span){0},
                         &changing->arena));
}

void registry_change(struct redis *redis, const struct registry_change *change,
                     registry_change_fn *fn, void *arg)
{
    struct changing *changing = mem_calloc(1, sizeof(*changing));
    changing->redis = redis;
    changing->fn = fn;
    changing->arg = arg;
    changing->change = *change;
    struct span *const texts[] = {&changing->change.account, &changing->change.from,
                                  &changing->change.holder, &changing->change.address,
                                  &changing->change.transport};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        *texts[i] = arena_copy(&changing->arena, *texts[i]);
    }
    try_once(changing);
}
