/* The end of a session nobody resumes: noted in the registry first, so that nobody can any more;
 * unavailable; then other ways for what the client did not acknowledge (XEP-0198 section 4); then
 * unbound. Whoever dies in between leaves it to the sweep, which begins again: what is routed twice
 * has the same origin. */
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "jid/jid.h"
#include "keeper_internal.h"
#include "metric/metric.h"
#include "redis/keys.h"
#include "redis/redis.h"
#include "stanza/stanza.h"
#include "xml/ns.h"

#include <inttypes.h>

#define RETRY_MS    500
#define KNOWN_FOR_S "86400" /* how long it is known what had been handled */

/* The number of a session's last stanza: no client gets that far, and saying it twice is once. */
#define LAST_WORD UINT64_MAX

/* A stanza that needs another way. */
struct unacked {
    struct list_node node; /* in ending->unsent until the router has it */
    uint64_t origin_sid;
    uint64_t origin_n;
    size_t len;
    char stanza[]; /* encoded */
};

struct ending {
    struct list_node node; /* in keeper->endings */
    struct kept *kept;     /* NULL: dropped; the last answer frees this */
    struct list_node unsent;
    size_t open; /* items not settled */
    uint64_t handled;
    bool is_marked;      /* the registry knows */
    bool is_unavailable; /* was said, and taken */
    bool is_loaded;
    bool is_asking;
};

static void step(struct kept *kept);

static void again(struct kept *kept)
{
    loop_timer_start(&kept->timer, RETRY_MS, 0);
}

static uint64_t hash_of(const struct kept *kept)
{
    return hash_span(span_cstr(kept->account));
}

static int send(struct kept *kept, const struct wire_msg *msg, bus_settled_fn *settled, void *arg)
{
    const struct session_options *options = &kept->keeper->session->options;
    return options->out->send(options->out_ctx, hash_of(kept), msg, settled, arg);
}

/* ---- nobody may resume it ---- */

static void on_marked(void *arg, enum registry_status status, const struct registry_session *now,
                      const struct wire_session_record *before)
{
    struct kept *kept = arg;
    (void)now;
    (void)before;
    if (!kept_returns(kept))
        return;
    if (status == REGISTRY_CONFLICT) {
        kept_drop(kept); /* its client was faster */
    } else if (status == REGISTRY_DOWN) {
        again(kept);
    } else {
        kept->ending->is_marked = true;
        step(kept);
    }
}

static void mark(struct kept *kept)
{
    struct registry_change change = {
        .account = span_cstr(kept->account),
        .sid = kept->sid,
        .epoch = kept->epoch,
        .sets_resume = true,
        .resume_s = 0,
    };
    kept->is_busy = true;
    registry_change(kept->keeper->session->redis, &change, on_marked, kept);
}

/* ---- unavailable ---- */

static void free_now(struct ending *ending)
{
    list_remove(&ending->node);
    mem_free(ending);
}

static struct kept *item_settled(struct ending *ending)
{
    ending->open--;
    if (ending->kept)
        return ending->kept;
    if (ending->open == 0)
        free_now(ending);
    return NULL;
}

static void on_unavailable(void *arg, enum bus_outcome outcome)
{
    struct ending *ending = arg;
    struct kept *kept = item_settled(ending);
    if (!kept)
        return;
    ending->is_asking = false;
    ending->is_unavailable = outcome == BUS_SETTLED;
    if (ending->is_unavailable)
        step(kept);
    else
        again(kept);
}

static void say_unavailable(struct kept *kept)
{
    struct ending *ending = kept->ending;
    struct stanza presence = {
        .kind = STANZA_PRESENCE,
        .type = STANZA_UNAVAILABLE,
        .from = span_cstr(kept->jid),
    };
    struct buf stanza = {0};
    stanza_encode(&presence, &stanza);
    struct wire_msg msg = {.id = WIRE_ID_route};
    msg.u.route = (struct wire_route){
        .origin_sid = kept->sid,
        .origin_n = LAST_WORD,
        .stanza = buf_span(&stanza),
    };
    ending->open++;
    ending->is_asking = true;
    if (send(kept, &msg, on_unavailable, ending) != 0) {
        ending->open--;
        ending->is_asking = false;
        again(kept);
    }
    buf_deinit(&stanza);
}

/* ---- what the client has not got ---- */

/* When it was meant to arrive (XEP-0203), and for whom. */
static void restore(const struct kept *kept, struct stanza *stanza, uint64_t at_ms,
                    struct arena *arena)
{
    char stamp[CLOCK_XEP82_SIZE];
    struct xml_child *children;
    if (stanza->to.len == 0)
        stanza->to = span_cstr(kept->jid);
    if (stanza->kind != STANZA_MESSAGE || stanza_child(stanza, NS_DELAY, "delay"))
        return;
    clock_format_xep82(at_ms, stamp);
    struct span delay =
        arena_printf(arena, "<delay xmlns=\"" NS_DELAY "\" from=\"%.*s\" stamp=\"%s\"/>",
                     SPAN_ARG(jid_domain(span_cstr(kept->jid))), stamp);
    children = arena_calloc(arena, stanza->child_count + 1, sizeof(*children));
    if (stanza->child_count > 0)
        memcpy(children, stanza->children, stanza->child_count * sizeof(*children));
    children[stanza->child_count] = (struct xml_child){
        .ns = SPAN(NS_DELAY),
        .name = SPAN("delay"),
        .offset = (uint32_t)stanza->payload.len,
        .length = (uint32_t)delay.len,
    };
    stanza->payload = arena_printf(arena, "%.*s%.*s", SPAN_ARG(stanza->payload), SPAN_ARG(delay));
    stanza->children = children;
    stanza->child_count++;
}

static void note(void *arg, const struct custody_stanza *queued)
{
    struct kept *kept = arg;
    struct arena arena = {0};
    struct buf encoded = {0};
    struct stanza stanza;
    if (stanza_decode(queued->stanza, &arena, &stanza) == 0) {
        restore(kept, &stanza, queued->at_ms, &arena);
        stanza_encode(&stanza, &encoded);
        struct unacked *unacked = mem_calloc(1, sizeof(*unacked) + encoded.len);
        unacked->origin_sid = queued->origin_sid;
        unacked->origin_n = queued->origin_n;
        unacked->len = encoded.len;
        memcpy(unacked->stanza, encoded.data, encoded.len);
        list_add_tail(&kept->ending->unsent, &unacked->node);
    }
    buf_deinit(&encoded);
    arena_deinit(&arena);
}

static void on_loaded(void *arg, enum custody_loaded outcome, const struct custody_load *load)
{
    struct kept *kept = arg;
    struct ending *ending = kept->ending;
    ending->is_asking = false;
    if (outcome == CUSTODY_DOWN) {
        again(kept);
        return;
    }
    ending->is_loaded = true;
    ending->handled = kept->queue.handled;
    if (outcome == CUSTODY_LOADED)
        custody_load_each(load, kept->queue.acked, note, kept);
    step(kept);
}

/* What was added and is not kept yet goes back; the rest is read once more. */
static void load(struct kept *kept)
{
    const struct custody_user *user = kept->queue.user;
    custody_queue_close(&kept->queue);
    custody_queue_init(&kept->queue, &kept->keeper->custody, user, kept);
    custody_queue_name(&kept->queue, kept->account, kept->sid, kept->epoch);
    kept->ending->is_asking = true;
    custody_queue_load(&kept->queue, on_loaded, kept);
}

static void on_rerouted(void *arg, enum bus_outcome outcome)
{
    struct kept *kept = item_settled(arg);
    (void)outcome; /* sent to a kind: ends settled */
    if (kept)
        step(kept);
}

static bool reroute(struct kept *kept, const struct unacked *unacked)
{
    struct wire_msg msg = {.id = WIRE_ID_missed};
    msg.u.missed = (struct wire_missed){
        .origin_sid = unacked->origin_sid,
        .origin_n = unacked->origin_n,
        .sids = {&kept->sid, 1},
        .stanza = span_of(unacked->stanza, unacked->len),
        .flags = WIRE_MISSED_ENDED,
    };
    kept->ending->open++;
    if (send(kept, &msg, on_rerouted, kept->ending) == 0)
        return true;
    kept->ending->open--;
    return false;
}

static void reroute_all(struct kept *kept)
{
    for (struct list_node *node; (node = list_first(&kept->ending->unsent));) {
        struct unacked *unacked = CONTAINER_OF(node, struct unacked, node);
        if (!reroute(kept, unacked)) {
            again(kept);
            return;
        }
        metric_inc(METRIC_session_rerouted);
        list_remove(node);
        mem_free(unacked);
    }
}

/* ---- unbinding ---- */

static void on_unbound(void *arg, enum registry_status status)
{
    struct kept *kept = arg;
    if (!kept_returns(kept))
        return;
    if (status != REGISTRY_OK) {
        again(kept);
        return;
    }
    struct wire_session_record record = {
        .sid = kept->sid,
        .epoch = kept->epoch,
        .holder = span_cstr(kept->keeper->instance),
    };
    metric_inc(METRIC_session_unbinds);
    LOG_INFO("session_ended", "jid=%s sid=%016" PRIx64, kept->jid, kept->sid);
    session_announce(kept->keeper->session, span_cstr(kept->jid), &record, false);
    kept_drop(kept);
}

static void unbind(struct kept *kept)
{
    struct redis *redis = kept->keeper->session->redis;
    struct arena arena = {0};
    struct registry_held held = {span_cstr(kept->jid), span_cstr(kept->keeper->instance), kept->sid,
                                 kept->epoch};
    struct span sid = arena_printf(&arena, "%016" PRIx64, kept->sid);
    redis_call(redis, NULL, NULL, SPAN("SET"),
               redis_key(REDIS_KEY_handled, span_cstr(kept->account), sid, &arena),
               arena_printf(&arena, "%" PRIu64, kept->ending->handled), SPAN("EX"),
               SPAN(KNOWN_FOR_S));
    arena_deinit(&arena);
    kept->is_busy = true;
    registry_unbind(redis, &held, on_unbound, kept);
}

/* ---- one after the other ---- */

static void step(struct kept *kept)
{
    struct ending *ending = kept->ending;
    if (ending->is_asking || kept->is_busy)
        return;
    if (!ending->is_marked)
        mark(kept);
    else if (!ending->is_unavailable)
        say_unavailable(kept);
    else if (!ending->is_loaded)
        load(kept);
    else if (!list_is_empty(&ending->unsent))
        reroute_all(kept);
    else if (ending->open == 0)
        unbind(kept);
}

void kept_end(struct kept *kept)
{
    if (!kept->ending) {
        kept->ending = mem_calloc(1, sizeof(*kept->ending));
        kept->ending->kept = kept;
        list_init(&kept->ending->unsent);
        list_add_tail(&kept->keeper->endings, &kept->ending->node);
        loop_timer_stop(&kept->timer);
        metric_inc(METRIC_session_ended);
    }
    kept->state = KEPT_ENDING;
    step(kept);
}

void ending_free(struct ending *ending)
{
    if (!ending)
        return;
    for (struct list_node *node; (node = list_pop(&ending->unsent));)
        mem_free(CONTAINER_OF(node, struct unacked, node));
    ending->kept = NULL;
    if (ending->open == 0)
        free_now(ending);
}

void endings_free(struct keeper *keeper)
{
    for (struct list_node *node; (node = list_first(&keeper->endings));)
        free_now(CONTAINER_OF(node, struct ending, node));
}
