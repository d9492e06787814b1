/* What session's tests share: a private Redis, SQLite in a new directory, the daemon's state on a
 * loop, and a notebook instead of the bus. */
#ifndef JACKDAW_TESTS_SESSION_RIG_H
#define JACKDAW_TESTS_SESSION_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../registry/private_redis.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "loop/loop.h"
#include "loop/timer.h"
#include "redis/redis.h"
#include "session.h"

#define RIG_SENT_MAX 2000

#define RIG_DUE_MAX 1000

struct rig {
    struct private_redis server;
    struct loop *loop;
    struct loop_timer tick;
    struct conf *conf;
    struct session *session;
    char dir[64];
    /* the latest reply */
    int answers;
    enum wire_id id;
    char condition[64];
    char text[256];
    uint32_t outcome;
    struct buf data;
    struct buf state;
    char account[256]; /* or full JID */
    char token[100];
    uint64_t token_expires_ms;
    char list[4096];
    bool more;
    char after[128];
    uint64_t sid;
    /* what left */
    bool is_router_full;
    bool settles; /* items are settled at once */
    char sent[65536];
    int ends;
    int routes;
    int notices;
    uint32_t flags; /* in the latest notice of a session */
    struct {
        bus_settled_fn *settled;
        void *arg;
    } due[RIG_DUE_MAX]; /* settlements, told at the next tick */
    size_t due_count;
    char missed[400]; /* origin numbers of what was given back to routers */
    int missed_count;
    uint64_t epoch; /* of the latest resume_reply */
    uint64_t handled;
    bool is_known;
};

static inline void rig_tick(void *arg)
{
    struct rig *rig = arg;
    size_t count = rig->due_count;
    for (size_t i = 0; i < count; i++)
        rig->due[i].settled(rig->due[i].arg, BUS_SETTLED);
    memmove(rig->due, rig->due + count, (rig->due_count - count) * sizeof(rig->due[0]));
    rig->due_count -= count;
}

static inline void rig_note(char *where, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static inline void rig_note(char *where, size_t size, const char *format, ...)
{
    va_list args;
    size_t len = strlen(where);
    va_start(args, format);
    (void)vsnprintf(where + len, size - len, format, args);
    va_end(args);
}

static inline int rig_send(void *ctx, uint64_t hash, const struct wire_msg *msg,
                           bus_settled_fn *settled, void *arg)
{
    struct rig *rig = ctx;
    (void)hash;
    if (rig->is_router_full) {
        return -1;
    }
    if (msg->id == WIRE_ID_end_session) {
        rig->ends++;
        rig_note(rig->sent, sizeof(rig->sent), "end sid=%llx holder=%.*s %.*s\n",
                 (unsigned long long)msg->u.end_session.sid, SPAN_ARG(msg->u.end_session.holder),
                 SPAN_ARG(msg->u.end_session.condition));
    } else if (msg->id == WIRE_ID_route) {
        rig->routes++;
    } else if (msg->id == WIRE_ID_missed) {
        rig->missed_count++;
        rig_note(rig->missed, sizeof(rig->missed), "%llu ",
                 (unsigned long long)msg->u.missed.origin_n);
    } else if (msg->id == WIRE_ID_clear_account) {
        rig_note(rig->sent, sizeof(rig->sent), "clear %.*s\n",
                 SPAN_ARG(msg->u.clear_account.account));
    }
    if (settled && rig->settles) { /* never from inside (bus/bus.h) */
        assert_true(rig->due_count < RIG_DUE_MAX);
        rig->due[rig->due_count].settled = settled;
        rig->due[rig->due_count++].arg = arg;
    }
    return 0;
}

static inline void rig_notice(void *ctx, const struct wire_msg *msg)
{
    struct rig *rig = ctx;
    rig->notices++;
    if (msg->id == WIRE_ID_session_changed) {
        rig->flags = msg->u.session_changed.flags;
        rig_note(rig->sent, sizeof(rig->sent), "changed %.*s sid=%llx bound=%u\n",
                 SPAN_ARG(msg->u.session_changed.jid),
                 (unsigned long long)msg->u.session_changed.sid,
                 (unsigned)msg->u.session_changed.bound);
    } else {
        rig_note(rig->sent, sizeof(rig->sent), "%s %.*s\n", wire_name(msg->id),
                 SPAN_ARG(msg->u.account_removed.account));
    }
}

static inline void rig_tell_routers(void *ctx, const struct wire_msg *msg, void (*done)(void *arg),
                                    void *arg)
{
    (void)ctx;
    assert_int_equal(msg->id, WIRE_ID_forget_account);
    done(arg);
}

static const struct session_out rig_out = {rig_send, rig_notice, rig_tell_routers};

static inline void rig_until(struct rig *rig, const int *what, int target)
{
    uint64_t deadline = clock_mono_ms() + 20000;
    while (*what < target) {
        assert_true(clock_mono_ms() < deadline);
        loop_run_once(rig->loop, 1);
    }
}

static inline void rig_wait_ms(struct rig *rig, uint64_t ms)
{
    uint64_t end = clock_mono_ms() + ms;
    while (clock_mono_ms() < end) {
        loop_run_once(rig->loop, 1);
    }
}

static inline void rig_wait_ready(struct rig *rig)
{
    uint64_t deadline = clock_mono_ms() + 20000;
    struct buf why = {0};
    while (!session_is_ready(rig->session, &why)) {
        assert_true(clock_mono_ms() < deadline);
        loop_run_once(rig->loop, 1);
    }
    buf_deinit(&why);
}

/* Sets an option and loads the configuration anew. */
static inline void rig_option(struct rig *rig, const char *name, const char *value)
{
    struct buf error = {0};
    (void)setenv(name, value, 1);
    struct conf *conf = conf_load(NULL, &error);
    if (!conf) {
        fail_msg("%s", buf_cstr(&error));
    }
    buf_deinit(&error);
    if (rig->session) {
        rig->session->options.conf = conf;
    }
    conf_free(rig->conf);
    rig->conf = conf;
}

static inline struct session *rig_session_new(struct rig *rig)
{
    char error[200] = "";
    struct session_options options = {
        .loop = rig->loop,
        .conf = rig->conf,
        .out = &rig_out,
        .out_ctx = rig,
        .instance = "session-1",
    };
    struct session *session = session_new(&options, error, sizeof(error));
    if (!session) {
        fail_msg("%s", error);
    }
    return session;
}

static inline int rig_setup(void **state)
{
    struct rig *rig = mem_calloc(1, sizeof(*rig));
    char url[100];
    private_redis_start(&rig->server);
    (void)snprintf(rig->dir, sizeof(rig->dir), "/tmp/jackdaw-session-XXXXXX");
    assert_non_null(mkdtemp(rig->dir));
    (void)snprintf(url, sizeof(url), "sqlite:%s", rig->dir);
    rig->loop = loop_new();
    loop_timer_init(&rig->tick, rig->loop, rig_tick, rig);
    loop_timer_start(&rig->tick, 10, 10);
    log_set_level(LOG_LEVEL_ERROR);
    rig_option(rig, "JACKDAW_REDIS_URL", rig->server.url);
    rig_option(rig, "JACKDAW_SQL_URL", url);
    rig_option(rig, "JACKDAW_SESSION_ITERATIONS", "4096");
    rig_option(rig, "JACKDAW_CLUSTER_DOMAINS", "example.org, example.net");
    rig->settles = true;
    rig->session = rig_session_new(rig);
    rig_wait_ready(rig);
    *state = rig;
    return 0;
}

static inline int rig_teardown(void **state)
{
    struct rig *rig = *state;
    static const char *const set[] = {
        "JACKDAW_SESSION_REGISTRATION",   "JACKDAW_SESSION_MAX_REGISTRATIONS",
        "JACKDAW_SESSION_MAX_FAILURES",   "JACKDAW_SESSION_MAX_SESSIONS",
        "JACKDAW_SESSION_CONFLICT",       "JACKDAW_SESSION_SASL_TIMEOUT",
        "JACKDAW_CLUSTER_LEASE",          "JACKDAW_SESSION_SWEEP_INTERVAL",
        "JACKDAW_SESSION_FAILURE_WINDOW", "JACKDAW_SESSION_MAX_QUEUED_HASHES",
        "JACKDAW_SESSION_TOKEN_ROTATION", "JACKDAW_SESSION_MAX_TOKENS",
    };
    char command[100];
    loop_timer_stop(&rig->tick);
    session_free(rig->session);
    loop_free(rig->loop);
    private_redis_stop(&rig->server);
    conf_free(rig->conf);
    for (size_t i = 0; i < sizeof(set) / sizeof(set[0]); i++) {
        (void)unsetenv(set[i]);
    }
    (void)snprintf(command, sizeof(command), "rm -rf %s", rig->dir);
    assert_int_equal(system(command), 0);
    buf_deinit(&rig->data);
    buf_deinit(&rig->state);
    mem_free(rig);
    return 0;
}

/* ---- calls ---- */

static inline void rig_keep(char *out, size_t size, struct span s)
{
    (void)snprintf(out, size, "%.*s", SPAN_ARG(s));
}

static inline void rig_on_sasl(struct rig *rig, const struct wire_sasl_reply *reply)
{
    rig->outcome = reply->outcome;
    rig_keep(rig->condition, sizeof(rig->condition), reply->condition);
    rig_keep(rig->text, sizeof(rig->text), reply->text);
    rig_keep(rig->account, sizeof(rig->account), reply->account);
    rig_keep(rig->token, sizeof(rig->token), reply->token);
    rig->token_expires_ms = reply->token_expires_ms;
    buf_reset(&rig->data);
    buf_append_span(&rig->data, reply->data);
    if (reply->outcome == WIRE_SASL_CHALLENGE) {
        buf_reset(&rig->state);
        buf_append_span(&rig->state, reply->state);
    }
}

static inline void rig_on_bind(struct rig *rig, const struct wire_bind_reply *reply)
{
    rig_keep(rig->condition, sizeof(rig->condition), reply->condition);
    rig_keep(rig->text, sizeof(rig->text), reply->text);
    rig_keep(rig->account, sizeof(rig->account), reply->jid);
    rig->sid = reply->sid;
}

static inline void rig_on_list(struct rig *rig, struct wire_strs names)
{
    rig->list[0] = '\0';
    for (uint32_t i = 0; i < names.count; i++) {
        rig_note(rig->list, sizeof(rig->list), "%.*s\n", SPAN_ARG(names.items[i]));
    }
}

static inline void rig_on_reply(void *arg, const struct wire_msg *reply)
{
    struct rig *rig = arg;
    rig->answers++;
    rig->id = reply->id;
    if (reply->id == WIRE_ID_sasl_reply) {
        rig_on_sasl(rig, &reply->u.sasl_reply);
    } else if (reply->id == WIRE_ID_bind_reply) {
        rig_on_bind(rig, &reply->u.bind_reply);
    } else if (reply->id == WIRE_ID_resume_reply) {
        rig_keep(rig->condition, sizeof(rig->condition), reply->u.resume_reply.condition);
        rig_keep(rig->account, sizeof(rig->account), reply->u.resume_reply.jid);
        rig->epoch = reply->u.resume_reply.epoch;
        rig->handled = reply->u.resume_reply.handled;
        rig->is_known = reply->u.resume_reply.is_known != 0;
    } else if (reply->id == WIRE_ID_account_list_reply) {
        rig_on_list(rig, reply->u.account_list_reply.accounts);
        rig->more = reply->u.account_list_reply.more;
    } else if (reply->id == WIRE_ID_session_list_reply) {
        rig_on_list(rig, reply->u.session_list_reply.jids);
        rig->more = reply->u.session_list_reply.more;
        rig_keep(rig->after, sizeof(rig->after), reply->u.session_list_reply.after);
    } else {
        rig_keep(rig->condition, sizeof(rig->condition), reply->u.result.condition);
        rig_keep(rig->text, sizeof(rig->text), reply->u.result.text);
    }
}

static inline void rig_call(struct rig *rig, const struct wire_msg *msg)
{
    int now = rig->answers;
    session_call(rig->session, msg, rig_on_reply, rig);
    rig_until(rig, &rig->answers, now + 1);
    assert_int_equal(rig->answers, now + 1);
}

static inline const char *rig_add(struct rig *rig, const char *account, const char *password,
                                  uint32_t flags)
{
    struct wire_msg msg = {.id = WIRE_ID_account_add};
    msg.u.account_add = (struct wire_account_add){
        .account = span_cstr(account),
        .password = span_cstr(password),
        .address = SPAN("192.0.2.7"),
        .flags = flags,
    };
    rig_call(rig, &msg);
    return rig->condition;
}

static inline const char *rig_bind(struct rig *rig, const char *account, const char *resource,
                                   const char *holder)
{
    struct wire_msg msg = {.id = WIRE_ID_bind};
    msg.u.bind = (struct wire_bind){
        .account = span_cstr(account),
        .resource = span_cstr(resource),
        .holder = span_cstr(holder),
        .address = SPAN("192.0.2.7"),
        .transport = SPAN("ws"),
    };
    rig_call(rig, &msg);
    return rig->condition;
}

static inline const char *rig_exists(struct rig *rig, const char *account)
{
    struct wire_msg msg = {.id = WIRE_ID_account_exists};
    msg.u.account_exists.account = span_cstr(account);
    rig_call(rig, &msg);
    return rig->condition;
}

/* All pages, into rig->list. */
static inline void rig_list(struct rig *rig)
{
    char all[sizeof(rig->list)] = "";
    struct wire_msg msg = {.id = WIRE_ID_session_list};
    rig->after[0] = '\0';
    do {
        char after[sizeof(rig->after)];
        rig_keep(after, sizeof(after), span_cstr(rig->after));
        msg.u.session_list.after = span_cstr(after);
        rig_call(rig, &msg);
        rig_note(all, sizeof(all), "%s", rig->list);
    } while (rig->more);
    rig_keep(rig->list, sizeof(rig->list), span_cstr(all));
}

#endif
