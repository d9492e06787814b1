/* Bus options from the configuration: who listens, who dials whom. */
#include "daemon/daemon_internal.h"

#include <stdio.h>

/* The elements of a LIST option as C strings in `arena`. */
static size_t list_of(const struct conf *conf, enum conf_id id, struct arena *arena,
                      const char *const **items_out)
{
    const struct span *items;
    size_t count = conf_list(conf, id, &items);
    const char **list = arena_calloc(arena, count + 1, sizeof(*list));

    for (size_t i = 0; i < count; i++) {
        list[i] = arena_copy(arena, items[i]).data;
    }
    *items_out = list;
    return count;
}

/* Copied: the bus keeps it longer than a reload keeps the configuration. */
static const char *listen_address(const struct conf *conf, const char *name, struct arena *arena)
{
    int id = conf_find(name, "listen");

    return id < 0 ? NULL : arena_copy(arena, span_cstr(conf_str(conf, (enum conf_id)id))).data;
}

/* A daemon does not dial itself: one address list serves all. */
static void add_dials(const char **dials, size_t *count, const char *const *list, size_t list_count,
                      const char *self)
{
    for (size_t i = 0; i < list_count; i++) {
        if (self == NULL || strcmp(list[i], self) != 0) {
            dials[(*count)++] = list[i];
        }
    }
}

void daemon_bus_options(const struct conf *conf, const char *name, unsigned flags,
                        struct arena *arena, struct bus_options *options_out)
{
    const char *const *routers, *const *sessions;
    size_t router_count = list_of(conf, CONF_cluster_routers, arena, &routers);
    size_t session_count = list_of(conf, CONF_cluster_sessions, arena, &sessions);
    const char **dials = arena_calloc(arena, router_count + session_count + 1, sizeof(*dials));
    size_t dial_count = 0;
    const char *self = (flags & DAEMON_LISTENS) != 0 ? listen_address(conf, name, arena) : NULL;

    if ((flags & DAEMON_DIALS_ROUTERS) != 0) {
        add_dials(dials, &dial_count, routers, router_count, self);
    }
    if ((flags & DAEMON_DIALS_SESSIONS) != 0) {
        add_dials(dials, &dial_count, sessions, session_count, self);
    }
    *options_out = (struct bus_options){
        .kind = name,
        .listen = self,
        .dial = dials,
        .dial_count = dial_count,
        .hubs = routers,
        .hub_count = router_count,
        .is_hub = (flags & DAEMON_IS_HUB) != 0,
        .wants_notices = (flags & DAEMON_WANTS_NOTICES) != 0,
        .linger_ms = (uint32_t)conf_u64(conf, CONF_bus_linger),
        .peer_grace_ms = (uint32_t)conf_u64(conf, CONF_bus_peer_grace),
        .resend_ms = (uint32_t)conf_u64(conf, CONF_bus_resend),
        .max_message_bytes = conf_u64(conf, CONF_bus_max_message),
        .max_unsettled_bytes = conf_u64(conf, CONF_bus_max_unsettled),
    };
}
