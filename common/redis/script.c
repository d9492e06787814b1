/* Scripts: EVALSHA where the server is known to have the script, else EVAL.
 *
 * The digest comes from the server itself (SCRIPT LOAD, sent once per connection along with the
 * first EVAL), so this layer needs no hash function.
 */
#include "redis/redis_internal.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

/* An EVALSHA under way, with all its arguments in case the server has forgotten the script. */
struct redis_run {
    struct redis *redis;
    const struct redis_script *script;
    redis_fn *fn;
    void *arg;
    size_t argc;
    struct span *argv; /* argv[1] is replaced by the text to send it again */
};

static struct redis_known *find_known(struct redis *redis, const struct redis_script *script)
{
    for (size_t i = 0; i < redis->known_count; i++) {
        if (redis->known[i].script == script) {
            return &redis->known[i];
        }
    }
    size_t bytes = (redis->known_count + 1) * sizeof(*redis->known);
    redis->known = mem_realloc(redis->known, bytes);
    struct redis_known *known = &redis->known[redis->known_count++];
    memset(known, 0, sizeof(*known));
    known->script = script;
    return known;
}

void redis_scripts_forget(struct redis *redis)
{
    for (size_t i = 0; i < redis->known_count; i++) {
        redis->known[i].is_known = false;
        redis->known[i].is_asked = false;
    }
}

struct redis_load {
    struct redis *redis;
    const struct redis_script *script;
};

static void on_loaded(void *arg, const struct redis_reply *reply)
{
    struct redis_load *load = arg;
    struct redis_known *known = find_known(load->redis, load->script);
    struct span sha = redis_text(reply);
    if (redis_type(reply) == REDIS_STRING && sha.len == REDIS_SHA_LEN) {
        memcpy(known->sha, sha.data, REDIS_SHA_LEN);
        known->is_known = true;
    }
    mem_free(load);
}

static void ask_digest(struct redis *redis, struct redis_known *known)
{
    struct redis_load *load = mem_alloc(sizeof(*load));
    load->redis = redis;
    load->script = known->script;
    known->is_asked = true;
    redis_call(redis, on_loaded, load, SPAN("SCRIPT"), SPAN("LOAD"), span_cstr(load->script->text));
}

/* The whole command in one allocation: header, argv, and the bytes of all arguments. */
static struct redis_run *run_new(struct redis *redis, const struct redis_known *known,
                                 const struct redis_script_args *args)
{
    size_t argc = 3 + args->key_count + args->arg_count;
    size_t bytes = 16 + REDIS_SHA_LEN;
    for (size_t i = 0; i < args->key_count; i++) {
        bytes += args->keys[i].len;
    }
    for (size_t i = 0; i < args->arg_count; i++) {
        bytes += args->args[i].len;
    }
    struct redis_run *run = mem_calloc(1, sizeof(*run) + argc * sizeof(struct span) + bytes);
    run->redis = redis;
    run->script = known->script;
    run->argc = argc;
    run->argv = (struct span *)(void *)(run + 1);
    char *at = (char *)(run->argv + argc);
    run->argv[0] = known->is_known ? SPAN("EVALSHA") : SPAN("EVAL");
    run->argv[1] = span_cstr(known->script->text);
    if (known->is_known) {
        memcpy(at, known->sha, REDIS_SHA_LEN);
        run->argv[1] = span_of(at, REDIS_SHA_LEN);
        at += REDIS_SHA_LEN;
    }
    run->argv[2] = span_of(at, (size_t)snprintf(at, 16, "%u", (unsigned)args->key_count));
    at += run->argv[2].len;
    for (size_t i = 0; i < args->key_count + args->arg_count; i++) {
        struct span from = i < args->key_count ? args->keys[i] : args->args[i - args->key_count];
        if (from.len) {
            memcpy(at, from.data, from.len);
        }
        run->argv[3 + i] = span_of(at, from.len);
        at += from.len;
    }
    return run;
}

static void on_run(void *arg, const struct redis_reply *reply)
{
    struct redis_run *run = arg;
    bool is_forgotten =
        redis_type(reply) == REDIS_ERROR && span_has_prefix(redis_text(reply), SPAN("NOSCRIPT"));
    if (is_forgotten) {
        struct redis_known *known = find_known(run->redis, run->script);
        known->is_known = false;
        known->is_asked = false;
        run->argv[0] = SPAN("EVAL");
        run->argv[1] = span_cstr(run->script->text);
        redis_command(run->redis, run->fn, run->arg, run->argc, run->argv);
    } else if (run->fn) {
        run->fn(run->arg, reply);
    }
    mem_free(run);
}

void redis_run(struct redis *redis, const struct redis_script *script,
               const struct redis_script_args *args, redis_fn *fn, void *arg)
{
    struct redis_known *known = find_known(redis, script);
    if (!known->is_asked && redis->is_up) {
        ask_digest(redis, known);
    }
    struct redis_run *run = run_new(redis, known, args);
    run->fn = fn;
    run->arg = arg;
    if (known->is_known) {
        redis_command(redis, on_run, run, run->argc, run->argv);
    } else {
        redis_command(redis, fn, arg, run->argc, run->argv);
        mem_free(run);
    }
}
