/* Stream management (XEP-0198) of client streams. Inside stream only.
 *
 * Down: what is written to a managed session is numbered and put in its resume queue
 * (custody/queue.h). Up: the k-th stanza after <enable/> has origin number STREAM_SM_BASE + k, also
 * when it is sent again after a resume; `h` counts those that are settled, and is told only when
 * Redis has it. A session whose stream broke is handed to `session`, which keeps it until its client
 * resumes it, at whatever daemon.
 *
 * For SASL2 and Bind 2 (XEP-0198 section 9): stream_sm_enable and stream_sm_resume are what
 * <enable/> and <resume/> do. `done` is called once, never from inside, or never when the stream has
 * ended meanwhile; `element` is <enabled/>, <resumed/> or <failed/>, to be sent by `done` itself,
 * on its own or inside another element.
 */
#ifndef JACKDAW_STREAM_XEP0198_INTERNAL_H
#define JACKDAW_STREAM_XEP0198_INTERNAL_H

#include "custody/handled.h"
#include "custody/queue.h"
#include "stream/stream_internal.h"

/* Higher than what anybody sends before <enable/>. */
#define STREAM_SM_BASE (1ull << 40)

typedef void stream_sm_done_fn(struct stream *stream, bool ok, struct span element);

struct stream_sm {
    struct custody_queue queue;
    struct custody_handled up;
    struct stream_session *session; /* NULL: gone; stanzas under way hold this */
    struct list_node answer;        /* in host->sm_answers: the client's <r/> waits */
    struct list_node ask;           /* in host->sm_asks: it is time to ask soon */
    uint64_t answer_by_ms;
    uint64_t ask_at_ms;
    uint64_t wanted; /* what had come when the client asked; 0: it has the answer */
    uint64_t asked;  /* number of the last stanza when we asked */
    stream_sm_done_fn *done;
    uint32_t told; /* `h` as the client knows it */
    uint32_t resume_s;
    uint32_t client_h; /* of <resume/>, until the queue is loaded */
    uint32_t refs;
    bool is_on;      /* <enabled/> or <resumed/> was sent: stanzas count */
    bool is_asking;  /* our <r/> waits */
    bool is_counted; /* <enable/> has come: the client's stanzas count */
    bool holds;      /* until it is on, what is delivered waits in the queue */
    bool is_sent;    /* the stanza being handled has gone to the router */
};

/* ---- the client's elements (dispatch.c) ---- */
stream_rule_fn stream_sm_on_enable, stream_sm_on_resume, stream_sm_on_r, stream_sm_on_a;
/* Any of them where it has no place. */
stream_rule_fn stream_sm_on_stray;

/* ---- enabling and resuming ---- */
/* Whether it is to be offered. */
bool stream_sm_is_offered(const struct stream *stream);
/* What the client says, as attributes. */
struct stream_sm_wish {
    struct span resume;
    struct span max;
    bool holds; /* what is delivered before `done` was called comes after it */
};
/* The stream is bound. */
void stream_sm_enable(struct stream *stream, const struct stream_sm_wish *wish,
                      stream_sm_done_fn *done);
/* The stream is authenticated and not bound; input is deferred until it is done. */
void stream_sm_resume(struct stream *stream, struct span previd, uint32_t h,
                      stream_sm_done_fn *done);
/* xs:unsignedInt: 0, or -1. */
int stream_sm_read_h(struct span text, uint32_t *h_out);

/* ---- for the rest of stream ---- */
struct stream_sm *stream_sm_new(struct stream_session *session);
/* The session lets go. */
void stream_sm_free(struct stream_sm *sm);
void stream_sm_unref(struct stream_sm *sm);
static inline bool stream_is_managed(const struct stream *stream)
{
    return stream->session && stream->session->sm && stream->session->sm->is_on;
}
/* It is managed, or being resumed (nobody else has an epoch above 1). */
static inline bool stream_session_is_managed(const struct stream_session *session)
{
    return session->sm && (session->sm->is_on || session->epoch > 1);
}
/* Deliveries go through its queue. */
static inline bool stream_session_has_queue(const struct stream_session *session)
{
    return stream_session_is_managed(session) || (session->sm && session->sm->holds);
}
/* A stanza of the client's has come, or has been dealt with without the router. */
void stream_sm_came(struct stream_session *session);
void stream_sm_settle(struct stream_sm *sm, uint64_t number);
/* A delivery for a session: -1 when it takes no more. */
int stream_sm_deliver(struct stream_session *session, struct delivery *delivery);
/* A stanza of the stream's own. */
bool stream_sm_send_own(struct stream *stream, const struct stanza *stanza);
/* Asks for an acknowledgement now, unless one is asked for. */
void stream_sm_ask(struct stream *stream);
/* The client has so many. 0, or -1 when that ended the stream: it cannot have. */
int stream_sm_acked(struct stream *stream, uint32_t h);
/* Something was written: asks now or later. */
void stream_sm_ask_soon(struct stream_sm *sm);
void stream_sm_timer(void *host);
/* Somebody else has the session (custody_user.lost). */
void stream_sm_lost(void *session);
extern const struct custody_user stream_sm_user;

/* A delivery for a session that is being resumed here: true when it is held until it is known what
 * became of that. */
bool stream_sm_hold(struct stream_host *host, uint64_t sid, struct delivery *delivery);
void stream_sm_free_resuming(struct stream_host *host);

#endif
