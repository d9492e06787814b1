/* Making notes. */
#include "trace/trace.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "jid/jid.h"
#include "redis/keys.h"
#include "redis/redis.h"

#include <stdio.h>

#define NOTES_MAX   SPAN("200") /* of one stanza: a fan-out must not fill Redis */
#define STANZAS_MAX SPAN("-11") /* of one `id` attribute: the ten latest are kept */

struct trace {
    struct redis *redis;
    const char *instance;
    const struct conf *conf;
    uint64_t keep_ms; /* 0: off */
    struct arena arena;
};

void trace_id_format(struct trace_id id, char out[TRACE_ID_SIZE])
{
    (void)snprintf(out, TRACE_ID_SIZE, "%016llx-%llu", (unsigned long long)id.origin_sid,
                   (unsigned long long)id.origin_n);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int trace_id_parse(struct span text, struct trace_id *id_out)
{
    *id_out = (struct trace_id){0};
    if (text.len < 18 || text.data[16] != '-')
        return -1;
    for (size_t i = 0; i < 16; i++) {
        int digit = hex_digit(text.data[i]);
        if (digit < 0)
            return -1;
        id_out->origin_sid = id_out->origin_sid << 4 | (uint64_t)digit;
    }
    return span_to_u64(span_from(text, 17), &id_out->origin_n);
}

void trace_configure(struct trace *trace, const struct conf *conf)
{
    trace->conf = conf;
    trace->keep_ms = conf_u64(conf, CONF_trace_keep);
}

struct trace *trace_new(struct redis *redis, const char *instance, const struct conf *conf)
{
    struct trace *trace = mem_calloc(1, sizeof(*trace));
    trace->redis = redis;
    trace->instance = instance;
    trace_configure(trace, conf);
    return trace;
}

void trace_free(struct trace *trace)
{
    if (!trace)
        return;
    arena_deinit(&trace->arena);
    mem_free(trace);
}

bool trace_wants(const struct trace *trace, struct span from, struct span to)
{
    const struct span *accounts;
    if (!trace || trace->keep_ms == 0)
        return false;
    size_t count = conf_list(trace->conf, CONF_trace_accounts, &accounts);
    for (size_t i = 0; i < count; i++) {
        if (span_eq(accounts[i], jid_bare(from)) || span_eq(accounts[i], jid_bare(to)))
            return true;
    }
    return count == 0;
}

static struct span keep(struct trace *trace)
{
    return arena_printf(&trace->arena, "%llu", (unsigned long long)trace->keep_ms);
}

static struct span id_text(struct trace *trace, struct trace_id id)
{
    char text[TRACE_ID_SIZE];
    trace_id_format(id, text);
    return arena_copy(&trace->arena, span_cstr(text));
}

void trace_note(struct trace *trace, struct trace_id id, const char *what, struct span detail)
{
    struct arena *arena = &trace->arena;
    arena_reset(arena);
    struct span key = redis_key(REDIS_KEY_trace, id_text(trace, id), (struct span){0}, arena);
    redis_call(trace->redis, NULL, NULL, SPAN("XADD"), key, SPAN("MAXLEN"), SPAN("~"), NOTES_MAX,
               SPAN("*"), SPAN("at"),
               arena_printf(arena, "%llu", (unsigned long long)clock_real_us()), SPAN("daemon"),
               span_cstr(trace->instance), SPAN("what"), span_cstr(what), SPAN("detail"), detail);
    redis_call(trace->redis, NULL, NULL, SPAN("PEXPIRE"), key, keep(trace));
}

void trace_begin(struct trace *trace, struct trace_id id, const struct stanza *stanza)
{
    struct arena *arena = &trace->arena;
    char detail[512];
    (void)snprintf(detail, sizeof(detail), "%s%s%s from %.*s to %.*s",
                   stanza_kind_name(stanza->kind), *stanza_type_name(stanza->type) ? " " : "",
                   stanza_type_name(stanza->type), SPAN_ARG(stanza->from), SPAN_ARG(stanza->to));
    trace_note(trace, id, "accepted", span_cstr(detail));
    if (span_is_empty(stanza->id))
        return;
    struct span key = redis_key(REDIS_KEY_traced, stanza->id, (struct span){0}, arena);
    struct span score = arena_printf(arena, "%llu", (unsigned long long)clock_real_ms());
    redis_call(trace->redis, NULL, NULL, SPAN("ZADD"), key, score, id_text(trace, id));
    redis_call(trace->redis, NULL, NULL, SPAN("ZREMRANGEBYRANK"), key, SPAN("0"), STANZAS_MAX);
    redis_call(trace->redis, NULL, NULL, SPAN("PEXPIRE"), key, keep(trace));
}
