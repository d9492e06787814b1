/* XEP-0191 Blocking Command: the list as the account's own clients see and change it. What is
 * refused or dropped because of it is the routers' (their phase BLOCK).
 *
 * A block: contacts who will not hear of the user any more, and others he has sent presence to, are
 * told that he is unavailable, and have heard it; then the list is stored, copied to Redis, known to all routers; then the pushes and the
 * result go out. An <unblock/> is stored and known first, then they see his presence again. So each
 * command is in effect when it is answered, for stanzas sent by whomever through whichever router.
 *
 * Choices the text leaves open: an <unblock/> that names a JID that is not blocked is refused as a
 * whole with item-not-found; a list that would grow beyond presence.max_blocked with not-acceptable.
 * One's own JID may be blocked, without any effect (section 5, note). Blocking is polite (section
 * 4): subscriptions stay.
 */
#include "base/buf.h"
#include "base/rand.h"
#include "block_store.h"
#include "bus/wire.h"
#include "contact.h"
#include "directed.h"
#include "jid/jid.h"
#include "jid/match.h"
#include "presence.h"
#include "roster_store.h"
#include "state.h"
#include "states.h"
#include "xml/ns.h"

#include <inttypes.h>

/* What the steps hand on. */
struct blocking {
    struct state state;
    struct roster contacts;
    struct block_list before;
    struct directed *directed; /* of each session in `state`: a block is told to those as well */
    struct block_change change;
};

static const char *const elements[] = {
    [BLOCK_ADD] = "block",
    [BLOCK_REMOVE] = "unblock",
    [BLOCK_REMOVE_ALL] = "unblock",
};

/* ---- XML ---- */
static struct span list_write(struct job *job, const char *element, const struct block_list *list)
{
    struct buf out = {0};
    buf_printf(&out, "<%s xmlns=\"" NS_BLOCKING "\">", element);
    for (size_t i = 0; i < list->count; i++) {
        buf_append_cstr(&out, "<item");
        xml_write_attr("jid", list->jids[i], &out);
        buf_append_cstr(&out, "/>");
    }
    buf_printf(&out, "</%s>", element);
    struct span payload = arena_copy(job->arena, buf_span(&out));
    buf_deinit(&out);
    return payload;
}

static const char *read_item(struct job *job, const struct xml_node *node, struct block_list *items)
{
    struct span text = xml_node_attr(node, "jid");
    if (!span_is(node->ns, NS_BLOCKING) || !span_is(node->name, "item") || text.len == 0) {
        return "bad-request";
    }
    if (jid_normalise(text, job->arena, &items->jids[items->count]) != 0) {
        return "jid-malformed";
    }
    items->count++;
    return NULL;
}

/* NULL and the change, or the condition of the error. */
static const char *read_wish(struct job *job, struct block_change *change)
{
    struct service_request *request = job->request;
    struct span bytes = stanza_child_bytes(&request->stanza, request->child);
    bool is_block = span_is(request->child->name, "block");
    struct xml_node *top = NULL;
    const char *refusal = NULL;
    size_t most = 0;
    if (xml_tree_parse(bytes, SPAN(NS_CLIENT), job->arena, &top) != 0 || !top) {
        return "bad-request";
    }
    for (const struct xml_node *node = top->first_child; node; node = node->next) {
        most++;
    }
    change->items.jids = arena_calloc(job->arena, most + 1, sizeof(struct span));
    for (const struct xml_node *node = top->first_child; node && !refusal; node = node->next) {
        if (node->name.len) {
            refusal = read_item(job, node, &change->items);
        }
    }
    change->kind = is_block ? BLOCK_ADD : change->items.count ? BLOCK_REMOVE : BLOCK_REMOVE_ALL;
    if (!refusal && is_block && change->items.count == 0) {
        refusal = "bad-request";
    }
    return refusal;
}

/* ---- who is concerned ---- */
/* Items that are single resources of `contact` and matched by none of `others`, appended to `jids`. */
static size_t add_resources(struct span contact, const struct block_list *items,
                            const struct block_list *others, struct span *jids)
{
    size_t count = 0;
    for (size_t i = 0; i < items->count; i++) {
        struct span jid = items->jids[i];
        if (!jid_is_bare(jid) && span_eq(jid_bare(jid), contact) &&
            !jid_match_any(others->jids, others->count, jid)) {
            jids[count++] = jid;
        }
    }
    return count;
}

/* Those of `items` who may see the user's presence and whom `others` do not match: contacts by their
 * bare JID, single resources of contacts by their full one. */
static size_t find_viewers(struct job *job, const struct block_list *items,
                           const struct block_list *others, const struct span **jids_out)
{
    const struct blocking *work = job->data;
    size_t most = work->contacts.count + items->count;
    struct span *jids = arena_calloc(job->arena, most + 1, sizeof(*jids));
    size_t count = 0;
    for (size_t i = 0; i < work->contacts.count; i++) {
        struct span contact = work->contacts.items[i].jid;
        if ((work->contacts.items[i].state & STATE_FROM) == 0 ||
            jid_match_any(others->jids, others->count, contact)) {
            continue;
        }
        if (jid_match_any(items->jids, items->count, contact)) {
            jids[count++] = contact;
        } else {
            count += add_resources(contact, items, others, jids + count);
        }
    }
    *jids_out = jids;
    return count;
}

static void on_told(void *arg)
{
    job_release(arg, true);
}

/* Those `session` was directed to, whom the change matches and who are no contacts among `viewers`;
 * appended to `jids`. */
static size_t add_directed(const struct blocking *work, size_t session, struct span *jids,
                           size_t count)
{
    const struct block_list *items = &work->change.items;
    const struct directed *directed = &work->directed[session];
    size_t viewers = count;
    for (size_t i = 0; i < directed->count; i++) {
        struct span jid = directed->jids[i];
        if (jid_match_any(items->jids, items->count, jid) &&
            !jid_match_any(work->before.jids, work->before.count, jid) &&
            !jid_match_any(jids, viewers, jid)) {
            jids[count++] = jid;
        }
    }
    return count;
}

/* The routers must have delivered it before they learn of the block: it would be stopped. */
static void send_unavailable(struct job *job, const struct state_session *session,
                             const struct span *jids, size_t count)
{
    struct stanza stanza = {
        .kind = STANZA_PRESENCE,
        .type = STANZA_UNAVAILABLE,
        .from = session->jid,
    };
    struct service_forward forward = {
        .stanza = &stanza,
        .recipients = jids,
        .recipient_count = count,
        .via = job->account,
        .request = job->request,
        .sent = on_told,
        .arg = job,
    };
    if (count) {
        job_hold(job);
        service_forward(job->presence->service, &forward);
    }
}

static void push(struct job *job)
{
    const struct blocking *work = job->data;
    const struct span *jids = NULL;
    size_t count = state_jids(job, &work->state, WIRE_PRESENCE_BLOCKLIST, &jids);
    struct span payload = list_write(job, elements[work->change.kind], &work->change.items);
    struct xml_child child = {
        .ns = SPAN(NS_BLOCKING),
        .name = span_cstr(elements[work->change.kind]),
        .length = (uint32_t)payload.len,
    };
    struct stanza stanza = {
        .kind = STANZA_IQ,
        .type = STANZA_SET,
        .from = job->account,
        .id = arena_printf(job->arena, "block-%08" PRIx32, (uint32_t)rand_u64()),
        .children = &child,
        .child_count = 1,
        .payload = payload,
    };
    if (count) {
        job_forward(job, &stanza, jids, count, false);
    }
}

/* ---- block and unblock, step by step ---- */
static void set_done(struct job *job)
{
    struct blocking *work = job->data;
    const struct span *jids = NULL;
    size_t count = find_viewers(job, &work->change.removed, &work->change.now, &jids);
    push(job);
    for (size_t i = 0; work->change.kind != BLOCK_ADD && i < count; i++) {
        contact_send_available(job, &work->state, jids[i]);
    }
    job_result(job, (struct span){0});
}

static void set_publish(struct job *job)
{
    struct blocking *work = job->data;
    if (work->change.refusal) {
        job_error(job, work->change.refusal, NULL);
        return;
    }
    block_publish(job, &work->change.now, true);
    job_go(job, set_done);
}

static void set_store(struct job *job)
{
    struct blocking *work = job->data;
    block_change_run(job, &work->change);
    job_go(job, set_publish);
}

static void set_leave(struct job *job)
{
    struct blocking *work = job->data;
    const struct span *viewers = NULL;
    size_t count = find_viewers(job, &work->change.items, &work->before, &viewers);
    for (size_t i = 0; i < work->state.count; i++) {
        const struct state_session *session = &work->state.sessions[i];
        size_t seeing = state_is_available(session) ? count : 0;
        struct span *jids =
            arena_calloc(job->arena, seeing + work->directed[i].count + 1, sizeof(*jids));
        for (size_t k = 0; k < seeing; k++) {
            jids[k] = viewers[k];
        }
        send_unavailable(job, session, jids, add_directed(work, i, jids, seeing));
    }
    job_go(job, set_store);
}

/* Who else has seen the user: those his sessions sent presence to directly. */
static void set_gather(struct job *job)
{
    struct blocking *work = job->data;
    if (work->change.kind != BLOCK_ADD) {
        set_store(job);
        return;
    }
    work->directed = arena_calloc(job->arena, work->state.count + 1, sizeof(*work->directed));
    for (size_t i = 0; i < work->state.count; i++) {
        directed_read(job, work->state.sessions[i].sid, &work->directed[i]);
    }
    job_go(job, set_leave);
}

static void set_run(struct job *job)
{
    struct blocking *work = arena_calloc(job->arena, 1, sizeof(*work));
    const char *refusal = read_wish(job, &work->change);
    job->data = work;
    if (refusal) {
        job_error(job, refusal, NULL);
        return;
    }
    state_read(job, job->account, &work->state);
    roster_contacts(job, &work->contacts);
    block_load(job, &work->before);
    job_go(job, set_gather);
}

void xep0191_set(void *ctx, struct service_request *request)
{
    job_start(ctx, request->account, request, set_run);
}

/* ---- get ---- */
static void get_answer(struct job *job)
{
    const struct blocking *work = job->data;
    job_result(job, list_write(job, "blocklist", &work->before));
}

/* The session gets pushes from now on. */
static void get_note(struct job *job)
{
    struct blocking *work = job->data;
    struct state_session *session = state_find(&work->state, job->request->origin_sid);
    if (session && (session->flags & WIRE_PRESENCE_BLOCKLIST) == 0) {
        session->flags |= WIRE_PRESENCE_BLOCKLIST;
        state_write(job, &work->state, session);
    }
    block_publish(job, &work->before, false);
    job_go(job, get_answer);
}

static void get_run(struct job *job)
{
    struct blocking *work = arena_calloc(job->arena, 1, sizeof(*work));
    job->data = work;
    state_read(job, job->account, &work->state);
    block_load(job, &work->before);
    job_go(job, get_note);
}

void xep0191_get(void *ctx, struct service_request *request)
{
    job_start(ctx, request->account, request, get_run);
}
