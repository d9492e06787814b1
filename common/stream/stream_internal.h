/* What the files of stream share.
 *
 * A stream lives as long as its connection; what it is about (a session: JID, numbers, what the bus
 * did not take yet) lives in a struct stream_session of its own, because a session must be said
 * unavailable and be unbound after its connection is gone. What only a login needs is in a struct
 * stream_login that goes away when the session is bound, so that an idle session costs little.
 */
#ifndef JACKDAW_STREAM_INTERNAL_H
#define JACKDAW_STREAM_INTERNAL_H

#include "admit/quiet.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "custody/custody.h"
#include "loop/task.h"
#include "loop/timer.h"
#include "stanza/stanza.h"
#include "stream/backoff.h"
#include "stream/limit_internal.h"
#include "stream/login_internal.h"
#include "stream/session_internal.h"
#include "stream/stream.h"
#include "xml/ns.h"
#include "xml/parser.h"

#define STREAM_PING_PREFIX      "jd-ping-"
#define STREAM_BACKLOG_RETRY_MS 20

/* One bit each, so that a rule can name several. */
enum stream_state {
    STREAM_OPENING = 1,   /* waits for the client's header */
    STREAM_LOGIN = 2,     /* features sent, nobody is authenticated */
    STREAM_SASL = 4,      /* a challenge is out */
    STREAM_REOPENING = 8, /* authenticated, waits for the header again */
    STREAM_BINDING = 16,  /* features sent, no resource bound */
    STREAM_BOUND = 32,
    STREAM_ENDED = 64,  /* last words said; input is ignored */
    STREAM_SASL2 = 128, /* a challenge of XEP-0388 is out */
};

struct stream_login {
    char *domain;
    char *from;    /* the bare JID in the client's header, or NULL: not to be trusted */
    char *account; /* when authenticated */
    char *iq_id;   /* of the bind or register iq that waits for its answer */
    char *iq_to;
    struct stream_call *call;
    bool is_waiting; /* for something else than a call: input is deferred all the same */
    struct buf sasl_state;
    struct buf deferred; /* frames that came while a call was out: u32 length, bytes */
    uint32_t attempts;
    struct stream_sasl2 *sasl2;                /* sasl2_internal.h; NULL: not under way */
    const struct stream_binder *binder;        /* of the binding under way (bind_internal.h) */
    const struct stream_sasl_profile *profile; /* of the exchange under way (sasl_internal.h) */
    const struct stream_mechanism *mechanism;  /* chosen without an initial response */
};

struct stream {
    struct stream_host *host;
    const struct stream_transport *transport;
    void *conn;
    struct list_node node; /* in host->streams */
    struct loop_timer timer;
    struct stream_login *login; /* until bound */
    struct stream_session *session;
    struct xml_stream *parser; /* <stream:stream> framing; NULL: RFC 7395 */
    char *lang;                /* of the client's stanzas that say none; NULL: nor did its header */
    struct stream_hold *hold;  /* not read from for a while, else NULL */
    struct admit_bucket stanzas;
    struct admit_bucket bytes;
    uint32_t last_in_ms; /* modulo 2^32 */
    uint16_t state;
    uint8_t pauses; /* enum stream_pause: why it is not read from */
    bool is_secure : 1;
    bool has_header : 1;  /* ours was sent */
    bool is_pinged : 1;   /* and has said nothing since */
    bool is_handling : 1; /* inside stream_receive: what is deferred is not run twice */
};

struct stream_host {
    struct stream_options options;
    struct stream_domain *domains; /* what options.domains points at; owned */
    struct xml_limits limits;
    struct xml_limits first_limits; /* until the session is bound */
    struct xml_frames *frames;
    struct arena arena; /* of the element being handled */
    struct buf out;     /* an element being written */
    struct buf encoded; /* a stanza being encoded */
    struct list_node streams;
    struct list_node calls;
    struct list_node stuck;      /* sessions with something to try again */
    struct list_node waiting;    /* sessions that leave and wait for the bus */
    struct list_node sm_answers; /* struct stream_sm.answer, earliest first */
    struct list_node sm_asks;    /* struct stream_sm.ask, earliest first */
    struct loop_timer sm_timer;
    struct map64 resuming; /* sid → what is held while a client resumes it here */
    struct custody custody;
    struct loop_timer retry;
    struct map64 sessions; /* sid → session that is live */
    struct map features;   /* domain → struct server_features */
    struct backoff backoff;
    struct admit_quiet said_held;
    struct loop_timer drain; /* ends a few streams each time */
    struct list_node doomed; /* streams to be ended, while draining */
    uint64_t drain_per_tick;
    size_t stream_count;
    size_t held_count;
    size_t session_count; /* live and leaving */
    uint64_t next_ping;
    struct loop_task drained;
    void (*drain_done)(void *arg);
    void *drain_arg;
    bool is_draining;
};

typedef void stream_rule_fn(struct stream *stream, const struct xml_top *top);

static inline struct span stream_jid(const struct stream *stream)
{
    return span_cstr(stream->session->jid);
}

/* <stream:stream>, not RFC 7395. What has not said anything over TCP will not say <open/>. */
static inline bool stream_is_old_framed(const struct stream *stream)
{
    return stream->parser || !stream->transport->is_framed;
}

static inline bool stream_is_calling(const struct stream *stream)
{
    return stream->login && (stream->login->call || stream->login->is_waiting);
}

/* dispatch.c */
void stream_element(struct stream *stream, const struct xml_top *top);
void stream_resume(struct stream *stream); /* after an answer or a hold: what was deferred */
bool stream_feed(struct stream *stream, struct span bytes);

/* open.c */
void stream_opened(struct stream *stream, const struct xml_top *top);
void stream_write_header(struct stream *stream, struct span from);
/* What may be negotiated in the state the stream is in. */
void stream_send_features(struct stream *stream);

bool stream_send(struct stream *stream, struct span text);
/* Writes a stanza to the client. `to` when the stanza has none. */
bool stream_send_stanza(struct stream *stream, const struct stanza *stanza, struct span to);
/* The same without counting it (xep0198_internal.h). */
bool stream_write_stanza(struct stream *stream, const struct stanza *stanza, struct span to);

/* route.c: stanzas from the client to the router. */
void stream_stanza(struct stream *stream, const struct xml_top *top);
/* 0, or -1 when the backlog is full. */
int stream_session_send(struct stream_session *session, const struct stanza *stanza);
/* Sends what waits. True when nothing waits any more. */
bool stream_backlog_flush(struct stream_session *session);
/* The host's timer for everything that must be tried again. */
void stream_retry(void *host);
void stream_retry_start(struct stream_host *host);

/* idle.c */
void stream_idle_start(struct stream *stream);
void stream_deadline_start(struct stream *stream);
bool stream_is_ping_answer(const struct stanza *stanza);

#endif
