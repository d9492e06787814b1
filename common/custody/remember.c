/* Notes on what was delivered: one HSET for each queue and tick, all of it at a takeover. */
#include "custody/remember.h"

#include "base/log.h"
#include "base/mem.h"
#include "jid/jid.h"
#include "redis/keys.h"
#include "redis/redis.h"

#include <inttypes.h>

#define SID_DIGITS 16

/* A command under way; the queue may be gone when it is answered. */
struct noting {
    struct custody *custody;
    struct list_node node; /* in custody->noting */
    uint64_t sid;
};

static struct span key_of(const struct custody_queue *queue, struct arena *arena)
{
    return redis_key(REDIS_KEY_delivered, jid_bare(span_cstr(queue->account)),
                     arena_printf(arena, "%016" PRIx64, queue->sid), arena);
}

static struct noting *noting_new(const struct custody_queue *queue)
{
    struct noting *noting = mem_calloc(1, sizeof(*noting));
    noting->custody = queue->custody;
    noting->sid = queue->sid;
    list_add_tail(&queue->custody->noting, &noting->node);
    return noting;
}

/* Takes: NULL when the custody has ended. */
static struct custody *noting_end(struct noting *noting, uint64_t *sid_out)
{
    struct custody *custody = noting->custody;
    *sid_out = noting->sid;
    list_remove(&noting->node);
    mem_free(noting);
    return custody;
}

void custody_forget_noting(struct custody *custody)
{
    for (struct list_node *node; (node = list_pop(&custody->noting));)
        CONTAINER_OF(node, struct noting, node)->custody = NULL;
}

/* ---- writing ---- */

struct notes {
    struct arena *arena;
    struct buf argv; /* struct span */
};

static void add(struct notes *notes, struct span text)
{
    buf_append(&notes->argv, &text, sizeof(text));
}

static void add_pair(void *arg, const struct seen_pair *pair)
{
    struct notes *notes = arg;
    struct buf text = {0};
    seen_pair_write(pair, &text);
    add(notes, arena_printf(notes->arena, "%016" PRIx64, pair->origin_sid));
    add(notes, arena_copy(notes->arena, buf_span(&text)));
    buf_deinit(&text);
}

static void on_noted(void *arg, const struct redis_reply *reply)
{
    uint64_t sid;
    bool has_failed = redis_failed(reply);
    struct custody *custody = noting_end(arg, &sid);
    if (custody && has_failed)
        seen_again(&custody->seen, sid);
}

void remember_write(struct custody_queue *queue)
{
    struct custody *custody = queue->custody;
    struct notes notes = {.arena = &custody->arena};
    struct span key = key_of(queue, notes.arena);
    add(&notes, SPAN("HSET"));
    add(&notes, key);
    seen_news(&custody->seen, queue->sid, add_pair, &notes);
    size_t count = notes.argv.len / sizeof(struct span);
    if (count > 2) {
        redis_command(custody->options.redis, on_noted, noting_new(queue), count,
                      (const struct span *)(const void *)notes.argv.data);
        redis_call(custody->options.redis, NULL, NULL, SPAN("PEXPIRE"), key,
                   arena_printf(notes.arena, "%" PRIu64, custody->options.remember_ms));
    }
    buf_deinit(&notes.argv);
}

/* ---- reading ---- */

static int parse_sid(struct span text, uint64_t *sid_out)
{
    *sid_out = 0;
    if (text.len != SID_DIGITS)
        return -1;
    for (size_t i = 0; i < text.len; i++) {
        static const char digits[] = "0123456789abcdef";
        const char *digit = text.data[i] ? strchr(digits, text.data[i]) : NULL;
        if (!digit)
            return -1;
        *sid_out = *sid_out << 4 | (uint64_t)(digit - digits);
    }
    return 0;
}

static void on_read(void *arg, const struct redis_reply *reply)
{
    uint64_t sid;
    struct custody *custody = noting_end(arg, &sid);
    for (size_t i = 0; custody && i + 1 < redis_count(reply); i += 2) {
        uint64_t origin_sid;
        if (parse_sid(redis_text(redis_at(reply, i)), &origin_sid) != 0 ||
            seen_pair_read(&custody->seen, sid, origin_sid, redis_text(redis_at(reply, i + 1))) !=
                0)
            LOG_ERROR("delivered-record", "sid=%016" PRIx64, sid);
    }
}

void remember_read(struct custody_queue *queue)
{
    struct custody *custody = queue->custody;
    if (custody->options.remember_ms == 0)
        return;
    arena_reset(&custody->arena);
    redis_call(custody->options.redis, on_read, noting_new(queue), SPAN("HGETALL"),
               key_of(queue, &custody->arena));
}
