/* Opening a queue: a new stream, or what the holder before has left in one. */
#include "base/log.h"
#include "base/mem.h"
#include "bus/wire.h"
#include "custody/custody_internal.h"
#include "custody/remember.h"
#include "jid/jid.h"
#include "redis/redis.h"
#include "registry/registry.h"

struct custody_load {
    struct custody_queue *queue;
    custody_made_fn *made;
    custody_loaded_fn *loaded;
    void *arg;
    struct arena arena;
    const struct redis_reply *reply;
};

static struct custody_load *load_new(struct custody_queue *queue, void *arg)
{
    struct custody_load *load = mem_calloc(1, sizeof(*load));
    load->queue = queue;
    load->arg = arg;
    queue->load = load;
    return load;
}

/* The queue, or NULL when it was closed meanwhile. */
static struct custody_queue *load_end(struct custody_load *load)
{
    struct custody_queue *queue = load->queue;
    if (queue)
        queue->load = NULL;
    return queue;
}

static void load_free(struct custody_load *load)
{
    arena_deinit(&load->arena);
    mem_free(load);
}

void queue_forget_load(struct custody_queue *queue)
{
    if (queue->load)
        queue->load->queue = NULL;
    queue->load = NULL;
}

static struct span key_of(struct custody_load *load)
{
    const struct custody_queue *queue = load->queue;
    return registry_queue_key(jid_bare(span_cstr(queue->account)), queue->sid, queue->epoch,
                              &load->arena);
}

/* ---- a new one ---- */

static void on_made(void *arg, const struct redis_reply *reply)
{
    struct custody_load *load = arg;
    if (redis_type(reply) == REDIS_ERROR)
        LOG_ERROR("queue-make", "text=\"%.*s\"", SPAN_ARG(redis_text(reply)));
    if (load_end(load))
        load->made(load->arg, !redis_failed(reply));
    load_free(load);
}

void custody_queue_make(struct custody_queue *queue, custody_made_fn *made, void *arg)
{
    struct custody_load *load = load_new(queue, arg);
    struct wire_msg msg = {.id = WIRE_ID_queue_record};
    struct buf record = {0};
    load->made = made;
    wire_encode(&msg, &record);
    queue->id_part = 1;
    redis_call(queue->custody->options.redis, on_made, load, SPAN("XADD"), key_of(load),
               SPAN("0-1"), SPAN("d"), buf_span(&record));
    buf_deinit(&record);
}

/* ---- what is there ---- */

/* "NUMBER-PART" */
static int parse_id(struct span id, uint64_t *number_out, uint64_t *part_out)
{
    size_t dash = span_find(id, '-');
    return span_to_u64(span_head(id, dash), number_out) == 0 &&
                   span_to_u64(span_from(id, dash + 1), part_out) == 0
               ? 0
               : -1;
}

/* Entry `i`: its number and part, and its record. -1 when it is none of ours. */
static int parse_entry(const struct custody_load *load, size_t i, uint64_t id_out[2],
                       struct wire_msg *record_out)
{
    struct custody_load *own = (struct custody_load *)(uintptr_t)load;
    const struct redis_reply *entry = redis_at(load->reply, i);
    if (redis_count(entry) != 2 || redis_count(redis_at(entry, 1)) != 2)
        return -1;
    if (parse_id(redis_text(redis_at(entry, 0)), &id_out[0], &id_out[1]) != 0)
        return -1;
    if (wire_decode(redis_text(redis_at(redis_at(entry, 1), 1)), &own->arena, record_out, NULL) !=
            0 ||
        record_out->id != WIRE_ID_queue_record)
        return -1;
    const struct wire_queue_record *record = &record_out->u.queue_record;
    bool fits = record->origin_sids.count == record->stanzas.count &&
                record->origin_ns.count == record->stanzas.count &&
                record->stanzas.count <= id_out[0];
    return fits ? 0 : -1;
}

void custody_load_each(const struct custody_load *load, uint64_t after,
                       void (*each)(void *arg, const struct custody_stanza *stanza), void *arg)
{
    uint64_t done = after; /* what was written twice has the same number */
    for (size_t i = 0; i < redis_count(load->reply); i++) {
        struct wire_msg msg;
        uint64_t id[2];
        if (parse_entry(load, i, id, &msg) != 0)
            continue;
        const struct wire_queue_record *record = &msg.u.queue_record;
        for (uint32_t k = 0; k < record->stanzas.count; k++) {
            struct custody_stanza stanza = {
                .number = id[0] - record->stanzas.count + 1 + k,
                .origin_sid = record->origin_sids.items[k],
                .origin_n = record->origin_ns.items[k],
                .at_ms = record->at_ms,
                .stanza = record->stanzas.items[k],
            };
            if (stanza.number <= done)
                continue;
            done = stanza.number;
            each(arg, &stanza);
        }
    }
}

static void take_stanza(void *arg, const struct custody_stanza *stanza)
{
    struct custody_queue *queue = arg;
    struct seen_delivery key = {stanza->origin_sid, stanza->origin_n, queue->sid};
    seen_add(&queue->custody->seen, &key);
    if (queue->first == 0)
        queue->first = stanza->number;
    if (stanza->number > queue->acked)
        queue->bytes += stanza->stanza.len;
}

static enum custody_loaded take(struct custody_load *load)
{
    struct custody_queue *queue = load->queue;
    size_t count = redis_count(load->reply);
    struct wire_msg msg;
    uint64_t id[2];
    if (count == 0)
        return CUSTODY_GONE;
    if (parse_entry(load, count - 1, id, &msg) != 0) {
        LOG_ERROR("queue-record", "sid=%016llx", (unsigned long long)queue->sid);
        return CUSTODY_GONE;
    }
    queue->last = queue->sent = queue->written = queue->kept = queue->id_number = id[0];
    queue->id_part = (uint32_t)id[1];
    queue->acked = queue->acked_written = msg.u.queue_record.acked;
    queue->handled = queue->handled_kept = msg.u.queue_record.handled;
    custody_load_each(load, 0, take_stanza, queue);
    if (!list_is_linked(&queue->active))
        list_add_tail(&queue->custody->active, &queue->active);
    return CUSTODY_LOADED;
}

static void on_range(void *arg, const struct redis_reply *reply)
{
    struct custody_load *load = arg;
    enum custody_loaded outcome = CUSTODY_DOWN;
    if (redis_type(reply) == REDIS_ERROR)
        LOG_ERROR("queue-load", "text=\"%.*s\"", SPAN_ARG(redis_text(reply)));
    load->reply = reply;
    if (load->queue && !redis_failed(reply))
        outcome = take(load);
    if (load_end(load))
        load->loaded(load->arg, outcome, load);
    load_free(load);
}

void custody_queue_load(struct custody_queue *queue, custody_loaded_fn *loaded, void *arg)
{
    struct custody_load *load = load_new(queue, arg);
    load->loaded = loaded;
    remember_read(queue); /* answered first */
    redis_call(queue->custody->options.redis, on_range, load, SPAN("XRANGE"), key_of(load),
               SPAN("-"), SPAN("+"));
}
