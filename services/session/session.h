/* The state of a session daemon, and the calls it answers.
 *
 * A call becomes a job: a struct that starts with struct job, lives until it is answered, and is
 * freed with its arena by the answer. What is not answered when the daemon ends is freed then.
 * What leaves the daemon unasked (items to routers, notices) goes through struct session_out, which
 * is the bus in a daemon and a notebook in tests.
 */
#ifndef JACKDAW_SESSION_SESSION_H
#define JACKDAW_SESSION_SESSION_H

#include "account_store.h"
#include "base/arena.h"
#include "base/list.h"
#include "bus/bus.h"
#include "bus/wire.h"
#include "loop/timer.h"
#include "registry/registry.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conf;
struct keeper;
struct loop;
struct oauth;
struct redis;
struct sweep;
struct trace;
struct token_store;
struct work;

struct session_out {
    /* An item to the router that owns `hash`. 0, or -1 when it takes no more for now. */
    int (*send)(void *ctx, uint64_t hash, const struct wire_msg *msg, bus_settled_fn *settled,
                void *arg);
    void (*notice)(void *ctx, const struct wire_msg *msg);
    /* An item to every router; `done` once all have settled it or are gone, never from inside. */
    void (*tell_routers)(void *ctx, const struct wire_msg *msg, void (*done)(void *arg), void *arg);
};

struct session_options {
    struct loop *loop;
    const struct conf *conf; /* the owner may replace it: read anew at each use */
    const struct session_out *out;
    void *out_ctx;
    struct bus *bus;      /* where items come from; may be NULL in tests */
    const char *instance; /* the daemon's name in the registry */
};

struct session {
    struct session_options options;
    struct redis *redis;
    struct account_store *accounts;
    struct token_store *tokens;
    struct work *work;
    struct sweep *sweep;
    struct trace *trace;
    struct oauth *oauth;
    struct keeper *keeper;
    struct list_node jobs;
    struct list_node clearings; /* account_clear.c's */
    struct loop_timer secret_timer;
    bool has_secret;
    uint8_t state_key[CRYPT_KEY_SIZE];    /* seals SASL states */
    uint8_t fake_key[CRYPT_KEY_SIZE];     /* makes up users who do not exist */
    uint8_t token_key[CRYPT_KEY_SIZE];    /* seals tokens in the database */
    uint8_t resource_key[CRYPT_KEY_SIZE]; /* makes resources of clients */
};

/* Returns owned, or NULL with one line in `error`. */
struct session *session_new(const struct session_options *options, char *error, size_t error_size);
void session_free(struct session *session);
/* The configuration is another one, or files that it names. */
void session_reload(struct session *session, const struct conf *conf);
/* Whether logins can be served; if not, what is missing is appended to `why`. */
bool session_is_ready(const struct session *session, struct buf *why);
/* Calls not answered yet. */
size_t session_pending(const struct session *session);

/* `reply` lives for the call. */
typedef void session_reply_fn(void *arg, const struct wire_msg *reply);
/* Answers any call of wire.def that is session's, exactly once, now or later; an unknown one gets
 * a result with the condition feature-not-implemented. Copies what it needs of `msg`. */
void session_call(struct session *session, const struct wire_msg *msg, session_reply_fn *reply,
                  void *arg);

/* ---- jobs ---- */
struct job {
    struct list_node node; /* in session->jobs */
    struct session *session;
    session_reply_fn *reply;
    void *arg;
    void (*cleanup)(struct job *job); /* or NULL: wipes what is secret */
    struct arena arena;
};

/* `size` bytes, zeroed behind the struct job. */
void *job_new(struct session *session, size_t size, session_reply_fn *reply, void *arg);
/* Answers and frees. */
void job_reply(struct job *job, const struct wire_msg *reply);
/* Answers with wire result: `condition` "" means success. */
void job_result(struct job *job, const char *condition, const char *text);

/* ---- what the parts share ---- */
/* Whether it is one of cluster.domains. */
bool session_has_domain(const struct session *session, struct span domain);
/* Ends a session at its holder with a stream error, as far as the holder can be reached. */
void session_end(struct session *session, struct span full_jid, const struct wire_end_session *end);
/* Tells everybody that a session came, moved or changed (bound), or went. */
void session_announce(struct session *session, struct span full_jid,
                      const struct wire_session_record *record, bool bound);

/* The calls' handlers, one per line of the table in session.c. */
typedef void session_call_fn(struct session *session, const struct wire_msg *msg,
                             session_reply_fn *reply, void *arg);
session_call_fn sasl_start_call, sasl_step_call;         /* sasl.c */
session_call_fn bind_call, unbind_call;                  /* bind.c */
session_call_fn account_add_call, account_password_call; /* account_write.c */
session_call_fn account_exists_call, account_list_call;  /* account_read.c */
session_call_fn account_remove_call;                     /* account_remove.c */
session_call_fn session_list_call;                       /* list.c */
session_call_fn session_flags_call;                      /* flags.c */
session_call_fn detach_call, resume_call;                /* detach.c */
session_call_fn trace_read_call;                         /* trace.c */

/* Sets and clears flags (WIRE_SESSION_*) of a bound session and tells everybody. `done` gets
 * REGISTRY_GONE when there is no such session. For handlers of stanzas of the session's own: sid is
 * the request's origin_sid. */
struct session_flags {
    struct span account; /* bare JID */
    uint64_t sid;
    uint32_t set;
    uint32_t clear;
    uint32_t resume_s; /* with WIRE_SESSION_RESUMABLE */
};
typedef void session_flags_fn(void *arg, enum registry_status status);
void session_change_flags(struct session *session, const struct session_flags *flags,
                          session_flags_fn *done, void *arg);

#endif
