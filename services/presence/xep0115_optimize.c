/* Comparing <c/> by its bytes, which are canonical. */
#include "xep0115_optimize.h"

#include "base/buf.h"
#include "xml/ns.h"

static bool is_caps(void *arg, const struct stanza *stanza, const struct xml_child *child)
{
    (void)arg;
    (void)stanza;
    return span_is(child->ns, NS_CAPS) && span_is(child->name, "c");
}

/* Empty when there is none. */
static struct span caps_of(const struct stanza *stanza)
{
    const struct xml_child *child = stanza_child(stanza, NS_CAPS, "c");
    return child ? stanza_child_bytes(stanza, child) : (struct span){0};
}

static void append(struct job *job, struct stanza *stanza, struct span caps)
{
    struct xml_child *children =
        arena_calloc(job->arena, stanza->child_count + 1, sizeof(*children));
    struct buf payload = {0};
    if (stanza->child_count > 0) {
        memcpy(children, stanza->children, stanza->child_count * sizeof(*children));
    }
    children[stanza->child_count] = (struct xml_child){.ns = SPAN(NS_CAPS),
                                                       .name = SPAN("c"),
                                                       .offset = (uint32_t)stanza->payload.len,
                                                       .length = (uint32_t)caps.len};
    buf_append_span(&payload, stanza->payload);
    buf_append_span(&payload, caps);
    stanza->children = children;
    stanza->child_count++;
    stanza->payload = arena_copy(job->arena, buf_span(&payload));
    buf_deinit(&payload);
}

bool caps_keep(struct job *job, const struct state_session *session, struct stanza *now)
{
    struct stanza before;
    if (session->stanza.len == 0 || stanza_decode(session->stanza, job->arena, &before) != 0) {
        return false;
    }
    struct span old = caps_of(&before);
    struct span new = caps_of(now);
    if (new.len == 0 && old.len > 0) {
        append(job, now, old);
        return true;
    }
    return new.len > 0 && span_eq(old, new);
}

void caps_strip(struct job *job, struct stanza *shown)
{
    (void)stanza_drop(shown, is_caps, NULL, job->arena);
}
