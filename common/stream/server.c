/* One text a domain: the last one counts. */
#include "stream/server_internal.h"

#include "base/mem.h"

struct server_features {
    size_t len;
    char text[];
};

size_t stream_announce(struct arena *arena, const struct span **lines_out)
{
    struct span *lines = arena_calloc(arena, 1, sizeof(*lines));
    lines[0] = SPAN("streams");
    *lines_out = lines;
    return 1;
}

void stream_server_learn(struct stream_host *host, const struct wire_stream_features *item)
{
    struct server_features *features = mem_alloc(sizeof(*features) + item->features.len);
    features->len = item->features.len;
    if (item->features.len)
        memcpy(features->text, item->features.data, item->features.len);
    mem_free(map_put(&host->features, item->domain, features));
}

struct span stream_server_features(const struct stream_host *host, struct span domain)
{
    const struct server_features *features = map_get(&host->features, domain);
    return features ? span_of(features->text, features->len) : (struct span){0};
}

void stream_server_free(struct stream_host *host)
{
    struct map_cursor at = {0};
    void *features;
    while (map_next(&host->features, &at, NULL, &features))
        mem_free(features);
    map_deinit(&host->features);
}
