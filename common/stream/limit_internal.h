/* What holds a stream up, and what ends it. Inside stream only; stream_internal.h includes it. */
#ifndef JACKDAW_STREAM_LIMIT_INTERNAL_H
#define JACKDAW_STREAM_LIMIT_INTERNAL_H

#include "base/span.h"
#include "xml/xml.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stream;
struct stream_host;

/* Why a stream is not read from. */
enum stream_pause {
    STREAM_PAUSE_BACKLOG = 1, /* the bus takes nothing */
    STREAM_PAUSE_HOLD = 2,    /* rate.c */
};

/* rate.c: who sends too fast, or failed to log in, is not read from for a while. */
void stream_count_bytes(struct stream *stream, size_t bytes);
void stream_count_stanza(struct stream *stream);
void stream_hold(struct stream *stream, uint32_t ms); /* as long as the longest that is asked for */
void stream_hold_end(struct stream *stream);          /* without going on */
void stream_set_pause(struct stream *stream, enum stream_pause why, bool on);
/* The limits that hold now, and the end of the first ones. */
const struct xml_limits *stream_limits(const struct stream *stream);
void stream_lift_limits(struct stream *stream);
/* drain.c: true when nothing is left to be ended. */
bool stream_drain_is_over(const struct stream_host *host);
void stream_drain_tick(void *host);
/* attempts.c: a login failed; and before one: its address may have to wait. */
void stream_login_failed(struct stream *stream);
void stream_login_await(struct stream *stream);
/* error.c: the end of a stream. All of them are idempotent. */
/* Stream error `condition` (RFC 6120 section 4.9.3), `text` may be empty, then the close. */
void stream_fail(struct stream *stream, const char *condition, struct span text);
/* With an application-specific condition, as XML. */
void stream_fail_detail(struct stream *stream, const char *condition, struct span text,
                        struct span detail);
/* As stream_fail, for an end that is not the client's fault: a managed session stays to be resumed. */
void stream_drop(struct stream *stream, const char *condition, struct span text);
void stream_fail_xml(struct stream *stream, enum xml_error error);
void stream_close_requested(struct stream *stream, const struct xml_top *top);
void stream_shut_down(struct stream *stream);

#endif
