/* Where a stanza went, daemon by daemon: what `jackdawctl trace` shows.
 *
 * A stanza's origin id (session, number) is its trace id. With tracing on (option trace.keep) each
 * daemon that had the stanza appends a line to a stream in Redis that is found by that id, and the
 * daemon where it entered also notes its `id` attribute, so that it can be looked for by what the
 * user sees. Lines name stanza kinds, JIDs, daemons and outcomes, never a payload.
 *
 * Notes are written with the other commands of the turn and nobody waits for them: a note that is
 * lost with its daemon or while Redis is away is missing, nothing else.
 */
#ifndef JACKDAW_TRACE_TRACE_H
#define JACKDAW_TRACE_TRACE_H

#include "base/span.h"
#include "stanza/stanza.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conf;
struct redis;
struct trace;

struct trace_id {
    uint64_t origin_sid;
    uint64_t origin_n;
};

/* `instance` names the daemon in every note; both are borrowed. Returns owned. */
struct trace *trace_new(struct redis *redis, const char *instance, const struct conf *conf);
/* Before redis_free. NULL is allowed. */
void trace_free(struct trace *trace);
/* trace.keep and trace.accounts may have changed. */
void trace_configure(struct trace *trace, const struct conf *conf);
/* Whether stanzas of and to these bare or full JIDs are traced. Cheap when tracing is off; `trace`
 * may be NULL: nothing is. */
bool trace_wants(const struct trace *trace, struct span from, struct span to);

/* Notes that here and now `what` ("delivered", "stored") became of it; `detail` may be empty, it is a
 * few words ("edge-2", "service-unavailable"). Asks trace_wants nothing: whoever calls has done so. */
void trace_note(struct trace *trace, struct trace_id id, const char *what, struct span detail);
/* The first note, where the client's stanza came in: its kind, from, to and `id`. */
void trace_begin(struct trace *trace, struct trace_id id, const struct stanza *stanza);

/* ---- reading ---- */
/* One note. */
struct trace_line {
    struct trace_id id;
    uint64_t at_us; /* since 1970, by the clock of the daemon that made the note */
    struct span daemon;
    struct span what;
    struct span detail;
};
/* `is_read` false: Redis did not answer. */
typedef void trace_read_fn(void *arg, bool is_read, const struct trace_line *lines, size_t count);
/* All notes on what `name` means: an origin id as traces show it ("0123456789abcdef-12"), else the
 * `id` attribute of stanzas (the latest few that had it). One stanza after the other, each
 * stanza's by time. Calls `fn` once, never from inside. */
void trace_read(struct redis *redis, struct span name, trace_read_fn *fn, void *arg);

/* How an origin id is written: at most TRACE_ID_SIZE bytes with NUL. */
#define TRACE_ID_SIZE 40
void trace_id_format(struct trace_id id, char out[TRACE_ID_SIZE]);
/* 0, or -1 when it is none. */
int trace_id_parse(struct span text, struct trace_id *id_out);

#endif
