/* Presence with `to`. */
#include "directed.h"

#include "presence.h"
#include "redis/keys.h"

#include <inttypes.h>

/* A session that lives longer without directing presence anywhere has no such set any more. */
#define LIFETIME_S "86400"

static struct span key_of(struct job *job, uint64_t sid)
{
    return redis_key(REDIS_KEY_directed, job->account, arena_printf(job->arena, "%016" PRIx64, sid),
                     job->arena);
}

/* ---- the set ---- */
struct reading {
    struct job *job;
    struct directed *directed;
};

static void on_members(void *arg, const struct redis_reply *reply)
{
    struct reading *reading = arg;
    struct directed *directed = reading->directed;
    struct arena *arena = reading->job->arena;
    size_t count = redis_count(reply);
    directed->count = 0;
    directed->jids = arena_calloc(arena, count + 1, sizeof(*directed->jids));
    for (size_t i = 0; i < count; i++) {
        directed->jids[directed->count++] = arena_copy(arena, redis_text(redis_at(reply, i)));
    }
    job_release(reading->job, !redis_failed(reply));
}

void directed_read(struct job *job, uint64_t sid, struct directed *directed)
{
    struct reading *reading = arena_calloc(job->arena, 1, sizeof(*reading));
    reading->job = job;
    reading->directed = directed;
    *directed = (struct directed){.sid = sid};
    job_hold(job);
    redis_call(job->presence->redis, on_members, reading, SPAN("SMEMBERS"), key_of(job, sid));
}

/* Those who were told; in the request's arena, which outlives the sending. */
struct telling {
    struct redis *redis;
    struct span *srem; /* SREM, the key, and they */
    size_t argc;
};

static void on_told(void *arg)
{
    const struct telling *telling = arg;
    redis_command(telling->redis, NULL, NULL, telling->argc, telling->srem);
}

static struct telling *telling_new(struct job *job, const struct directed *directed)
{
    struct telling *telling = arena_calloc(job->arena, 1, sizeof(*telling));
    telling->redis = job->presence->redis;
    telling->argc = directed->count + 2;
    telling->srem = arena_calloc(job->arena, telling->argc, sizeof(*telling->srem));
    telling->srem[0] = SPAN("SREM");
    telling->srem[1] = key_of(job, directed->sid);
    for (size_t i = 0; i < directed->count; i++) {
        telling->srem[2 + i] = directed->jids[i];
    }
    return telling;
}

void directed_tell(struct job *job, const struct stanza *stanza, const struct directed *directed,
                   const struct span *jids, size_t count)
{
    if (directed->count == 0) {
        return;
    }
    struct telling *telling = telling_new(job, directed);
    if (count == 0) {
        on_told(telling);
        return;
    }
    struct service_forward forward = {
        .stanza = stanza,
        .recipients = jids,
        .recipient_count = count,
        .via = job->account,
        .request = job->request,
        .sent = on_told,
        .arg = telling,
    };
    service_forward(job->presence->service, &forward);
}

static void on_written(void *arg, const struct redis_reply *reply)
{
    job_release(arg, !redis_failed(reply));
}

/* ---- the stanza ---- */
/* Noted before it is sent: who gets it will hear when the session goes. */
static void send(struct job *job)
{
    job_forward(job, &job->request->stanza, NULL, 0, false);
    job_finish(job);
}

static void run(struct job *job)
{
    const struct stanza *stanza = &job->request->stanza;
    struct redis *redis = job->presence->redis;
    struct span key = key_of(job, job->request->origin_sid);
    if (stanza->type == STANZA_AVAILABLE) {
        job_hold(job);
        redis_call(redis, on_written, job, SPAN("SADD"), key, stanza->to);
        redis_call(redis, NULL, NULL, SPAN("EXPIRE"), key, SPAN(LIFETIME_S));
    } else if (stanza->type == STANZA_UNAVAILABLE) {
        job_hold(job);
        redis_call(redis, on_written, job, SPAN("SREM"), key, stanza->to);
    }
    job_go(job, send);
}

void directed_out(void *ctx, struct service_request *request)
{
    job_start(ctx, request->account, request, run);
}
