/* The list of sessions, as the registry's pages. */
#include "session.h"

#include "registry/registry.h"

#define LIST_MAX 500 /* sessions asked for at a time; a page may have somewhat more */

static void on_list(void *arg, enum registry_status status, const struct registry_listed *sessions,
                    size_t count, struct span next)
{
    struct job *job = arg;
    struct arena *arena = &job->arena;
    struct wire_msg reply = {.id = WIRE_ID_session_list_reply};
    struct span *jids = arena_calloc(arena, count + 1, sizeof(*jids));
    struct span *holders = arena_calloc(arena, count + 1, sizeof(*holders));
    struct span *addresses = arena_calloc(arena, count + 1, sizeof(*addresses));
    uint64_t *since = arena_calloc(arena, count + 1, sizeof(*since));
    if (status != REGISTRY_OK) {
        job_result(job, "resource-constraint", "Redis cannot be reached. Try again soon.");
        return;
    }
    for (size_t i = 0; i < count; i++) {
        jids[i] = sessions[i].jid;
        holders[i] = sessions[i].record.holder;
        addresses[i] = sessions[i].record.address;
        since[i] = sessions[i].record.since_ms;
    }
    uint32_t n = (uint32_t)count;
    reply.u.session_list_reply = (struct wire_session_list_reply){
        .jids = {jids, n},
        .holders = {holders, n},
        .addresses = {addresses, n},
        .since_ms = {since, n},
        .after = next,
        .more = !span_is_empty(next),
    };
    job_reply(job, &reply);
}

void session_list_call(struct session *session, const struct wire_msg *msg, session_reply_fn *reply,
                       void *arg)
{
    const struct wire_session_list *asked = &msg->u.session_list;
    struct job *job = job_new(session, sizeof(*job), reply, arg);
    uint32_t max = asked->max && asked->max < LIST_MAX ? asked->max : LIST_MAX;
    registry_list(session->redis, asked->after, max, on_list, job);
}
