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
    struct span lease; /* of a holder that may turn out to have none */
    uint64_t sid;
    uint32_t lease_ms;
    unsigned answers; /* to come */
};

static struct op *op_new(struct redis *redis, void *arg)
{
    struct op *op = mem_calloc(1, sizeof(*op));
    op->redis = redis;
    op->arg = arg;
    op->answers = 1;
    return op;
}

/* One of its answers is there; the last one frees it. */
static void op_answered(struct op *op)
{
    if (--op->answers == 0) {
        arena_deinit(&op->arena);
        mem_free(op);
    }
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
    op_answered(op);
}

void registry_read(struct redis *redis, struct span account, registry_read_fn *fn, void *arg)
{
    struct op *op = op_new(redis, arg);
    op->fn.read = fn;
    redis_call(redis, on_read, op, SPAN("HGETALL"),
               redis_key(REDIS_KEY_sessions, account, (struct span){0}, &op->arena));
}

/* ---- binding ---- */

/* The index first: a session nobody can find is worse than an index entry without a session. A
 * holder without a lease gets a generation here (its name is returned), see on_indexed. */
static const struct redis_script index_script = {
    "registry_index",
    "redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) "
    "if redis.call('HSETNX', KEYS[1], 'generation', ARGV[1]) == 1 then return ARGV[1] end "
    "return ''",
};

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

/* A lease that nobody renews, for holders that took none: they are swept after one lease time. */
static const struct redis_script orphan_script = {
    "registry_orphan",
    REGISTRY_LUA_NOW "return redis.call('ZADD', KEYS[1], 'NX', now + ARGV[2], ARGV[1])",
};

static void add_orphan(struct op *op)
{
    struct span keys[] = {
        redis_key(REDIS_KEY_leases, (struct span){0}, (struct span){0}, &op->arena)};
    struct span args[] = {op->lease, arena_printf(&op->arena, "%u", (unsigned)op->lease_ms)};
    redis_run(op->redis, &orphan_script, &(struct redis_script_args){keys, 1, args, 2}, NULL, NULL);
    LOG_WARN("holder_without_lease", "holder=%.*s", SPAN_ARG(registry_lease_holder(op->lease)));
}

static void on_indexed(void *arg, const struct redis_reply *reply)
{
    struct op *op = arg;
    if (redis_type(reply) == REDIS_STRING && !span_is_empty(redis_text(reply))) {
        add_orphan(op);
    }
    op_answered(op);
}

static void drop_index(struct op *op, struct span holder, uint64_t sid)
{
    redis_call(op->redis, NULL, NULL, SPAN("HDEL"), registry_index_key(holder, &op->arena),
               registry_sid(sid, &op->arena));
}

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
            drop_index(op, old.holder, old.sid);
        }
    }
    /* When Redis is down it may have been bound all the same: the index stays for the sweep. */
    if (status != REGISTRY_OK && status != REGISTRY_DOWN) {
        drop_index(op, registry_lease_holder(op->lease), op->sid);
    }
    op->fn.bind(op->arg, status, replaced);
    op_answered(op);
}

static void send_index(struct op *op, const struct registry_bind *bind)
{
    struct span keys[] = {registry_index_key(bind->record.holder, &op->arena)};
    struct span args[] = {
        registry_sid(bind->record.sid, &op->arena),
        arena_printf(&op->arena, "%.*s/%.*s", SPAN_ARG(bind->account), SPAN_ARG(bind->resource))};
    op->lease =
        arena_printf(&op->arena, "%.*s %.*s", SPAN_ARG(bind->record.holder), SPAN_ARG(args[0]));
    op->answers++;
    redis_run(op->redis, &index_script, &(struct redis_script_args){keys, 1, args, 2}, on_indexed,
              op);
}

void registry_bind(struct redis *redis, const struct registry_bind *bind, registry_bind_fn *fn,
                   void *arg)
{
    struct op *op = op_new(redis, arg);
    struct buf record = {0};
    struct wire_msg msg = {.id = WIRE_ID_session_record, .u.session_record = bind->record};
    op->fn.bind = fn;
    op->sid = bind->record.sid;
    op->lease_ms = bind->lease_ms;
    wire_encode(&msg, &record);
    send_index(op, bind);
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

/* The sid is the first field of a record: bytes 9 to 16, counted as Lua does. What presence has
 * stored for the session goes with it. */
static const struct redis_script unbind_script = {
    "registry_unbind",
    "local p = redis.call('HGET', KEYS[2], ARGV[1]) "
    "if p and string.sub(p, 9, 16) == ARGV[2] then redis.call('HDEL', KEYS[2], ARGV[1]) end "
    "local v = redis.call('HGET', KEYS[1], ARGV[1]) "
    "if v and string.sub(v, 9, 16) == ARGV[2] then "
    "return redis.call('HDEL', KEYS[1], ARGV[1]) end "
    "return 0",
};

static void on_done(void *arg, const struct redis_reply *reply)
{
    struct op *op = arg;
    enum registry_status status = is_down(reply, "write") ? REGISTRY_DOWN : REGISTRY_OK;
    if (op->fn.done) {
        op->fn.done(op->arg, status);
    }
    op_answered(op);
}

void registry_unbind(struct redis *redis, struct span full_jid, uint64_t sid, struct span holder,
                     registry_done_fn *fn, void *arg)
{
    struct op *op = op_new(redis, arg);
    op->fn.done = fn;
    struct span account = registry_bare(full_jid);
    struct span keys[] = {
        redis_key(REDIS_KEY_sessions, account, (struct span){0}, &op->arena),
        redis_key(REDIS_KEY_presence, account, (struct span){0}, &op->arena),
    };
    struct span args[] = {registry_resource(full_jid), registry_sid_bytes(sid, &op->arena)};
    redis_run(redis, &unbind_script, &(struct redis_script_args){keys, 2, args, 2}, NULL, NULL);
    redis_call(redis, on_done, op, SPAN("HDEL"), registry_index_key(holder, &op->arena),
               registry_sid(sid, &op->arena));
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
