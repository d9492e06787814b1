/* Reading, binding and unbinding. */
#include "registry/registry.h"

#include "base/log.h"
#include "base/mem.h"
#include "redis/keys.h"
#include "registry/registry_internal.h"

/* One operation under way. */
struct op {
    struct redis *redis;
    union {
        registry_read_fn *read;
        registry_bind_fn *bind;
        registry_done_fn *done;
    } fn;
    void *arg;
    struct arena arena;
    struct span holder; /* that is being bound for */
    uint64_t sid;
};

static struct op *op_new(struct redis *redis, void *arg)
{
    struct op *op = mem_calloc(1, sizeof(*op));
    op->redis = redis;
    op->arg = arg;
    return op;
}

static void op_free(struct op *op)
{
    arena_deinit(&op->arena);
    mem_free(op);
}

static bool is_down(const struct redis_reply *reply, const char *what)
{
    if (redis_type(reply) == REDIS_ERROR) {
        LOG_ERROR("registry_error", "what=%s text=%.*s", what, SPAN_ARG(redis_text(reply)));
    }
    return redis_failed(reply);
}

/* ---- reading ---- */

static void on_read(void *arg, const struct redis_reply *reply)
{
    struct op *op = arg;
    size_t fields = redis_count(reply) / 2;
    size_t count = 0;
    struct registry_session *sessions = arena_calloc(&op->arena, fields + 1, sizeof(*sessions));
    for (size_t i = 0; i < fields; i++) {
        sessions[count].resource = redis_text(redis_at(reply, 2 * i));
        if (registry_record_decode(redis_text(redis_at(reply, 2 * i + 1)), &op->arena,
                                   &sessions[count].record) == 0) {
            count++;
        } else {
            LOG_ERROR("registry_bad_record", "resource=%.*s", SPAN_ARG(sessions[count].resource));
        }
    }
    op->fn.read(op->arg, is_down(reply, "read") ? REGISTRY_DOWN : REGISTRY_OK, sessions, count);
    op_free(op);
}

void registry_read(struct redis *redis, struct span account, registry_read_fn *fn, void *arg)
{
    struct op *op = op_new(redis, arg);
    op->fn.read = fn;
    redis_call(redis, on_read, op, SPAN("HGETALL"),
               redis_key(REDIS_KEY_sessions, account, (struct span){0}, &op->arena));
}

/* ---- binding ---- */

/* What became of the request, in the order of enum registry_status. */
static const struct redis_script bind_script = {
    "registry_bind",
    "if redis.call('EXISTS', KEYS[2]) == 1 then return {4, ''} end "
    "local old = redis.call('HGET', KEYS[1], ARGV[1]) "
    "if old and ARGV[3] == 'refuse' then return {2, ''} end "
    "if not old and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[4]) then return {3, ''} end "
    "redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) "
    "return {0, old or ''}",
};

_Static_assert(REGISTRY_OK == 0 && REGISTRY_CONFLICT == 2 && REGISTRY_FULL == 3 &&
                   REGISTRY_GONE == 4,
               "bind_script answers with these numbers");

static void on_bound(void *arg, const struct redis_reply *reply)
{
    struct op *op = arg;
    struct wire_session_record old;
    const struct wire_session_record *replaced = NULL;
    enum registry_status status = REGISTRY_DOWN;
    if (!is_down(reply, "bind") && redis_count(reply) == 2) {
        status = (enum registry_status)redis_integer(redis_at(reply, 0));
        struct span bytes = redis_text(redis_at(reply, 1));
        if (!span_is_empty(bytes) && registry_record_decode(bytes, &op->arena, &old) == 0) {
            replaced = &old;
            registry_index_drop(op->redis, old.holder, old.sid);
        }
    }
    /* When Redis is down it may have been bound all the same: the index stays for the sweep. */
    if (status != REGISTRY_OK && status != REGISTRY_DOWN) {
        registry_index_drop(op->redis, op->holder, op->sid);
    }
    op->fn.bind(op->arg, status, replaced);
    op_free(op);
}

void registry_bind(struct redis *redis, const struct registry_bind *bind, registry_bind_fn *fn,
                   void *arg)
{
    struct op *op = op_new(redis, arg);
    struct buf record = {0};
    struct wire_msg msg = {.id = WIRE_ID_session_record, .u.session_record = bind->record};
    op->fn.bind = fn;
    op->sid = bind->record.sid;
    op->holder = arena_copy(&op->arena, bind->record.holder);
    wire_encode(&msg, &record);
    /* The index first: a session nobody can find is worse than an index entry without a session. */
    registry_index_add(redis, &(struct registry_indexed){
                                  .account = bind->account,
                                  .resource = bind->resource,
                                  .holder = bind->record.holder,
                                  .sid = bind->record.sid,
                                  .lease_ms = bind->lease_ms,
                              });
    struct span keys[] = {
        redis_key(REDIS_KEY_sessions, bind->account, (struct span){0}, &op->arena),
        redis_key(REDIS_KEY_closed, bind->account, (struct span){0}, &op->arena)};
    struct span args[] = {bind->resource, buf_span(&record),
                          bind->conflict == REGISTRY_REFUSE ? SPAN("refuse") : SPAN("replace"),
                          arena_printf(&op->arena, "%u", (unsigned)bind->max_sessions)};
    redis_run(redis, &bind_script, &(struct redis_script_args){keys, 2, args, 4}, on_bound, op);
    buf_deinit(&record);
}

/* ---- unbinding ---- */

/* The sid is the first field of a record: bytes 9 to 16, counted as Lua does; the holder's length
 * and name are from byte 25 on. A session that has moved to another holder is not touched. What
 * presence has stored for the session and its resume queue go with it. */
static const struct redis_script unbind_script = {
    "registry_unbind",
    "local v = redis.call('HGET', KEYS[1], ARGV[1]) "
    "local mine = v and string.sub(v, 9, 16) == ARGV[2] "
    "if mine and string.sub(v, 25, 24 + #ARGV[3]) ~= ARGV[3] then return 0 end "
    "local p = redis.call('HGET', KEYS[2], ARGV[1]) "
    "if p and string.sub(p, 9, 16) == ARGV[2] then redis.call('HDEL', KEYS[2], ARGV[1]) end "
    "redis.call('DEL', KEYS[3]) "
    "return mine and redis.call('HDEL', KEYS[1], ARGV[1]) or 0",
};

static void on_done(void *arg, const struct redis_reply *reply)
{
    struct op *op = arg;
    enum registry_status status = is_down(reply, "write") ? REGISTRY_DOWN : REGISTRY_OK;
    if (op->fn.done) {
        op->fn.done(op->arg, status);
    }
    op_free(op);
}

void registry_unbind(struct redis *redis, const struct registry_held *held, registry_done_fn *fn,
                     void *arg)
{
    struct op *op = op_new(redis, arg);
    struct buf holder = {0};
    op->fn.done = fn;
    buf_append_u32(&holder, (uint32_t)held->holder.len);
    buf_append_span(&holder, held->holder);
    struct span account = registry_bare(held->jid);
    struct span keys[] = {
        redis_key(REDIS_KEY_sessions, account, (struct span){0}, &op->arena),
        redis_key(REDIS_KEY_presence, account, (struct span){0}, &op->arena),
        registry_queue_key(account, held->sid, held->epoch, &op->arena),
    };
    struct span args[] = {registry_resource(held->jid), registry_sid_bytes(held->sid, &op->arena),
                          buf_span(&holder)};
    redis_run(redis, &unbind_script, &(struct redis_script_args){keys, 3, args, 3}, NULL, NULL);
    redis_call(redis, on_done, op, SPAN("HDEL"), registry_index_key(held->holder, &op->arena),
               registry_sid(held->sid, &op->arena));
    buf_deinit(&holder);
}

void registry_close(struct redis *redis, struct span account, uint32_t ttl_ms, registry_done_fn *fn,
                    void *arg)
{
    struct op *op = op_new(redis, arg);
    op->fn.done = fn;
    redis_call(redis, on_done, op, SPAN("SET"),
               redis_key(REDIS_KEY_closed, account, (struct span){0}, &op->arena), SPAN("1"),
               SPAN("PX"), arena_printf(&op->arena, "%u", (unsigned)ttl_ms));
}

void registry_reopen(struct redis *redis, struct span account)
{
    struct arena arena = {0};
    redis_call(redis, NULL, NULL, SPAN("DEL"),
               redis_key(REDIS_KEY_closed, account, (struct span){0}, &arena));
    arena_deinit(&arena);
}
