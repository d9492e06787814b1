/* Unavailable presence without `to`: the client's own, or the one its stream's daemon sends when
 * the stream has ended (RFC 6121 section 4.5), with the clean-up of directed presence
 * (section 4.6.3). */
#include "broadcast.h"
#include "bus/wire.h"
#include "directed.h"
#include "jid/jid.h"
#include "presence.h"
#include "states.h"
#include "xml/ns.h"

struct unavailable {
    struct state state;
    struct roster contacts;
    struct directed directed;
    struct state_session session; /* as it was: a copy, it may be in no list any more */
    bool was_available;
};

/* ---- DELIVER ---- */
static bool gets_broadcast(const struct unavailable *work, struct span jid)
{
    struct span bare = jid_bare(jid);
    for (size_t i = 0; work->was_available && i < work->contacts.count; i++) {
        const struct roster_item *item = &work->contacts.items[i];
        if ((item->state & STATE_FROM) && span_eq(item->jid, bare)) {
            return true;
        }
    }
    return false;
}

/* Those who were sent directed presence and hear of it in no other way. */
static void tell_directed(struct job *job, const struct unavailable *work,
                          const struct stanza *stanza)
{
    struct span *jids = arena_calloc(job->arena, work->directed.count + 1, sizeof(*jids));
    size_t count = 0;
    for (size_t i = 0; i < work->directed.count; i++) {
        if (!gets_broadcast(work, work->directed.jids[i])) {
            jids[count++] = work->directed.jids[i];
        }
    }
    directed_tell(job, stanza, &work->directed, jids, count);
}

/* The text of the stanza's <status/>, for XEP-0012. */
static struct span status_of(struct job *job, const struct stanza *stanza)
{
    struct xml_node *node = NULL;
    const struct xml_child *child = stanza_child(stanza, NS_CLIENT, "status");
    if (!child || xml_tree_parse(stanza_child_bytes(stanza, child), SPAN(NS_CLIENT), job->arena,
                                 &node) != 0) {
        return (struct span){0};
    }
    return span_head(xml_node_text(node, job->arena), job->presence->limits.max_name);
}

static void deliver(struct job *job)
{
    struct unavailable *work = job->data;
    struct stanza stanza = job->request->stanza;
    stanza.from = work->session.jid;
    tell_directed(job, work, &stanza);
    if (work->was_available) {
        struct state_session now = work->session;
        now.flags &= ~WIRE_PRESENCE_AVAILABLE;
        broadcast_notice(job, &now);
        broadcast_send(job, &stanza, &work->contacts, &work->state, 0);
    }
    job_finish(job);
}

/* ---- STORE ---- */
/* Whose presence ends: a bound session; or one whose resource was bound anew or whose registration
 * has lapsed, of which the record alone is left. */
static const struct state_session *find_session(struct job *job, struct unavailable *work)
{
    uint64_t sid = job->request->origin_sid;
    const struct state_session *session = state_find(&work->state, sid);
    return session ? session : state_find_stale(&work->state, sid);
}

/* The session itself still counts as available in `state`, so that it too is told (section 4.5.2).
 */
static void write_unavailable(struct job *job, struct unavailable *work)
{
    struct state_session now = work->session;
    const struct state_session *bound = state_find(&work->state, now.sid);
    size_t left = state_available_count(&work->state);
    if (bound) {
        now.flags &= ~WIRE_PRESENCE_AVAILABLE;
        now.stanza = (struct span){0};
        now.priority_plus_128 = STATE_PRIORITY_ZERO;
        now.changed_n = job->request->origin_n;
        state_write(job, &work->state, &now);
        left -= state_is_available(bound);
    } else {
        state_erase(job, now.resource);
    }
    if (left == 0) {
        last_save(job, status_of(job, &job->request->stanza));
    }
}

static void store(struct job *job)
{
    struct unavailable *work = job->data;
    const struct state_session *session = find_session(job, work);
    work->session.jid = job->request->stanza.from;
    if (session) {
        /* Begun again after a crash it was available still. */
        work->session = *session;
        work->was_available = state_is_available(session) ||
                              (session->changed_n && session->changed_n == job->request->origin_n);
    }
    if (work->was_available) {
        write_unavailable(job, work);
    }
    job_go(job, deliver);
}

static void run(struct job *job)
{
    struct unavailable *work = arena_calloc(job->arena, 1, sizeof(*work));
    job->data = work;
    state_read(job, job->account, &work->state);
    directed_read(job, job->request->origin_sid, &work->directed);
    roster_contacts(job, &work->contacts);
    job_go(job, store);
}

void unavailable_out(void *ctx, struct service_request *request)
{
    job_start(ctx, request->account, request, run);
}
