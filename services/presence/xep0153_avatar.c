/* Reading the hash of the avatar, and writing it into presence. */
#include "xep0153_avatar.h"

#include "base/buf.h"
#include "presence.h"
#include "redis/keys.h"
#include "xml/ns.h"

struct asking {
    struct job *job;
    struct avatar *avatar;
};

static void on_hash(void *arg, const struct redis_reply *reply)
{
    struct asking *asking = arg;
    asking->avatar->is_known = redis_type(reply) == REDIS_STRING;
    asking->avatar->hash = arena_copy(asking->job->arena, redis_text(reply));
    job_release(asking->job, !redis_failed(reply));
}

void avatar_read(struct job *job, struct avatar *avatar)
{
    struct asking *asking = arena_calloc(job->arena, 1, sizeof(*asking));
    *asking = (struct asking){job, avatar};
    job_hold(job);
    redis_call(job->presence->redis, on_hash, asking, SPAN("GET"),
               redis_key(REDIS_KEY_avatar, job->account, (struct span){0}, job->arena));
}

static bool is_update(const struct xml_child *child)
{
    return span_is(child->ns, NS_VCARD_UPDATE) && span_is(child->name, "x");
}

/* Whether the client says which photo there is, or that there is none. */
static bool has_photo(const struct stanza *stanza, struct arena *arena)
{
    for (uint32_t i = 0; i < stanza->child_count; i++) {
        struct xml_node *x = NULL;
        if (is_update(&stanza->children[i]) &&
            xml_tree_parse(stanza_child_bytes(stanza, &stanza->children[i]), SPAN(NS_CLIENT), arena,
                           &x) == 0 &&
            x && xml_find(x->first_child, NS_VCARD_UPDATE, "photo")) {
            return true;
        }
    }
    return false;
}

static void append_child(struct buf *payload, struct xml_child *child, struct span bytes)
{
    child->offset = (uint32_t)payload->len;
    child->length = (uint32_t)bytes.len;
    buf_append_span(payload, bytes);
}

void avatar_add(struct job *job, const struct avatar *avatar, struct stanza *stanza)
{
    struct arena *arena = job->arena;
    struct buf payload = {0};
    struct xml_child *children;
    uint32_t count = 0;
    if (!avatar->is_known || has_photo(stanza, arena)) {
        return;
    }
    children = arena_calloc(arena, stanza->child_count + 1, sizeof(*children));
    for (uint32_t i = 0; i < stanza->child_count; i++) {
        const struct xml_child *child = &stanza->children[i];
        if (!is_update(child)) {
            children[count] = *child;
            append_child(&payload, &children[count++], stanza_child_bytes(stanza, child));
        }
    }
    struct span x = arena_printf(arena, "<x xmlns=\"" NS_VCARD_UPDATE "\"><photo>%.*s</photo></x>",
                                 SPAN_ARG(avatar->hash));
    if (span_is_empty(avatar->hash)) {
        x = SPAN("<x xmlns=\"" NS_VCARD_UPDATE "\"><photo/></x>");
    }
    children[count] = (struct xml_child){.ns = SPAN(NS_VCARD_UPDATE), .name = SPAN("x")};
    append_child(&payload, &children[count++], x);
    stanza->children = children;
    stanza->child_count = count;
    stanza->payload = arena_copy(arena, buf_span(&payload));
    buf_deinit(&payload);
}
