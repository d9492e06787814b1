/* A bound session, which outlives its stream: it must be said unavailable and be unbound, or be handed
 * over, after its connection is gone. Inside stream only.
 */
#ifndef JACKDAW_STREAM_SESSION_INTERNAL_H
#define JACKDAW_STREAM_SESSION_INTERNAL_H

#include "base/buf.h"
#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>

struct stream;
struct stream_host;
struct stream_sm;

struct stream_session {
    struct stream_host *host;
    struct stream *stream;  /* NULL when it has ended */
    struct list_node place; /* in host->stuck, host->waiting or nowhere */
    struct buf *backlog;    /* u64 number, u32 length, bytes: what the bus did not take; or NULL */
    struct stream_sm *sm;   /* XEP-0198; NULL: not managed */
    uint64_t sid;
    uint64_t epoch;
    uint64_t call; /* to session about this session, or 0 */
    uint64_t hash; /* of the bare JID: chooses the router */
    uint64_t last_n;
    uint64_t retry_at_ms;
    uint32_t retries;
    bool was_available : 1; /* sent presence: someone may know of it */
    bool is_leaving : 1;    /* its stream has ended */
    bool ends : 1;          /* leaving for good: nobody will resume it */
    bool is_detaching : 1;  /* managed, leaving: in host->sessions until session has it */
    bool is_lost : 1;       /* somebody else has it */
    bool is_waiting : 1;    /* leaving, and the next step is up to the bus */
    char jid[];             /* NUL-terminated full JID */
};

/* session.c: the session's life. */
struct stream_session *stream_session_new(struct stream_host *host, struct span jid, uint64_t sid,
                                          uint64_t epoch);
/* From here on the session is live: what is delivered to it finds it. */
void stream_go_live(struct stream *stream, struct stream_session *session);
/* The stream has ended. A managed session is handed to `session`, unless it leaves for good; any
 * other says unavailable and unbinds. Frees itself in the end. */
void stream_session_leave(struct stream_session *session, bool for_good);
/* It is somebody else's: nothing is said for it. */
void stream_session_forget(struct stream_session *session);
void stream_session_continue(struct stream_session *session);
void stream_session_retry_in(struct stream_session *session, uint32_t delay_ms);
void stream_session_free(struct stream_session *session);

#endif
