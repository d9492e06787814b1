/* Reading notes: which stanzas are meant, then the stream of each. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"
#include "redis/keys.h"
#include "redis/redis.h"
#include "trace/trace.h"

#include <stdlib.h>

struct reading {
    trace_read_fn *fn;
    void *arg;
    struct redis *redis;
    struct arena arena;
    struct buf lines; /* struct trace_line */
    struct trace_id *ids;
    size_t count;
    size_t at; /* the stanza being read */
    bool has_failed;
};

static void read_next(struct reading *reading);

static void end(struct reading *reading)
{
    reading->fn(reading->arg, !reading->has_failed,
                (const struct trace_line *)(void *)reading->lines.data,
                reading->lines.len / sizeof(struct trace_line));
    arena_deinit(&reading->arena);
    buf_deinit(&reading->lines);
    mem_free(reading);
}

/* The fields of a note, by name. */
static void take_field(struct reading *reading, struct trace_line *line, struct span name,
                       struct span value)
{
    struct {
        struct span name;
        struct span *place;
    } const fields[] = {
        {SPAN("daemon"), &line->daemon},
        {SPAN("what"), &line->what},
        {SPAN("detail"), &line->detail},
    };
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (span_eq(fields[i].name, name))
            *fields[i].place = arena_copy(&reading->arena, value);
    }
    if (span_eq(name, SPAN("at")))
        (void)span_to_u64(value, &line->at_us);
}

static void take_entry(struct reading *reading, const struct redis_reply *entry)
{
    struct trace_line line = {.id = reading->ids[reading->at]};
    if (redis_count(entry) != 2)
        return;
    const struct redis_reply *fields = redis_at(entry, 1);
    for (size_t i = 0; i + 1 < redis_count(fields); i += 2)
        take_field(reading, &line, redis_text(redis_at(fields, i)),
                   redis_text(redis_at(fields, i + 1)));
    buf_append(&reading->lines, &line, sizeof(line));
}

static int by_time(const void *a, const void *b)
{
    const struct trace_line *one = a;
    const struct trace_line *other = b;
    return (one->at_us > other->at_us) - (one->at_us < other->at_us);
}

static void on_stream(void *arg, const struct redis_reply *reply)
{
    struct reading *reading = arg;
    size_t before = reading->lines.len;
    reading->has_failed |= redis_failed(reply);
    for (size_t i = 0; i < redis_count(reply); i++)
        take_entry(reading, redis_at(reply, i));
    if (reading->lines.len > before)
        qsort(reading->lines.data + before,
              (reading->lines.len - before) / sizeof(struct trace_line), sizeof(struct trace_line),
              by_time);
    reading->at++;
    read_next(reading);
}

static void read_next(struct reading *reading)
{
    char text[TRACE_ID_SIZE];
    if (reading->has_failed || reading->at == reading->count) {
        end(reading);
        return;
    }
    trace_id_format(reading->ids[reading->at], text);
    redis_call(reading->redis, on_stream, reading, SPAN("XRANGE"),
               redis_key(REDIS_KEY_trace, span_cstr(text), (struct span){0}, &reading->arena),
               SPAN("-"), SPAN("+"));
}

static void on_ids(void *arg, const struct redis_reply *reply)
{
    struct reading *reading = arg;
    reading->has_failed |= redis_failed(reply);
    reading->ids = arena_calloc(&reading->arena, redis_count(reply) + 1, sizeof(*reading->ids));
    for (size_t i = 0; i < redis_count(reply); i++) {
        if (trace_id_parse(redis_text(redis_at(reply, i)), &reading->ids[reading->count]) == 0)
            reading->count++;
    }
    read_next(reading);
}

void trace_read(struct redis *redis, struct span name, trace_read_fn *fn, void *arg)
{
    struct reading *reading = mem_calloc(1, sizeof(*reading));
    struct trace_id id;
    reading->fn = fn;
    reading->arg = arg;
    reading->redis = redis;
    if (trace_id_parse(name, &id) == 0) {
        reading->ids = arena_calloc(&reading->arena, 1, sizeof(*reading->ids));
        reading->ids[reading->count++] = id;
        read_next(reading);
        return;
    }
    redis_call(redis, on_ids, reading, SPAN("ZRANGE"),
               redis_key(REDIS_KEY_traced, name, (struct span){0}, &reading->arena), SPAN("0"),
               SPAN("-1"));
}
