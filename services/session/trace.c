/* Where a stanza went: the notes of all daemons on it, for jackdawctl. */
#include "session.h"

#include "trace/trace.h"

/* The lists of a reply, one element a note. */
struct columns {
    struct span *ids;
    uint64_t *at_us;
    struct span *daemons;
    struct span *what;
    struct span *details;
};

static struct columns columns_new(struct arena *arena, size_t count)
{
    return (struct columns){
        .ids = arena_calloc(arena, count + 1, sizeof(struct span)),
        .at_us = arena_calloc(arena, count + 1, sizeof(uint64_t)),
        .daemons = arena_calloc(arena, count + 1, sizeof(struct span)),
        .what = arena_calloc(arena, count + 1, sizeof(struct span)),
        .details = arena_calloc(arena, count + 1, sizeof(struct span)),
    };
}

static void on_read(void *arg, bool is_read, const struct trace_line *lines, size_t count)
{
    struct job *job = arg;
    uint32_t n = (uint32_t)count;
    struct wire_msg reply = {.id = WIRE_ID_trace_read_reply};
    if (!is_read) {
        job_result(job, "resource-constraint", "Redis cannot be reached. Try again soon.");
        return;
    }
    struct columns columns = columns_new(&job->arena, count);
    for (size_t i = 0; i < count; i++) {
        char id[TRACE_ID_SIZE];
        trace_id_format(lines[i].id, id);
        columns.ids[i] = arena_copy(&job->arena, span_cstr(id));
        columns.at_us[i] = lines[i].at_us;
        columns.daemons[i] = lines[i].daemon;
        columns.what[i] = lines[i].what;
        columns.details[i] = lines[i].detail;
    }
    reply.u.trace_read_reply = (struct wire_trace_read_reply){
        .ids = {columns.ids, n},
        .at_us = {columns.at_us, n},
        .daemons = {columns.daemons, n},
        .what = {columns.what, n},
        .details = {columns.details, n},
    };
    job_reply(job, &reply);
}

void trace_read_call(struct session *session, const struct wire_msg *msg, session_reply_fn *reply,
                     void *arg)
{
    struct job *job = job_new(session, sizeof(*job), reply, arg);
    trace_read(session->redis, msg->u.trace_read.name, on_read, job);
}
