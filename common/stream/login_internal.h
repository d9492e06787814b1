/* Until a session is bound: TLS, SASL, calls to session. Inside stream only; stream_internal.h
 * includes it. */
#ifndef JACKDAW_STREAM_LOGIN_INTERNAL_H
#define JACKDAW_STREAM_LOGIN_INTERNAL_H

#include "base/list.h"
#include "bus/bus.h"
#include "stanza/stanza.h"
#include "xml/xml.h"

#include <stdbool.h>
#include <stdint.h>

struct stream;
struct stream_host;
struct stream_login;

/* A call to session on behalf of a stream that may be gone when the answer comes. */
struct stream_call;
typedef void stream_call_fn(struct stream_call *call, enum bus_outcome outcome,
                            const struct wire_msg *reply);
struct stream_call {
    struct list_node node; /* in host->calls */
    struct stream_host *host;
    struct stream *stream; /* NULL when it is gone */
    stream_call_fn *fn;
};

/* starttls.c */
bool stream_awaits_tls(const struct stream *stream); /* nobody may log in before it is encrypted */
void stream_starttls(struct stream *stream, const struct xml_top *top);

/* login.c: calls to session, and answers to the iq that caused them. */
struct stream_login *stream_login_new(void);
/* Lets go of what a bound stream needs no more, as soon as nothing of it waits. */
void stream_login_done(struct stream *stream);
void stream_login_free(struct stream_login *login);
/* The client's header: `from` is a bare JID or empty. */
void stream_login_set_header(struct stream *stream, struct span domain, struct span from);
void stream_login_call(struct stream *stream, uint64_t hash, const struct wire_msg *request,
                       stream_call_fn *fn);
/* The same with a call of the caller's making, which begins with struct stream_call; taken. */
void stream_login_ask(struct stream *stream, uint64_t hash, const struct wire_msg *request,
                      struct stream_call *call, stream_call_fn *fn);
/* What login->is_waiting stood for is over: input goes on. */
void stream_login_go_on(struct stream *stream);
void stream_login_keep_iq(struct stream *stream, const struct stanza *iq);
void stream_answer_iq(struct stream *stream, struct span payload);
void stream_refuse_iq(struct stream *stream, const char *condition, struct span text);
/* register.c */
void stream_register_iq(struct stream *stream, const struct xml_top *top);

#endif
