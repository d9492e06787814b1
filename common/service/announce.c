/* Announcement lines from a daemon's table. */
#include "service/service.h"

struct lines {
    struct arena *arena;
    struct span *items;
    size_t count;
};

static const struct {
    unsigned bit;
    const char *name;
} scope_names[] = {
    {SERVICE_SERVER, "server"},
    {SERVICE_ACCOUNT, "account"},
    {SERVICE_OWN, "own"},
    {SERVICE_FULL, "full"},
};

#define SCOPES (sizeof(scope_names) / sizeof(scope_names[0]))

static void add(struct lines *lines, struct span line)
{
    for (size_t i = 0; i < lines->count; i++) {
        if (span_eq(lines->items[i], line))
            return;
    }
    lines->items[lines->count++] = line;
}

static void add_handler(struct lines *lines, const struct service_handler *handler)
{
    for (size_t i = 0; i < SCOPES; i++) {
        if (handler->scopes & scope_names[i].bit)
            add(lines, arena_printf(lines->arena, "iq %s %s", handler->ns, scope_names[i].name));
    }
    if (!handler->feature)
        return;
    if (handler->scopes & SERVICE_SERVER)
        add(lines, arena_printf(lines->arena, "feature %s server", handler->feature));
    if (handler->scopes & (SERVICE_ACCOUNT | SERVICE_OWN))
        add(lines, arena_printf(lines->arena, "feature %s account", handler->feature));
}

static void add_feature(struct lines *lines, const struct service_feature *feature)
{
    for (size_t i = 0; i < SCOPES; i++) {
        if (!(feature->scopes & scope_names[i].bit))
            continue;
        if (feature->feature)
            add(lines,
                arena_printf(lines->arena, "feature %s %s", feature->feature, scope_names[i].name));
        if (feature->category)
            add(lines, arena_printf(lines->arena, "identity %s %s %s", feature->category,
                                    feature->type, scope_names[i].name));
    }
}

size_t service_announce(const struct service_table *table, struct arena *arena,
                        const struct span **lines_out)
{
    size_t most = 4 + table->handler_count * (SCOPES + 2) + table->feature_count * SCOPES * 2;
    struct lines lines = {.arena = arena};

    lines.items = arena_calloc(arena, most, sizeof(struct span));
    if (table->presence)
        add(&lines, SPAN("presence"));
    if (table->clear)
        add(&lines, SPAN("accounts"));
    if (table->keeps)
        add(&lines, SPAN("keep"));
    if (table->archives)
        add(&lines, SPAN("archive"));
    for (size_t i = 0; i < table->handler_count; i++)
        add_handler(&lines, &table->handlers[i]);
    for (size_t i = 0; i < table->feature_count; i++)
        add_feature(&lines, &table->features[i]);
    *lines_out = lines.items;
    return lines.count;
}
