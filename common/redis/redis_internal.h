/* What the files of this layer share. */
#ifndef JACKDAW_REDIS_REDIS_INTERNAL_H
#define JACKDAW_REDIS_REDIS_INTERNAL_H

#include "base/buf.h"
#include "base/list.h"
#include "loop/loop.h"
#include "loop/poll.h"
#include "loop/task.h"
#include "loop/timer.h"
#include "redis/redis.h"

#include <hiredis/async.h>
#include <hiredis/hiredis.h>

#define REDIS_DELAY_FIRST_MS 50
#define REDIS_DELAY_MAX_MS   2000
#define REDIS_SHA_LEN        40

/* Where the server is, from the URL. Strings are owned. */
struct redis_address {
    char *host; /* NULL: unix socket */
    uint16_t port;
    char *path;
    char *password; /* NULL: none */
    uint32_t database;
};

/* The digest of a script the server has told us; empty until then. */
struct redis_known {
    const struct redis_script *script;
    char sha[REDIS_SHA_LEN];
    bool is_known;
    bool is_asked; /* SCRIPT LOAD is under way on this connection */
};

struct redis {
    struct loop *loop;
    struct redis_address address;

    redisAsyncContext *context; /* NULL: none, the retry timer runs */
    struct loop_poll *poll;
    unsigned wanted; /* events asked of poll */
    bool is_up;      /* the greeting was answered */
    bool is_closing;
    bool is_flushing;
    bool was_told_down; /* the loss was logged; say it once */
    uint32_t calling;   /* callbacks on the stack */

    struct loop_task flush;
    struct loop_timer retry;
    uint32_t delay_ms;

    struct loop_timer silence;
    uint64_t answered; /* replies so far, to see progress */
    uint64_t answered_then;

    size_t pending;
    struct list_node refused; /* commands that will be answered with REDIS_DOWN */
    struct loop_task refuse;

    struct redis_known *known;
    size_t known_count;

    void (*on_change)(void *arg, bool up);
    void *on_change_arg;
};

/* address.c: 0, or -1 with a line in `error`. */
int redis_address_parse(const char *url, struct redis_address *address_out, char *error,
                        size_t error_size);
void redis_address_deinit(struct redis_address *address);

/* connect.c */
void redis_connect(struct redis *redis);
/* Drops the connection; the answers of pending commands are called from within. */
void redis_drop(struct redis *redis, const char *why);

/* redis.c: marks the connection as gone before pending commands hear it. */
void redis_lost(struct redis *redis);

/* script.c: digests belong to a connection's server. */
void redis_scripts_forget(struct redis *redis);

#endif
