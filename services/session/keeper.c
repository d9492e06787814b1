/* Taking sessions, keeping them, letting go. */
#include "keeper.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "jid/jid.h"
#include "keeper_internal.h"
#include "metric/metric.h"
#include "redis/redis.h"
#include "registry/lease.h"
#include "trace/trace.h"

#define RETRY_MS  500
#define KEEP_MS   10000
#define TIMER_MAX 86400000u

struct kept *kept_find(struct keeper *keeper, uint64_t sid)
{
    return map64_get(&keeper->kept, sid);
}

static void count(const struct keeper *keeper)
{
    metric_set(METRIC_session_kept, (int64_t)map64_count(&keeper->kept));
}

static void kept_free(struct kept *kept)
{
    mem_free(kept->account);
    mem_free(kept->jid);
    mem_free(kept);
}

void kept_drop(struct kept *kept)
{
    struct keeper *keeper = kept->keeper;
    if (kept->is_gone)
        return;
    kept->is_gone = true;
    if (kept_find(keeper, kept->sid) == kept)
        (void)map64_remove(&keeper->kept, kept->sid);
    count(keeper);
    loop_timer_stop(&kept->timer);
    custody_queue_close(&kept->queue);
    ending_free(kept->ending);
    kept->ending = NULL;
    if (!kept->is_busy)
        kept_free(kept);
}

bool kept_returns(struct kept *kept)
{
    kept->is_busy = false;
    if (kept->is_gone)
        kept_free(kept);
    else
        return true;
    return false;
}

/* ---- the queue ---- */

static void on_lost(void *arg)
{
    struct kept *kept = arg;
    LOG_INFO("kept-session-lost", "jid=%s epoch=%llu", kept->jid, (unsigned long long)kept->epoch);
    kept_drop(kept);
}

static const struct custody_user user = {.lost = on_lost};

static void wait_for_client(struct kept *kept)
{
    uint64_t end = kept->detached_ms + (uint64_t)kept->resume_s * 1000;
    uint64_t now = clock_real_ms();
    uint64_t left = end > now ? end - now : 0;
    kept->state = KEPT_READY;
    if (kept->must_end || left == 0)
        kept_end(kept);
    else
        loop_timer_start(&kept->timer, left < TIMER_MAX ? (uint32_t)left : TIMER_MAX, 0);
}

static void on_loaded(void *arg, enum custody_loaded outcome, const struct custody_load *load)
{
    struct kept *kept = arg;
    (void)load;
    if (outcome == CUSTODY_DOWN) {
        loop_timer_start(&kept->timer, RETRY_MS, 0);
        return;
    }
    if (outcome == CUSTODY_GONE) /* it cannot be kept without a queue */
        kept->must_end = true;
    else
        custody_queue_open(&kept->queue);
    wait_for_client(kept);
}

static void load(struct kept *kept)
{
    kept->state = KEPT_LOADING;
    custody_queue_load(&kept->queue, on_loaded, kept);
}

static void on_timer(void *arg)
{
    struct kept *kept = arg;
    if (kept->state == KEPT_LOADING)
        load(kept);
    else if (kept->state == KEPT_READY)
        wait_for_client(kept); /* it is over, or was too long for one timer */
    else
        kept_end(kept);
}

/* ---- taking ---- */

static struct kept *kept_new(struct keeper *keeper, struct span account, uint64_t sid)
{
    struct kept *kept = mem_calloc(1, sizeof(*kept));
    kept->keeper = keeper;
    kept->sid = sid;
    kept->account = mem_strdup_span(account);
    custody_queue_init(&kept->queue, &keeper->custody, &user, kept);
    loop_timer_init(&kept->timer, keeper->session->options.loop, on_timer, kept);
    (void)map64_put(&keeper->kept, sid, kept);
    count(keeper);
    return kept;
}

static void start(struct kept *kept, const struct registry_session *now)
{
    struct keeper *keeper = kept->keeper;
    struct span account = span_cstr(kept->account);
    struct arena arena = {0};
    kept->jid =
        mem_strdup_span(jid_join(jid_node(account), jid_domain(account), now->resource, &arena));
    kept->epoch = now->record.epoch;
    kept->detached_ms = now->record.detached_ms;
    kept->resume_s = now->record.resume_s;
    custody_queue_name(&kept->queue, kept->account, kept->sid, kept->epoch);
    session_announce(keeper->session, span_cstr(kept->jid), &now->record, true);
    arena_deinit(&arena);
    metric_inc(METRIC_session_taken);
    load(kept);
}

static void on_taken(void *arg, enum registry_status status, const struct registry_session *now,
                     const struct wire_session_record *before)
{
    struct kept *kept = arg;
    keeper_done_fn *done = kept->done;
    void *done_arg = kept->done_arg;
    (void)before;
    if (kept_returns(kept)) {
        if (status == REGISTRY_OK)
            start(kept, now);
        else
            kept_drop(kept);
    }
    if (done)
        done(done_arg, status);
}

struct kept *kept_take(struct keeper *keeper, const struct registry_change *change,
                       keeper_done_fn *done, void *arg)
{
    const struct conf *conf = keeper->session->options.conf;
    struct registry_change asked = *change;
    struct kept *kept = kept_new(keeper, change->account, change->sid);
    kept->done = done;
    kept->done_arg = arg;
    kept->is_busy = true;
    asked.need |= WIRE_SESSION_RESUMABLE;
    asked.holder = span_cstr(keeper->instance);
    asked.detached_ms = clock_real_ms();
    asked.lease_ms = (uint32_t)conf_u64(conf, CONF_cluster_lease);
    registry_change(keeper->session->redis, &asked, on_taken, kept);
    return kept;
}

void kept_take_orphan(struct keeper *keeper, struct span jid, uint64_t sid, uint64_t epoch)
{
    struct kept *kept = kept_new(keeper, jid_bare(jid), sid);
    kept->jid = mem_strdup_span(jid);
    kept->epoch = epoch;
    kept->must_end = true;
    custody_queue_name(&kept->queue, kept->account, sid, epoch);
    load(kept);
}

void keeper_sweep(struct keeper *keeper, const struct registry_left *left, struct span holder,
                  keeper_done_fn *done, void *arg)
{
    struct registry_change change = {
        .account = jid_bare(left->jid),
        .sid = left->sid,
        .from = holder,
    };
    const struct kept *kept = kept_find(keeper, left->sid);
    if (kept) /* a router was faster; while it is not sure, this is tried again */
        done(arg, kept->state == KEPT_TAKING ? REGISTRY_DOWN : REGISTRY_CONFLICT);
    else
        (void)kept_take(keeper, &change, done, arg);
}

/* ---- items ---- */

static bool is_full(const struct kept *kept)
{
    const struct conf *conf = kept->keeper->session->options.conf;
    return custody_queue_unacked(&kept->queue) > conf_u64(conf, CONF_session_max_queue) ||
           kept->queue.bytes > conf_u64(conf, CONF_session_max_queue_bytes);
}

static void note(const struct kept *kept, const struct delivery *delivery)
{
    struct trace *trace = kept->keeper->session->trace;
    struct span jid = span_cstr(kept->jid);
    if (trace_wants(trace, jid, jid))
        trace_note(trace, (struct trace_id){delivery->origin_sid, delivery->origin_n},
                   "kept for a client that is away", jid);
}

/* To the session's queue, or back: then `delivery` says how. */
static void keep(struct kept *kept, struct delivery *delivery, uint64_t sid)
{
    if (!kept || kept->state == KEPT_ENDING) {
        if (kept)
            delivery->flags |= WIRE_MISSED_ENDED;
        delivery_missed(delivery, sid);
        return;
    }
    (void)custody_queue_add(&kept->queue, delivery);
    note(kept, delivery);
    if (kept->state == KEPT_READY && is_full(kept)) {
        LOG_INFO("queue-full", "jid=%s", kept->jid);
        kept_end(kept);
    }
}

struct keeper_item {
    struct keeper *keeper;
    struct bus_peer *peer;
    uint64_t token;
    const struct wire_msg *msg;
};

static void take_deliver(const struct keeper_item *item)
{
    const struct wire_deliver *deliver = &item->msg->u.deliver;
    struct delivery *delivery =
        delivery_new(&item->keeper->custody, item->peer, item->token, deliver);
    for (uint32_t i = 0; i < deliver->sids.count; i++)
        keep(kept_find(item->keeper, deliver->sids.items[i]), delivery, deliver->sids.items[i]);
    delivery_release(delivery);
}

static void take_adopt(const struct keeper_item *item)
{
    const struct wire_adopt *adopt = &item->msg->u.adopt;
    struct wire_deliver deliver = {
        .origin_sid = adopt->origin_sid,
        .origin_n = adopt->origin_n,
        .sids = {&adopt->sid, 1},
        .stanza = adopt->stanza,
    };
    struct registry_change change = {
        .account = adopt->account,
        .sid = adopt->sid,
        .epoch = adopt->epoch,
    };
    struct delivery *delivery =
        delivery_new(&item->keeper->custody, item->peer, item->token, &deliver);
    struct kept *kept = kept_find(item->keeper, adopt->sid);
    if (!kept && !item->keeper->is_stopped)
        kept = kept_take(item->keeper, &change, NULL, NULL);
    keep(kept, delivery, adopt->sid);
    delivery_release(delivery);
}

static void take_end(const struct keeper_item *item)
{
    const struct wire_end_session *end = &item->msg->u.end_session;
    struct kept *kept = kept_find(item->keeper, end->sid);
    if (kept && end->epoch == 0) {
        kept->must_end = true;
        if (kept->state == KEPT_READY)
            kept_end(kept);
    } else if (kept && kept->state != KEPT_TAKING && kept->epoch < end->epoch) {
        kept_drop(kept);
    }
    bus_settle(item->peer, item->token);
}

static const struct {
    enum wire_id id;
    void (*fn)(const struct keeper_item *item);
} items[] = {
    {WIRE_ID_deliver, take_deliver},
    {WIRE_ID_adopt, take_adopt},
    {WIRE_ID_end_session, take_end},
};

bool keeper_item(struct keeper *keeper, struct bus_peer *peer, uint64_t token,
                 const struct wire_msg *msg)
{
    const struct keeper_item item = {keeper, peer, token, msg};
    for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++) {
        if (items[i].id == msg->id) {
            items[i].fn(&item);
            return true;
        }
    }
    return false;
}

void keeper_peer_down(struct keeper *keeper, struct bus_peer *peer)
{
    custody_peer_down(&keeper->custody, peer);
}

/* ---- life ---- */

static void drop_all(struct keeper *keeper)
{
    struct map_cursor at = {0};
    void *value;
    while (map64_next(&keeper->kept, &at, NULL, &value))
        kept_drop(value);
}

/* Whoever sweeps our sessions has them. */
static void on_lease_lost(void *arg)
{
    struct keeper *keeper = arg;
    LOG_ERROR("lease-lost", "sessions=%zu", map64_count(&keeper->kept));
    drop_all(keeper);
}

struct keeper *keeper_new(struct session *session, struct bus *bus, const char *instance)
{
    struct keeper *keeper = mem_calloc(1, sizeof(*keeper));
    const struct session_options *options = &session->options;
    keeper->session = session;
    keeper->instance = instance;
    map64_init(&keeper->kept);
    list_init(&keeper->endings);
    custody_init(&keeper->custody, &(struct custody_options){
                                       .loop = options->loop,
                                       .bus = bus,
                                       .redis = session->redis,
                                       .remember_ms = conf_u64(options->conf, CONF_stream_remember),
                                       .keep_ms = KEEP_MS,
                                   });
    keeper->lease = registry_lease_new(options->loop, session->redis, instance,
                                       (uint32_t)conf_u64(options->conf, CONF_cluster_lease),
                                       on_lease_lost, keeper);
    return keeper;
}

bool keeper_is_ready(const struct keeper *keeper)
{
    return registry_lease_is_held(keeper->lease);
}

size_t keeper_count(const struct keeper *keeper)
{
    return map64_count(&keeper->kept);
}

void keeper_stop(struct keeper *keeper)
{
    keeper->is_stopped = true;
    drop_all(keeper);
    registry_lease_free(keeper->lease);
}

void keeper_free(struct keeper *keeper)
{
    if (!keeper)
        return;
    drop_all(keeper);
    endings_free(keeper);
    map64_deinit(&keeper->kept);
    custody_deinit(&keeper->custody);
    mem_free(keeper);
}
