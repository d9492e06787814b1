/* Reading and writing presence records. */
#include "state.h"

#include "base/assert.h"
#include "base/buf.h"
#include "base/log.h"
#include "bus/wire.h"
#include "jid/jid.h"
#include "presence.h"
#include "redis/keys.h"
#include "registry/registry.h"

_Static_assert(WIRE_PRESENCE_AVAILABLE == 1u, "state_is_available tests this bit");

/* A read under way: records come first, then the sessions they are joined with. */
struct reading {
    struct job *job;
    struct state *state;
    struct span *resources;
    struct wire_presence_record *records;
    size_t count;
    bool ok;
};

static struct span key_of(struct job *job, struct span account)
{
    return redis_key(REDIS_KEY_presence, account, (struct span){0}, job->arena);
}

/* ---- reading ---- */
static void add_record(struct reading *reading, struct span resource, struct span bytes)
{
    struct wire_msg msg;
    struct arena *arena = reading->job->arena;
    resource = arena_copy(arena, resource);
    if (wire_decode(arena_copy(arena, bytes), arena, &msg, NULL) != 0 ||
        msg.id != WIRE_ID_presence_record) {
        LOG_ERROR("bad_presence_record", "account=%.*s", SPAN_ARG(reading->state->account));
        msg.u.presence_record = (struct wire_presence_record){0};
    }
    reading->resources[reading->count] = resource;
    reading->records[reading->count++] = msg.u.presence_record;
}

static void on_records(void *arg, const struct redis_reply *reply)
{
    struct reading *reading = arg;
    size_t pairs = redis_count(reply) / 2;
    struct arena *arena = reading->job->arena;
    reading->ok = !redis_failed(reply);
    reading->resources = arena_calloc(arena, pairs + 1, sizeof(*reading->resources));
    reading->records = arena_calloc(arena, pairs + 1, sizeof(*reading->records));
    for (size_t i = 0; i < pairs; i++) {
        add_record(reading, redis_text(redis_at(reply, 2 * i)),
                   redis_text(redis_at(reply, 2 * i + 1)));
    }
    job_release(reading->job, reading->ok);
}

static void init_session(struct reading *reading, struct state_session *session,
                         struct span resource, uint64_t sid)
{
    struct span account = reading->state->account;
    session->jid =
        arena_printf(reading->job->arena, "%.*s/%.*s", SPAN_ARG(account), SPAN_ARG(resource));
    session->resource = span_from(session->jid, account.len + 1);
    session->sid = sid;
    session->priority_plus_128 = STATE_PRIORITY_ZERO;
}

/* The record of a session, or of none: then it is stale. */
static void join(struct reading *reading, size_t i)
{
    struct state *state = reading->state;
    const struct wire_presence_record *record = &reading->records[i];
    struct state_session *session = state_find(state, record->sid);
    if (!session || !span_eq(session->resource, reading->resources[i])) {
        session = &state->stale[state->stale_count++];
        init_session(reading, session, reading->resources[i], record->sid);
    }
    session->flags = record->flags;
    session->priority_plus_128 = record->priority_plus_128;
    session->stanza = record->stanza;
    session->changed_n = record->changed_n;
    session->since_ms = record->since_ms;
}

static void on_sessions(void *arg, enum registry_status status,
                        const struct registry_session *sessions, size_t count)
{
    struct reading *reading = arg;
    struct state *state = reading->state;
    struct arena *arena = reading->job->arena;
    state->sessions = arena_calloc(arena, count + 1, sizeof(*state->sessions));
    state->stale = arena_calloc(arena, reading->count + 1, sizeof(*state->stale));
    for (size_t i = 0; i < count; i++) {
        init_session(reading, &state->sessions[state->count++], sessions[i].resource,
                     sessions[i].record.sid);
    }
    for (size_t i = 0; i < reading->count; i++) {
        join(reading, i);
    }
    job_release(reading->job, status == REGISTRY_OK);
}

/* The record is read before the session: one without the other then means that the session went. */
void state_read(struct job *job, struct span account, struct state *state)
{
    struct redis *redis = job->presence->redis;
    struct reading *reading = arena_calloc(job->arena, 1, sizeof(*reading));
    *state = (struct state){.account = account};
    reading->job = job;
    reading->state = state;
    job_hold(job);
    job_hold(job);
    redis_call(redis, on_records, reading, SPAN("HGETALL"), key_of(job, account));
    registry_read(redis, account, on_sessions, reading);
}

static struct state_session *find(struct state_session *sessions, size_t count, uint64_t sid)
{
    for (size_t i = 0; i < count; i++) {
        if (sessions[i].sid == sid) {
            return &sessions[i];
        }
    }
    return NULL;
}

struct state_session *state_find(const struct state *state, uint64_t sid)
{
    return find(state->sessions, state->count, sid);
}

struct state_session *state_find_stale(const struct state *state, uint64_t sid)
{
    return find(state->stale, state->stale_count, sid);
}

size_t state_available_count(const struct state *state)
{
    size_t count = 0;
    for (size_t i = 0; i < state->count; i++) {
        count += state_is_available(&state->sessions[i]);
    }
    return count;
}

size_t state_jids(struct job *job, const struct state *state, uint32_t flags,
                  const struct span **jids_out)
{
    struct span *jids = arena_calloc(job->arena, state->count + 1, sizeof(*jids));
    size_t count = 0;
    for (size_t i = 0; i < state->count; i++) {
        if (state->sessions[i].flags & flags) {
            jids[count++] = state->sessions[i].jid;
        }
    }
    *jids_out = jids;
    return count;
}

/* ---- writing ---- */
static void on_written(void *arg, const struct redis_reply *reply)
{
    job_release(arg, !redis_failed(reply));
}

void state_erase(struct job *job, struct span resource)
{
    job_hold(job);
    redis_call(job->presence->redis, on_written, job, SPAN("HDEL"), key_of(job, job->account),
               resource);
}

void state_write(struct job *job, const struct state *state, const struct state_session *session)
{
    struct buf bytes = {0};
    struct wire_msg msg = {.id = WIRE_ID_presence_record};
    for (size_t i = 0; i < state->stale_count; i++) {
        state_erase(job, state->stale[i].resource);
    }
    msg.u.presence_record = (struct wire_presence_record){
        .sid = session->sid,
        .flags = session->flags,
        .priority_plus_128 = session->priority_plus_128,
        .stanza = session->stanza,
        .changed_n = session->changed_n,
        .since_ms = session->since_ms,
    };
    wire_encode(&msg, &bytes);
    job_hold(job);
    redis_call(job->presence->redis, on_written, job, SPAN("HSET"), key_of(job, job->account),
               session->resource, buf_span(&bytes));
    buf_deinit(&bytes);
}
