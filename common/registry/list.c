/* All sessions, page by page: the leases name the holders, each holder's index names its sessions,
 * and the registry says the rest. A cursor is "SCAN-POSITION HOLDER". */
#include "registry/registry_internal.h"

#include "base/mem.h"
#include "redis/keys.h"

struct page {
    struct redis *redis;
    registry_list_fn *fn;
    void *arg;
    struct arena arena;
    uint32_t max;
    struct span scan;      /* position in the holder's index */
    struct span holder;    /* whose index is read */
    struct span following; /* the holder after it, or empty */
    struct span next;
    struct registry_listed *sessions;
    size_t count;
    size_t asked; /* records not answered yet */
    enum registry_status status;
};

/* A record that was asked for. */
struct wanted {
    struct page *page;
    struct span jid;
    uint64_t sid;
};

static void finish(struct page *page)
{
    if (page->status != REGISTRY_OK) {
        page->count = 0;
    }
    page->fn(page->arg, page->status, page->sessions, page->count, page->next);
    arena_deinit(&page->arena);
    mem_free(page);
}

static void on_record(void *arg, const struct redis_reply *reply)
{
    struct wanted *wanted = arg;
    struct page *page = wanted->page;
    struct registry_listed *listed = &page->sessions[page->count];
    struct span bytes = arena_copy(&page->arena, redis_text(reply));
    if (redis_failed(reply)) {
        page->status = REGISTRY_DOWN;
    } else if (registry_record_decode(bytes, &page->arena, &listed->record) == 0 &&
               listed->record.sid == wanted->sid) {
        listed->jid = wanted->jid;
        page->count++;
    }
    if (--page->asked == 0) {
        finish(page);
    }
}

static void ask(struct page *page, struct span sid, struct span jid)
{
    uint64_t number;
    if (registry_sid_parse(sid, &number) != 0) {
        return; /* the generation */
    }
    struct wanted *wanted = arena_alloc(&page->arena, sizeof(*wanted));
    *wanted = (struct wanted){page, arena_copy(&page->arena, jid), number};
    page->asked++;
    redis_call(page->redis, on_record, wanted, SPAN("HGET"),
               redis_key(REDIS_KEY_sessions, registry_bare(jid), (struct span){0}, &page->arena),
               registry_resource(jid));
}

static void on_scanned(void *arg, const struct redis_reply *reply)
{
    struct page *page = arg;
    if (redis_failed(reply) || redis_count(reply) != 2) {
        page->status = REGISTRY_DOWN;
        finish(page);
        return;
    }
    struct span position = redis_text(redis_at(reply, 0));
    const struct redis_reply *fields = redis_at(reply, 1);
    size_t count = redis_count(fields) / 2;
    if (!span_is(position, "0")) {
        page->next =
            arena_printf(&page->arena, "%.*s %.*s", SPAN_ARG(position), SPAN_ARG(page->holder));
    } else if (!span_is_empty(page->following)) {
        page->next = arena_printf(&page->arena, "0 %.*s", SPAN_ARG(page->following));
    }
    page->sessions = arena_calloc(&page->arena, count + 1, sizeof(*page->sessions));
    for (size_t i = 0; i < count; i++) {
        ask(page, redis_text(redis_at(fields, 2 * i)), redis_text(redis_at(fields, 2 * i + 1)));
    }
    if (page->asked == 0) {
        finish(page);
    }
}

static int compare(struct span a, struct span b)
{
    int order = memcmp(a.len ? a.data : "", b.len ? b.data : "", a.len < b.len ? a.len : b.len);
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

/* The smallest holder among the leases that is not before `from` (with `after`: is behind it). */
static struct span pick_holder(const struct redis_reply *leases, struct span from, bool after)
{
    struct span best = {0};
    for (size_t i = 0; i < redis_count(leases); i++) {
        struct span holder = registry_lease_holder(redis_text(redis_at(leases, i)));
        int order = compare(holder, from);
        if (order < 0 || (after && order == 0)) {
            continue;
        }
        if (span_is_empty(best) || compare(holder, best) < 0) {
            best = holder;
        }
    }
    return best;
}

static void on_leases(void *arg, const struct redis_reply *reply)
{
    struct page *page = arg;
    struct span holder = pick_holder(reply, page->holder, false);
    if (redis_failed(reply) || span_is_empty(holder)) {
        page->status = redis_failed(reply) ? REGISTRY_DOWN : REGISTRY_OK;
        finish(page);
        return;
    }
    if (!span_eq(holder, page->holder)) {
        page->scan = SPAN("0");
    }
    page->holder = arena_copy(&page->arena, holder);
    page->following = arena_copy(&page->arena, pick_holder(reply, page->holder, true));
    redis_call(page->redis, on_scanned, page, SPAN("HSCAN"),
               registry_index_key(page->holder, &page->arena), page->scan, SPAN("COUNT"),
               arena_printf(&page->arena, "%u", (unsigned)page->max));
}

void registry_list(struct redis *redis, struct span after, uint32_t max, registry_list_fn *fn,
                   void *arg)
{
    struct page *page = mem_calloc(1, sizeof(*page));
    uint64_t position;
    size_t space = span_find(after, ' ');
    page->redis = redis;
    page->fn = fn;
    page->arg = arg;
    page->max = max ? max : 1;
    page->scan = SPAN("0");
    page->holder = arena_copy(&page->arena, span_from(after, space + 1));
    if (span_to_u64(span_head(after, space), &position) == 0) {
        page->scan = arena_copy(&page->arena, span_head(after, space));
    }
    redis_call(redis, on_leases, page, SPAN("ZRANGE"),
               redis_key(REDIS_KEY_leases, (struct span){0}, (struct span){0}, &page->arena),
               SPAN("0"), SPAN("-1"));
}
