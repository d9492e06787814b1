/* Options that a reload cannot change: sockets stay open where they are, and what was opened with them
 * stays as it is. A reload says so instead of passing over it in silence. */
#include "base/log.h"
#include "base/mem.h"
#include "daemon/daemon_internal.h"

/* `section` NULL: of every daemon; else of the daemon of that name. */
static const struct {
    const char *daemon;
    const char *name;
    enum conf_id id;
} options[] = {
    {NULL, "log.format", CONF_log_format},
    {NULL, "health.address", CONF_health_address},
    {NULL, "health.port", CONF_health_port},
    {NULL, "cluster.run_dir", CONF_cluster_run_dir},
    {NULL, "cluster.routers", CONF_cluster_routers},
    {NULL, "cluster.sessions", CONF_cluster_sessions},
    {NULL, "redis.url", CONF_redis_url},
    {NULL, "sql.url", CONF_sql_url},
    {"router", "router.listen", CONF_router_listen},
    {"session", "session.listen", CONF_session_listen},
    {"edge", "edge.address", CONF_edge_address},
    {"edge", "edge.port", CONF_edge_port},
    {"edge", "edge.tls", CONF_edge_tls},
    {"edge", "edge.tls_port", CONF_edge_tls_port},
    {"edge", "edge.web_root", CONF_edge_web_root},
    {"c2s", "c2s.address", CONF_c2s_address},
    {"c2s", "c2s.port", CONF_c2s_port},
    {"c2s", "c2s.tls_port", CONF_c2s_tls_port},
};

#define OPTION_COUNT (sizeof(options) / sizeof(options[0]))

struct restart {
    char *running[OPTION_COUNT]; /* as they were at the start; NULL: not this daemon's */
};

struct restart *restart_new(const char *daemon, const struct conf *conf)
{
    struct restart *restart = mem_calloc(1, sizeof(*restart));

    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (options[i].daemon == NULL || strcmp(options[i].daemon, daemon) == 0) {
            restart->running[i] = mem_strdup(conf_str(conf, options[i].id));
        }
    }
    return restart;
}

void restart_free(struct restart *restart)
{
    for (size_t i = 0; restart != NULL && i < OPTION_COUNT; i++) {
        mem_free(restart->running[i]);
    }
    mem_free(restart);
}

size_t restart_say(const struct restart *restart, const struct conf *fresh)
{
    size_t count = 0;

    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const char *running = restart->running[i];
        const char *wanted = conf_str(fresh, options[i].id);
        if (running == NULL || strcmp(running, wanted) == 0) {
            continue;
        }
        /* Not the values: an address may hold a password. */
        LOG_WARN("restart-needed", "option=%s hint=%s", options[i].name,
                 "a reload does not change it");
        count++;
    }
    return count;
}
