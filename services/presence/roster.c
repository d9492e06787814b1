/* The roster as the account's own clients see and change it (RFC 6121 section 2). */
#include "base/hash.h"
#include "bus/wire.h"
#include "contact.h"
#include "presence.h"
#include "push.h"
#include "roster_change.h"
#include "roster_xml.h"
#include "state.h"
#include "xep0175_anonymous.h"
#include "xml/ns.h"

/* What the steps hand on. */
struct roster_work {
    struct state state;
    struct roster roster;
    struct roster_wish wish;
};

/* ---- get (section 2.1.3, 2.6.2) ---- */
/* The version the client says it has; -1 when it says none, or nonsense. */
static int64_t client_version(struct job *job)
{
    struct xml_node *query = NULL;
    uint64_t version = 0;
    struct service_request *request = job->request;
    struct span bytes = stanza_child_bytes(&request->stanza, request->child);
    if (xml_tree_parse(bytes, SPAN(NS_CLIENT), job->arena, &query) != 0 || !query ||
        span_to_u64(xml_node_attr(query, "ver"), &version) != 0 || version > INT64_MAX) {
        return -1;
    }
    return (int64_t)version;
}

/* The result, without its payload. From the account by name: that is who answers, and the pushes
 * that follow take the same way behind it. */
static void make_result(struct job *job, struct stanza *reply_out)
{
    stanza_make_result(&job->request->stanza, (struct span){0}, job->arena, reply_out);
    reply_out->from = job->account;
}

/* An empty result, then the items changed since, one push each (section 2.6.3). */
static void answer_delta(struct job *job, const struct roster *roster)
{
    struct span to = job->request->stanza.from;
    struct stanza reply;
    make_result(job, &reply);
    job_forward(job, &reply, NULL, 0, false);
    for (size_t i = 0; i < roster->count; i++) {
        push_item_to(job, to, &roster->items[i], roster->version);
    }
    job_finish(job);
}

static void answer_whole(struct job *job, struct roster *roster)
{
    struct stanza reply;
    size_t listed = 0;
    for (size_t i = 0; i < roster->count; i++) {
        if (roster->items[i].state & STATE_LISTED) {
            roster->items[listed++] = roster->items[i];
        }
    }
    make_result(job, &reply);
    struct span query = roster_query_write(roster->items, listed, roster->version, job->arena);
    roster_query_attach(query, job->arena, &reply);
    job_forward(job, &reply, NULL, 0, false);
    job_finish(job);
}

static void get_answer(struct job *job)
{
    struct roster_work *work = job->data;
    if (work->roster.is_current || work->roster.is_delta) {
        answer_delta(job, &work->roster);
    } else {
        answer_whole(job, &work->roster);
    }
}

/* The session is interested from now on. */
static void get_note(struct job *job)
{
    struct roster_work *work = job->data;
    struct state_session *session = state_find(&work->state, job->request->origin_sid);
    if (session && (session->flags & WIRE_PRESENCE_INTERESTED) == 0) {
        session->flags |= WIRE_PRESENCE_INTERESTED;
        state_write(job, &work->state, session);
    }
    job_go(job, get_answer);
}

static void get_run(struct job *job)
{
    struct roster_work *work = arena_calloc(job->arena, 1, sizeof(*work));
    job->data = work;
    state_read(job, job->account, &work->state);
    roster_load(job, client_version(job), &work->roster);
    job_go(job, get_note);
}

void roster_get(void *ctx, struct service_request *request)
{
    job_start(ctx, request->account, request, get_run);
}

/* ---- set (sections 2.3 to 2.5) ---- */
static void set_done(struct job *job)
{
    struct roster_work *work = job->data;
    struct roster_change *change = job->change;
    if (change->refusal) {
        job_error(job, change->refusal, NULL);
        return;
    }
    push_item(job, &work->state, &change->item, change->version);
    if (work->wish.is_removal) {
        contact_cancel(job, &work->state, change->before, change->jid);
    }
    job_result(job, (struct span){0});
}

static void set_run(struct job *job)
{
    struct roster_work *work = arena_calloc(job->arena, 1, sizeof(*work));
    const char *refusal = roster_wish_read(job->request, &job->presence->limits, &work->wish);
    job->data = work;
    if (refusal) {
        job_error(job, refusal, NULL);
        return;
    }
    struct roster_change *change =
        roster_change_new(job, work->wish.is_removal ? CHANGE_REMOVE : CHANGE_SET, work->wish.jid);
    change->name = arena_copy(&change->arena, work->wish.name);
    change->groups = arena_copy(&change->arena, work->wish.groups);
    state_read(job, job->account, &work->state);
    roster_change_run(change);
    job_go(job, set_done);
}

void roster_set(void *ctx, struct service_request *request)
{
    if (!xep0175_refuse(ctx, request)) {
        job_start(ctx, request->account, request, set_run);
    }
}
