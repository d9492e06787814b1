/* Claim a holder, take its sessions in batches, say unavailable for each, unbind it, next batch. */
#include "sweep.h"

#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "jid/jid.h"
#include "keeper.h"
#include "loop/loop.h"
#include "metric/metric.h"
#include "redis/redis.h"
#include "registry/sweep.h"
#include "session.h"
#include "stanza/stanza.h"

#define BATCH    100
#define CLAIM_MS 30000

/* The number of a session's last stanza: no client gets that far, and saying it twice is once. */
#define LAST_WORD UINT64_MAX

struct sweep {
    struct session *session;
    struct loop_timer timer;
    struct arena arena; /* of the batch */
    char *lapsed;       /* being swept, or NULL */
    uint64_t quiet_until_ms;
    size_t count; /* sessions of this holder so far */
    size_t open;  /* of the batch, not dealt with */
    bool is_asking;
    bool has_failed;
    bool is_stopped;
};

struct swept {
    struct sweep *sweep;
    struct registry_left left;
};

static void next_batch(struct sweep *sweep);

static void forget(struct sweep *sweep)
{
    mem_free(sweep->lapsed);
    sweep->lapsed = NULL;
    arena_reset(&sweep->arena);
}

/* ---- one session ---- */

static void batch_step(struct sweep *sweep)
{
    if (--sweep->open > 0) {
        return;
    }
    if (sweep->has_failed || sweep->is_stopped) {
        forget(sweep); /* the claim lapses, then somebody goes on */
    } else {
        next_batch(sweep);
    }
}

static void on_unbound(void *arg, enum registry_status status)
{
    struct swept *swept = arg;
    struct sweep *sweep = swept->sweep;
    if (status == REGISTRY_OK) {
        struct wire_session_record record = {
            .sid = swept->left.sid,
            .holder = registry_sweep_holder(span_cstr(sweep->lapsed)),
            .epoch = 1,
        };
        metric_inc(METRIC_session_swept);
        session_announce(sweep->session, swept->left.jid, &record, false);
    } else {
        sweep->has_failed = true;
    }
    batch_step(sweep);
}

static void on_forgotten(void *arg, enum registry_status status)
{
    struct swept *swept = arg;
    if (status != REGISTRY_OK)
        swept->sweep->has_failed = true;
    batch_step(swept->sweep);
}

/* A holder that is alive but was cut off still writes to this session: it is told to end it. */
static void on_unavailable(void *arg, enum bus_outcome outcome)
{
    struct swept *swept = arg;
    struct sweep *sweep = swept->sweep;
    struct span lapsed = span_cstr(sweep->lapsed);
    struct wire_end_session end = {
        .holder = registry_sweep_holder(lapsed),
        .sid = swept->left.sid,
        .condition = SPAN("connection-timeout"),
        .text = SPAN("The server lost touch with this session."),
    };
    if (outcome != BUS_SETTLED || sweep->is_stopped) {
        sweep->has_failed = true;
        batch_step(sweep);
        return;
    }
    session_end(sweep->session, swept->left.jid, &end);
    registry_sweep_session(sweep->session->redis, lapsed, &swept->left, on_unbound, swept);
}

static void say_unavailable(struct swept *swept)
{
    const struct session_options *options = &swept->sweep->session->options;
    struct stanza presence = {
        .kind = STANZA_PRESENCE,
        .type = STANZA_UNAVAILABLE,
        .from = swept->left.jid,
    };
    struct buf stanza = {0};
    stanza_encode(&presence, &stanza);
    struct wire_msg msg = {.id = WIRE_ID_route};
    msg.u.route = (struct wire_route){
        .origin_sid = swept->left.sid,
        .origin_n = LAST_WORD,
        .stanza = buf_span(&stanza),
    };
    uint64_t hash = hash_span(jid_bare(swept->left.jid));
    int result = options->out->send(options->out_ctx, hash, &msg, on_unavailable, swept);
    buf_deinit(&stanza);
    if (result != 0) {
        on_unavailable(swept, BUS_LOST);
    }
}

/* A session that can be resumed is kept for its client; what is somebody else's by now only leaves
 * the index. */
static void on_kept(void *arg, enum registry_status status)
{
    struct swept *swept = arg;
    struct sweep *sweep = swept->sweep;
    if (status == REGISTRY_GONE && !sweep->is_stopped) {
        say_unavailable(swept);
    } else if (status == REGISTRY_OK || status == REGISTRY_CONFLICT) {
        registry_sweep_forget(sweep->session->redis, span_cstr(sweep->lapsed), swept->left.sid,
                              on_forgotten, swept);
    } else {
        sweep->has_failed = true;
        batch_step(sweep);
    }
}

static void sweep_one(struct swept *swept)
{
    struct sweep *sweep = swept->sweep;
    keeper_sweep(sweep->session->keeper, &swept->left,
                 registry_sweep_holder(span_cstr(sweep->lapsed)), on_kept, swept);
}

/* ---- batches ---- */

static void on_done(void *arg, enum registry_status status)
{
    struct sweep *sweep = arg;
    LOG_INFO("holder_swept", "lease=%s sessions=%zu status=%d", sweep->lapsed, sweep->count,
             (int)status);
    forget(sweep);
}

static void on_left(void *arg, enum registry_status status, const struct registry_left *left,
                    size_t count)
{
    struct sweep *sweep = arg;
    if (status != REGISTRY_OK || sweep->is_stopped) {
        forget(sweep);
        return;
    }
    if (count == 0) {
        registry_sweep_done(sweep->session->redis, span_cstr(sweep->lapsed), on_done, sweep);
        return;
    }
    arena_reset(&sweep->arena);
    struct swept *all = arena_calloc(&sweep->arena, count, sizeof(*all));
    sweep->open = count + 1; /* one for this loop, which may see answers come */
    sweep->count += count;
    for (size_t i = 0; i < count; i++) {
        all[i].sweep = sweep;
        all[i].left.sid = left[i].sid;
        all[i].left.jid = arena_copy(&sweep->arena, left[i].jid);
        sweep_one(&all[i]);
    }
    batch_step(sweep);
}

static void next_batch(struct sweep *sweep)
{
    registry_sweep_next(sweep->session->redis, span_cstr(sweep->lapsed), BATCH, CLAIM_MS, on_left,
                        sweep);
}

/* ---- looking ---- */

static void on_claim(void *arg, enum registry_status status, struct span lapsed)
{
    struct sweep *sweep = arg;
    sweep->is_asking = false;
    if (status != REGISTRY_OK || span_is_empty(lapsed) || sweep->is_stopped) {
        return;
    }
    sweep->lapsed = mem_strdup_span(lapsed);
    sweep->count = 0;
    sweep->has_failed = false;
    metric_inc(METRIC_session_sweeps);
    LOG_WARN("holder_lapsed", "lease=%s", sweep->lapsed);
    next_batch(sweep);
}

static void on_timer(void *arg)
{
    struct sweep *sweep = arg;
    const struct session_options *options = &sweep->session->options;
    uint64_t now = loop_now_ms(options->loop);
    uint64_t interval = conf_u64(options->conf, CONF_session_sweep_interval);
    loop_timer_start(&sweep->timer, (uint32_t)interval, 0);
    if (!redis_is_up(sweep->session->redis)) {
        sweep->quiet_until_ms = now + interval + conf_u64(options->conf, CONF_cluster_lease);
        return;
    }
    if (now < sweep->quiet_until_ms || sweep->lapsed || sweep->is_asking) {
        return;
    }
    sweep->is_asking = true;
    registry_sweep_claim(sweep->session->redis, CLAIM_MS, on_claim, sweep);
}

struct sweep *sweep_new(struct session *session)
{
    struct sweep *sweep = mem_calloc(1, sizeof(*sweep));
    sweep->session = session;
    loop_timer_init(&sweep->timer, session->options.loop, on_timer, sweep);
    on_timer(sweep); /* Redis is not up yet: sets the time to be quiet */
    return sweep;
}

void sweep_stop(struct sweep *sweep)
{
    sweep->is_stopped = true;
    loop_timer_stop(&sweep->timer);
}

void sweep_free(struct sweep *sweep)
{
    mem_free(sweep->lapsed);
    arena_deinit(&sweep->arena);
    mem_free(sweep);
}
