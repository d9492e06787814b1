/* Redis, asynchronously: one connection per daemon, pipelined. The only user of hiredis.
 *
 * Commands issued in one turn of the loop leave together in one write when the turn ends, and are
 * answered in order. Nothing here blocks. When the connection is lost every command without an
 * answer is answered with REDIS_DOWN (it may or may not have been executed), and so is every
 * command that is issued before the connection is back; reconnecting is tried with a growing delay
 * (50 ms to 2 s). A Redis that has stopped answering for REDIS_SILENCE_MS counts as lost.
 *
 * Addresses: "redis://[:password@]host:port[/database]" or "unix:/path[?database]".
 */
#ifndef JACKDAW_REDIS_REDIS_H
#define JACKDAW_REDIS_REDIS_H

#include "base/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REDIS_SILENCE_MS 5000

struct loop;
struct redis;
struct redis_reply;

/* Opens nothing yet but starts connecting. Returns owned, or NULL with one line in `error` when
 * `url` is not an address of the forms above. A Redis that cannot be reached is no error. */
struct redis *redis_new(struct loop *loop, const char *url, char *error, size_t error_size);
/* Closes. Commands without an answer are answered with REDIS_DOWN from within. NULL is allowed. */
void redis_free(struct redis *redis);
/* Whether commands can be sent now: for readiness. */
bool redis_is_up(const struct redis *redis);
/* `fn` is called whenever the connection has come (up) or gone. One listener; NULL: none. */
void redis_on_change(struct redis *redis, void (*fn)(void *arg, bool up), void *arg);
/* Commands that were sent and not answered yet. */
size_t redis_pending(const struct redis *redis);

/* ---- commands ---- */
/* Called exactly once per command, never from inside redis_command. `reply` lives for the call. */
typedef void redis_fn(void *arg, const struct redis_reply *reply);
/* Sends one command; the arguments are copied. `fn` may be NULL: an error is logged and forgotten.
 */
void redis_command(struct redis *redis, redis_fn *fn, void *arg, size_t argc,
                   const struct span *argv);
/* Sends what was issued in this turn now instead of at its end. */
void redis_flush(struct redis *redis);
/* redis_call(redis, fn, arg, SPAN("HGET"), key, field) */
#define redis_call(redis, fn, arg, ...)                                                            \
    redis_command((redis), (fn), (arg),                                                            \
                  sizeof((struct span[]){__VA_ARGS__}) / sizeof(struct span),                      \
                  (struct span[]){__VA_ARGS__})

/* ---- scripts ---- */
struct redis_script {
    const char *name; /* for logs */
    const char *text; /* Lua */
};

/* What a script is called with. Keys that belong together share a hash tag (keys.def). */
struct redis_script_args {
    const struct span *keys;
    size_t key_count;
    const struct span *args;
    size_t arg_count;
};

/* Runs the script: by its digest when the server knows it, else by its text. `script` must be
 * static (it is remembered by address). Order with other commands holds, except after a SCRIPT
 * FLUSH. */
void redis_run(struct redis *redis, const struct redis_script *script,
               const struct redis_script_args *args, redis_fn *fn, void *arg);

/* ---- replies ---- */
enum redis_type {
    REDIS_DOWN,  /* no answer: Redis is not reachable */
    REDIS_ERROR, /* redis_text is the error's line */
    REDIS_NIL,
    REDIS_STRING, /* also simple strings such as OK */
    REDIS_INTEGER,
    REDIS_ARRAY,
};

enum redis_type redis_type(const struct redis_reply *reply);
/* True for REDIS_DOWN and REDIS_ERROR. */
bool redis_failed(const struct redis_reply *reply);
/* Bytes of a string or an error; empty for anything else. */
struct span redis_text(const struct redis_reply *reply);
/* An integer, or a string of digits as one; 0 for anything else. */
int64_t redis_integer(const struct redis_reply *reply);
/* Elements of an array; 0 for anything else. */
size_t redis_count(const struct redis_reply *reply);
/* The element `i` < redis_count. */
const struct redis_reply *redis_at(const struct redis_reply *reply, size_t i);

#endif
