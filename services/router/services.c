/* Announcement lines, parsed and remembered. */
#include "services.h"

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "loop/loop.h"

#define MAX_WORDS 4

/* A feature or identity line. */
struct fact {
    struct list_node node;
    const struct owner *owner;
    enum services_what what;
    enum services_scope scope;
    size_t len;
    char text[];
};

struct services {
    struct loop *loop;
    struct list_node owners;
    struct list_node facts;
    struct map iq[SCOPE_COUNT]; /* namespace to struct owner */
    struct owner *presence;
    struct owner *keeper;
    bool has_presence;
    bool is_archived;
};

static const char *const scope_names[SCOPE_COUNT] = {"server", "account", "own", "full"};

static struct owner *owner_get(struct services *services, const char *kind)
{
    size_t len = strlen(kind);
    struct owner *owner;

    LIST_FOREACH(node, &services->owners)
    {
        owner = CONTAINER_OF(node, struct owner, node);
        if (strcmp(owner->kind, kind) == 0)
            return owner;
    }
    owner = mem_calloc(1, sizeof(*owner) + len + 1);
    memcpy(owner->kind, kind, len + 1);
    owner->gone_ms = loop_now_ms(services->loop);
    list_add_tail(&services->owners, &owner->node);
    return owner;
}

static bool is_alive(const struct services *services, const struct owner *owner)
{
    return owner->instances > 0 ||
           loop_now_ms(services->loop) - owner->gone_ms < SERVICES_PATIENCE_MS;
}

/* ---- lines ---- */

static int scope_of(struct span word, enum services_scope *scope_out)
{
    for (unsigned i = 0; i < SCOPE_COUNT; i++) {
        if (span_is(word, scope_names[i])) {
            *scope_out = (enum services_scope)i;
            return 0;
        }
    }
    return -1;
}

static void fact_add(struct services *services, const struct fact *like, struct span text)
{
    struct fact *fact;

    LIST_FOREACH(node, &services->facts)
    {
        fact = CONTAINER_OF(node, struct fact, node);
        if (fact->owner == like->owner && fact->what == like->what && fact->scope == like->scope &&
            span_eq(span_of(fact->text, fact->len), text))
            return;
    }
    fact = mem_calloc(1, sizeof(*fact) + text.len);
    fact->owner = like->owner;
    fact->what = like->what;
    fact->scope = like->scope;
    fact->len = text.len;
    memcpy(fact->text, text.data, text.len);
    list_add_tail(&services->facts, &fact->node);
}

static int learn_iq(struct services *services, struct owner *owner, const struct span *words)
{
    enum services_scope scope;

    if (scope_of(words[2], &scope) != 0)
        return -1;
    map_put(&services->iq[scope], words[1], owner);
    return 0;
}

static int learn_presence(struct services *services, struct owner *owner, const struct span *words)
{
    (void)words;
    services->presence = owner;
    services->has_presence = true;
    return 0;
}

static int learn_streams(struct services *services, struct owner *owner, const struct span *words)
{
    (void)services;
    (void)words;
    owner->has_streams = true;
    return 0;
}

static int learn_accounts(struct services *services, struct owner *owner, const struct span *words)
{
    (void)services;
    (void)words;
    owner->has_accounts = true;
    return 0;
}

static int learn_keep(struct services *services, struct owner *owner, const struct span *words)
{
    (void)words;
    services->keeper = owner;
    return 0;
}

static int learn_archive(struct services *services, struct owner *owner, const struct span *words)
{
    (void)owner;
    (void)words;
    services->is_archived = true;
    return 0;
}

static int learn_feature(struct services *services, struct owner *owner, const struct span *words)
{
    struct fact like = {.owner = owner, .what = SERVICES_FEATURE};

    if (scope_of(words[2], &like.scope) != 0)
        return -1;
    fact_add(services, &like, words[1]);
    return 0;
}

static int learn_identity(struct services *services, struct owner *owner, const struct span *words)
{
    struct fact like = {.owner = owner, .what = SERVICES_IDENTITY};
    size_t len = (size_t)(words[2].data + words[2].len - words[1].data);

    if (scope_of(words[3], &like.scope) != 0)
        return -1;
    fact_add(services, &like, span_of(words[1].data, len)); /* "category type" as it stands */
    return 0;
}

static const struct {
    const char *word;
    size_t words;
    int (*learn)(struct services *services, struct owner *owner, const struct span *words);
} line_kinds[] = {
    {"iq", 3, learn_iq},           {"presence", 1, learn_presence},
    {"feature", 3, learn_feature}, {"identity", 4, learn_identity},
    {"keep", 1, learn_keep},       {"archive", 1, learn_archive},
    {"streams", 1, learn_streams}, {"accounts", 1, learn_accounts},
};

static size_t split(struct span line, struct span words[MAX_WORDS])
{
    size_t count = 0;

    while (!span_is_empty(line) && count < MAX_WORDS) {
        size_t len = span_find(line, ' ');

        words[count++] = span_head(line, len);
        line = span_from(line, len + 1);
    }
    return span_is_empty(line) ? count : 0;
}

static int learn(struct services *services, struct owner *owner, struct span line)
{
    struct span words[MAX_WORDS];
    size_t count = split(line, words);

    for (size_t i = 0; count > 0 && i < sizeof(line_kinds) / sizeof(line_kinds[0]); i++) {
        if (span_is(words[0], line_kinds[i].word))
            return count == line_kinds[i].words ? line_kinds[i].learn(services, owner, words) : -1;
    }
    return -1;
}

/* ---- daemons that come and go ---- */

void services_up(struct services *services, const char *kind, const struct span *lines,
                 size_t count)
{
    struct owner *owner = owner_get(services, kind);

    owner->instances++;
    for (size_t i = 0; i < count; i++) {
        if (learn(services, owner, lines[i]) != 0)
            LOG_WARN("announcement-not-understood", "kind=%s line=%.*s", kind, SPAN_ARG(lines[i]));
    }
}

void services_down(struct services *services, const char *kind)
{
    struct owner *owner = owner_get(services, kind);

    if (owner->instances > 0 && --owner->instances == 0)
        owner->gone_ms = loop_now_ms(services->loop);
}

/* ---- questions ---- */

const struct owner *services_iq(const struct services *services, struct span ns,
                                enum services_scope scope)
{
    const struct owner *owner = map_get(&services->iq[scope], ns);

    return owner && is_alive(services, owner) ? owner : NULL;
}

const struct owner *services_presence(const struct services *services)
{
    return services->presence;
}

const struct owner *services_keeper(const struct services *services)
{
    return services->keeper && is_alive(services, services->keeper) ? services->keeper : NULL;
}

void services_each_account_owner(const struct services *services,
                                 void (*each)(void *arg, const struct owner *owner), void *arg)
{
    LIST_FOREACH(node, &services->owners)
    {
        const struct owner *owner = CONTAINER_OF(node, struct owner, node);

        if (owner->has_accounts)
            each(arg, owner);
    }
}

bool services_is_archived(const struct services *services)
{
    return services->is_archived && services_keeper(services);
}

bool services_is_complete(const struct services *services)
{
    if (!services->has_presence)
        return false;
    LIST_FOREACH(node, &services->owners)
    {
        if (strcmp(CONTAINER_OF(node, struct owner, node)->kind, "session") == 0)
            return true;
    }
    return false;
}

bool services_has_streams(const struct services *services, const char *kind)
{
    LIST_FOREACH(node, &services->owners)
    {
        const struct owner *owner = CONTAINER_OF(node, struct owner, node);

        if (strcmp(owner->kind, kind) == 0)
            return owner->has_streams;
    }
    return false;
}

uint32_t services_patience_ms(const struct services *services)
{
    uint64_t now = loop_now_ms(services->loop);
    uint32_t left = 0;

    LIST_FOREACH(node, &services->owners)
    {
        const struct owner *owner = CONTAINER_OF(node, struct owner, node);
        uint64_t end = owner->gone_ms + SERVICES_PATIENCE_MS;

        if (owner->instances == 0 && end > now && (left == 0 || end - now < left))
            left = (uint32_t)(end - now);
    }
    return left;
}

/* Two kinds of daemon may announce the same feature: the first one speaks for both. */
static bool is_repeated(const struct services *services, const struct fact *fact)
{
    LIST_FOREACH(node, &services->facts)
    {
        const struct fact *other = CONTAINER_OF(node, struct fact, node);

        if (other == fact)
            return false;
        if (other->what == fact->what && other->scope == fact->scope &&
            is_alive(services, other->owner) &&
            span_eq(span_of(other->text, other->len), span_of(fact->text, fact->len)))
            return true;
    }
    return false;
}

void services_each(const struct services *services, enum services_what what,
                   enum services_scope scope, void (*each)(void *arg, struct span text), void *arg)
{
    LIST_FOREACH(node, &services->facts)
    {
        const struct fact *fact = CONTAINER_OF(node, struct fact, node);

        if (fact->what == what && fact->scope == scope && is_alive(services, fact->owner) &&
            !is_repeated(services, fact))
            each(arg, span_of(fact->text, fact->len));
    }
}

/* ---- the registry of services ---- */

struct services *services_new(struct loop *loop)
{
    struct services *services = mem_calloc(1, sizeof(*services));

    services->loop = loop;
    list_init(&services->owners);
    list_init(&services->facts);
    for (unsigned i = 0; i < SCOPE_COUNT; i++)
        map_init(&services->iq[i]);
    services->presence = owner_get(services, "presence");
    return services;
}

void services_free(struct services *services)
{
    struct list_node *node;

    while ((node = list_pop(&services->owners)) != NULL)
        mem_free(CONTAINER_OF(node, struct owner, node));
    while ((node = list_pop(&services->facts)) != NULL)
        mem_free(CONTAINER_OF(node, struct fact, node));
    for (unsigned i = 0; i < SCOPE_COUNT; i++)
        map_deinit(&services->iq[i]);
    mem_free(services);
}
