/* Presence without `to`: initial presence and what follows (RFC 6121 sections 4.2 and 4.4). */
#include "base/buf.h"
#include "base/clock.h"
#include "block_store.h"
#include "broadcast.h"
#include "bus/wire.h"
#include "jid/jid.h"
#include "presence.h"
#include "states.h"
#include "xep0115_optimize.h"
#include "xep0153_avatar.h"
#include "xml/ns.h"

struct available {
    struct state state;
    struct roster contacts;
    struct avatar avatar;
    struct stanza kept;            /* what who asks gets */
    struct stanza shown;           /* what others get */
    struct state_session *session; /* the one that sent it */
    uint32_t priority_plus_128;
    bool is_initial;
    bool must_tell;       /* routers hear of it */
    bool comes;           /* it can take messages to the account from now on */
    struct state *others; /* of local contacts, for initial presence */
    size_t other_count;
};

/* ---- VALIDATE ---- */
/* The priority (section 4.7.2.3) plus 128; -1 when it is no integer from -128 to 127, or there are
 * two. */
static int read_priority(struct job *job)
{
    const struct stanza *stanza = &job->request->stanza;
    int priority = STATE_PRIORITY_ZERO;
    bool is_seen = false;
    for (uint32_t i = 0; i < stanza->child_count; i++) {
        const struct xml_child *child = &stanza->children[i];
        struct xml_node *node = NULL;
        int64_t value = 0;
        if (!span_is(child->ns, NS_CLIENT) || !span_is(child->name, "priority")) {
            continue;
        }
        if (is_seen || xml_tree_parse(stanza_child_bytes(stanza, child), SPAN(NS_CLIENT),
                                      job->arena, &node) != 0) {
            return -1;
        }
        struct span text = span_trim(xml_node_text(node, job->arena));
        if (span_to_i64(text, &value) != 0 || value < -128 || value > 127) {
            return -1;
        }
        priority = (int)value + STATE_PRIORITY_ZERO;
        is_seen = true;
    }
    return priority;
}

/* An error for a stanza without `to` comes from the account. */
static void refuse(struct job *job, const char *condition)
{
    struct stanza copy = job->request->stanza;
    struct stanza reply;
    copy.to = job->account;
    stanza_make_error(&copy, condition, NULL, job->arena, &reply);
    job_forward(job, &reply, NULL, 0, false);
    job_finish(job);
}

/* ---- DELIVER ---- */
/* What the new resource is to see: contacts, own other resources, requests without answer. */
static void show_others(struct job *job, struct available *work)
{
    struct span me = work->session->jid;
    for (size_t i = 0; i < work->other_count; i++) {
        contact_send_available(job, &work->others[i], me);
    }
    for (size_t i = 0; i < work->state.count; i++) {
        if (&work->state.sessions[i] != work->session) {
            contact_send_session(job, &work->state.sessions[i], me);
        }
    }
    for (size_t i = 0; i < work->contacts.count; i++) {
        struct stanza stanza;
        const struct roster_item *item = &work->contacts.items[i];
        if ((item->state & STATE_PENDING) && item->request.len &&
            stanza_decode(item->request, job->arena, &stanza) == 0) {
            job_forward(job, &stanza, &me, 1, false);
        }
    }
}

/* Contacts elsewhere are asked (section 4.3.1), in one forward. */
static void probe_foreign(struct job *job, const struct available *work)
{
    const struct roster *contacts = &work->contacts;
    struct span *jids = arena_calloc(job->arena, contacts->count + 1, sizeof(*jids));
    size_t count = 0;
    for (size_t i = 0; i < contacts->count; i++) {
        if ((contacts->items[i].state & STATE_TO) &&
            !presence_is_local(job->presence, contacts->items[i].jid)) {
            jids[count++] = contacts->items[i].jid;
        }
    }
    if (count) {
        struct stanza probe = {
            .kind = STANZA_PRESENCE,
            .type = STANZA_PROBE,
            .from = job->account,
        };
        job_forward(job, &probe, jids, count, true);
    }
}

static void deliver(struct job *job)
{
    struct available *work = job->data;
    if (work->must_tell) {
        broadcast_notice(job, work->session);
    }
    broadcast_send(job, &work->shown, &work->contacts, &work->state,
                   work->comes ? work->session->sid : 0);
    if (work->is_initial) {
        show_others(job, work);
        probe_foreign(job, work);
    }
    job_finish(job);
}

/* ---- STORE, and GATHER of what needs it ---- */
/* Reads follow the write of our own presence in the same pipeline: whoever goes online at the same
 * time as we either sees us or is seen. */
static void read_contacts(struct job *job, struct available *work)
{
    const struct roster *contacts = &work->contacts;
    work->others = arena_calloc(job->arena, contacts->count + 1, sizeof(*work->others));
    for (size_t i = 0; i < contacts->count; i++) {
        const struct roster_item *item = &contacts->items[i];
        if ((item->state & STATE_TO) && presence_is_local(job->presence, item->jid)) {
            state_read(job, item->jid, &work->others[work->other_count++]);
        }
    }
}

/* True when the session's capabilities are others than before: everybody must hear, also when this is
 * begun again after a crash. */
static bool keep_caps(struct job *job, struct available *work)
{
    work->kept = work->shown;
    if (!state_is_available(work->session)) {
        return false;
    }
    bool are_known = caps_keep(job, work->session, &work->kept);
    if (are_known && !work->is_initial) {
        caps_strip(job, &work->shown);
    }
    return !are_known;
}

static void store(struct job *job)
{
    struct available *work = job->data;
    struct state_session *session = state_find(&work->state, job->request->origin_sid);
    struct buf bytes = {0};
    if (!session) {
        job_finish(job); /* ended in the meantime */
        return;
    }
    work->session = session;
    /* Begun again after a crash it is initial still. */
    work->is_initial = !state_is_available(session) || session->changed_n == job->request->origin_n;
    work->must_tell = work->is_initial || session->priority_plus_128 != work->priority_plus_128;
    work->comes = work->priority_plus_128 >= STATE_PRIORITY_ZERO &&
                  (work->is_initial || session->priority_plus_128 < STATE_PRIORITY_ZERO);
    work->shown = job->request->stanza;
    work->shown.from = session->jid;
    avatar_add(job, &work->avatar, &work->shown);
    bool has_new_caps = keep_caps(job, work);
    stanza_encode(&work->kept, &bytes);
    session->stanza = arena_copy(job->arena, buf_span(&bytes));
    buf_deinit(&bytes);
    session->flags |= WIRE_PRESENCE_AVAILABLE;
    session->changed_n = work->is_initial || work->comes || has_new_caps ? job->request->origin_n
                                                                         : session->changed_n;
    session->priority_plus_128 = work->priority_plus_128;
    session->since_ms = clock_real_ms();
    state_write(job, &work->state, session);
    if (work->is_initial) {
        read_contacts(job, work);
        block_refresh(job);
    }
    job_go(job, deliver);
}

static void run(struct job *job)
{
    struct available *work = arena_calloc(job->arena, 1, sizeof(*work));
    int priority = read_priority(job);
    job->data = work;
    if (priority < 0) {
        refuse(job, "bad-request");
        return;
    }
    work->priority_plus_128 = (uint32_t)priority;
    state_read(job, job->account, &work->state);
    roster_contacts(job, &work->contacts);
    avatar_read(job, &work->avatar);
    job_go(job, store);
}

void available_out(void *ctx, struct service_request *request)
{
    job_start(ctx, request->account, request, run);
}
