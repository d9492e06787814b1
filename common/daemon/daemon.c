/* The daemon skeleton: from the command line to the exit code. */
#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/daemon_internal.h"
#include "loop/loop.h"
#include "loop/signal.h"
#include "loop/timer.h"
#include "metric/metric.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DAEMON_EX_USAGE 64
#define READY_EVERY_MS  500 /* how often readiness is looked at for the log */
#define INSTANCE_MAX    63
#define SIGNALS_MAX     3

/* struct daemon and what only the skeleton needs. */
struct skeleton {
    struct daemon d;
    struct daemon_args args;
    struct arena arena; /* addresses and announcements, for life */
    struct conf *conf;
    struct health *health;
    struct restart *restart;
    struct loop_signal *signals[SIGNALS_MAX];
    struct loop_timer ready_timer;
    struct loop_timer drain_timer;
    struct buf said; /* why the daemon was last said not to be ready */
    char instance[INSTANCE_MAX + 1];
    bool was_ready;
    bool is_open;
};

/* ---- bus: handlers get the daemon's own ctx, which is there only after open ---- */
static void *ctx_of(void *arg)
{
    return ((struct skeleton *)arg)->d.ctx;
}

static const struct bus_handlers *handlers_of(void *arg)
{
    return &((struct skeleton *)arg)->d.spec->handlers;
}

static void on_peer_up(void *arg, struct bus_peer *peer)
{
    if (handlers_of(arg)->peer_up != NULL) {
        handlers_of(arg)->peer_up(ctx_of(arg), peer);
    }
}

static void on_peer_down(void *arg, struct bus_peer *peer)
{
    if (handlers_of(arg)->peer_down != NULL) {
        handlers_of(arg)->peer_down(ctx_of(arg), peer);
    }
}

/* Items and calls must be answered: a daemon that expects none says so. */
static void on_item(void *arg, struct bus_peer *peer, uint64_t token, const struct wire_msg *msg)
{
    if (handlers_of(arg)->item != NULL) {
        handlers_of(arg)->item(ctx_of(arg), peer, token, msg);
        return;
    }
    LOG_WARN("item_unexpected", "name=%s peer=%s", wire_name(msg->id), bus_peer_instance(peer));
    bus_settle(peer, token);
}

static void on_call(void *arg, struct bus_call *call, const struct wire_msg *msg)
{
    struct wire_msg reply = {.id = WIRE_ID_result,
                             .u.result = {.condition = SPAN("service-unavailable")}};

    if (handlers_of(arg)->call != NULL) {
        handlers_of(arg)->call(ctx_of(arg), call, msg);
        return;
    }
    LOG_WARN("call_unexpected", "name=%s", wire_name(msg->id));
    bus_reply(call, &reply);
}

static void on_notice(void *arg, const struct wire_msg *msg)
{
    if (handlers_of(arg)->notice != NULL) {
        handlers_of(arg)->notice(ctx_of(arg), msg);
    }
}

static void on_notice_gap(void *arg)
{
    if (handlers_of(arg)->notice_gap != NULL) {
        handlers_of(arg)->notice_gap(ctx_of(arg));
    }
}

static int bus_open(struct skeleton *s)
{
    const struct daemon_spec *spec = s->d.spec;
    struct bus_options options;
    char error[256];

    if ((spec->flags & DAEMON_HAS_NO_BUS) != 0) {
        return 0;
    }
    daemon_bus_options(s->conf, spec->name, spec->flags, &s->arena, &options);
    options.loop = s->d.loop;
    options.instance = s->instance;
    options.handlers =
        (struct bus_handlers){on_peer_up, on_peer_down, on_item, on_call, on_notice, on_notice_gap};
    options.ctx = s;
    if (spec->announce != NULL) {
        options.announce_count = spec->announce(&s->arena, &options.announce);
    }
    s->d.bus = bus_new(&options, error, sizeof(error));
    if (s->d.bus == NULL) {
        LOG_ERROR("bus_failed", "reason=%s hint=see %s.listen and cluster.run_dir", error,
                  spec->name);
        return -1;
    }
    return 0;
}

/* ---- readiness ---- */
static bool peers_are_there(const struct daemon *d, struct buf *why)
{
    static const struct {
        unsigned flag;
        const char *kind;
    } wanted[] = {{DAEMON_DIALS_ROUTERS, "router"}, {DAEMON_DIALS_SESSIONS, "session"}};

    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        if ((d->spec->flags & wanted[i].flag) != 0 && !bus_has_peer(d->bus, wanted[i].kind)) {
            buf_printf(why, "waiting for a %s daemon (cluster.%ss)", wanted[i].kind,
                       wanted[i].kind);
            return false;
        }
    }
    return true;
}

bool daemon_is_ready(struct daemon *d, struct buf *why)
{
    if (d->is_draining) {
        buf_append_cstr(why, "draining");
        return false;
    }
    return peers_are_there(d, why) && (d->spec->is_ready == NULL || d->spec->is_ready(d->ctx, why));
}

/* Says each change once. */
static void ready_look(void *arg)
{
    struct skeleton *s = arg;
    struct buf why = {0};
    bool is_ready = daemon_is_ready(&s->d, &why);

    if (is_ready && !s->was_ready) {
        LOG_INFO("ready", "");
        buf_reset(&s->said);
    } else if (!is_ready && !span_eq(buf_span(&why), buf_span(&s->said))) {
        LOG_WARN("not_ready", "why=%s", buf_cstr(&why));
        buf_reset(&s->said);
        buf_append_span(&s->said, buf_span(&why));
    }
    metric_set(METRIC_ready, is_ready);
    s->was_ready = is_ready;
    buf_deinit(&why);
}

/* ---- configuration ---- */
static void log_each_line(const char *event, struct buf *lines)
{
    struct span rest = buf_span(lines);

    while (rest.len > 0) {
        struct span line = span_head(rest, span_find(rest, '\n'));
        LOG_ERROR(event, "reason=%.*s", SPAN_ARG(line));
        rest = span_from(rest, line.len + 1);
    }
}

static void reload(struct skeleton *s)
{
    struct buf error = {0};
    struct conf *fresh = conf_load(s->args.config, &error);
    struct conf *old = s->conf;

    if (fresh == NULL) {
        log_each_line("reload_refused", &error);
        metric_inc(METRIC_conf_reload_failures);
        buf_deinit(&error);
        return;
    }
    s->conf = fresh;
    s->d.conf = fresh;
    log_set_level((enum log_level)conf_choice(fresh, CONF_log_level));
    (void)restart_say(s->restart, fresh);
    if (s->d.spec->reload != NULL) {
        s->d.spec->reload(s->d.ctx);
    }
    conf_free(old);
    metric_change(METRIC_conf_generation, 1);
    LOG_INFO("reloaded", "config=%s", s->args.config != NULL ? s->args.config : "");
    buf_deinit(&error);
}

/* ---- end ---- */
static void drained(void *arg)
{
    struct skeleton *s = arg;

    loop_stop(s->d.loop);
}

static void drain_overdue(void *arg)
{
    struct skeleton *s = arg;

    LOG_WARN("drain_overdue", "hint=daemon.drain_timeout is too short for what was left");
    loop_stop(s->d.loop);
}

static void drain(struct skeleton *s, int signum)
{
    if (s->d.is_draining) {
        LOG_WARN("exit_now", "signal=%d", signum);
        _exit(128 + signum);
    }
    s->d.is_draining = true;
    LOG_INFO("draining", "signal=%d", signum);
    loop_timer_start(&s->drain_timer, (uint32_t)conf_u64(s->conf, CONF_daemon_drain_timeout), 0);
    if (s->d.spec->drain != NULL) {
        s->d.spec->drain(s->d.ctx, drained, s);
    } else {
        drained(s);
    }
}

static void on_signal(void *arg, int signum)
{
    struct skeleton *s = arg;

    if (signum == SIGHUP) {
        reload(s);
    } else {
        drain(s, signum);
    }
}

/* ---- start ---- */
static void name_instance(struct skeleton *s)
{
    char host[32] = "host";

    if (s->args.instance != NULL && s->args.instance[0] != '\0') {
        (void)snprintf(s->instance, sizeof(s->instance), "%s", s->args.instance);
    } else {
        (void)gethostname(host, sizeof(host) - 1);
        (void)snprintf(s->instance, sizeof(s->instance), "%s-%s-%d", s->d.spec->name, host,
                       getpid());
    }
    s->d.instance = s->instance;
}

static int health_open(struct skeleton *s)
{
    char error[256];
    uint64_t port = conf_u64(s->conf, CONF_health_port);
    const char *address = conf_str(s->conf, CONF_health_address);

    /* Port 0 turns it off, unless ports are asked for by name (--port-dir): then any free one. */
    if (port == 0 && s->args.port_dir == NULL) {
        return 0;
    }
    s->health = health_new(&s->d, address, (uint16_t)port, error, sizeof(error));
    if (s->health == NULL) {
        LOG_ERROR("health_failed", "reason=%s hint=see health.address and health.port", error);
        return -1;
    }
    daemon_publish_port(&s->d, "health", address, health_port(s->health));
    return 0;
}

static int skeleton_open(struct skeleton *s)
{
    static const int signums[SIGNALS_MAX] = {SIGHUP, SIGTERM, SIGINT};

    (void)signal(SIGPIPE, SIG_IGN);
    s->d.loop = loop_new();
    loop_timer_init(&s->ready_timer, s->d.loop, ready_look, s);
    loop_timer_init(&s->drain_timer, s->d.loop, drain_overdue, s);
    for (size_t i = 0; i < SIGNALS_MAX; i++) {
        s->signals[i] = loop_signal_new(s->d.loop, signums[i], on_signal, s);
    }
    if (bus_open(s) != 0 || (s->d.spec->open != NULL && s->d.spec->open(&s->d, &s->d.ctx) != 0)) {
        return -1;
    }
    s->is_open = true;
    loop_timer_start(&s->ready_timer, 0, READY_EVERY_MS);
    return health_open(s);
}

static void skeleton_close(struct skeleton *s)
{
    if (s->d.loop == NULL) {
        return;
    }
    loop_timer_stop(&s->ready_timer);
    loop_timer_stop(&s->drain_timer);
    health_free(s->health);
    if (s->is_open && s->d.spec->close != NULL) {
        s->d.spec->close(s->d.ctx);
    }
    if (s->d.bus != NULL) {
        bus_free(s->d.bus);
    }
    for (size_t i = 0; i < SIGNALS_MAX; i++) {
        loop_signal_free(s->signals[i]);
    }
    loop_free(s->d.loop);
}

static int skeleton_run(struct skeleton *s)
{
    int code = 1;

    log_open(s->d.spec->name, s->instance, (enum log_level)conf_choice(s->conf, CONF_log_level),
             (enum log_format)conf_choice(s->conf, CONF_log_format));
    metric_set(METRIC_process_start, (int64_t)(clock_real_ms() / 1000));
    metric_set(METRIC_conf_generation, 1);
    s->restart = restart_new(s->d.name, s->conf);
    LOG_INFO("starting", "version=%s pid=%d", JACKDAW_VERSION, getpid());
    if (skeleton_open(s) == 0) {
        loop_run(s->d.loop);
        code = 0;
    }
    skeleton_close(s);
    LOG_INFO("stopped", "code=%d", code);
    return code;
}

int daemon_main(int argc, char **argv, const struct daemon_spec *spec)
{
    struct skeleton s = {.d.spec = spec, .d.name = spec->name};
    struct buf error = {0};
    int code = 0;
    int parsed = daemon_parse_args(spec, argc, argv, &s.args);

    if (parsed <= 0) {
        return parsed == 0 ? 0 : DAEMON_EX_USAGE;
    }
    name_instance(&s);
    s.conf = conf_load(s.args.config, &error);
    s.d.conf = s.conf;
    if (s.conf == NULL) {
        (void)fprintf(stderr, "%s\n", buf_cstr(&error));
        code = DAEMON_EX_CONFIG;
    } else if (!s.args.check) {
        code = skeleton_run(&s);
    }
    restart_free(s.restart);
    conf_free(s.conf);
    arena_deinit(&s.arena);
    buf_deinit(&s.said);
    buf_deinit(&error);
    return code;
}

/* ---- ports ---- */
void daemon_publish_port(const struct daemon *d, const char *what, const char *address,
                         unsigned port)
{
    const struct skeleton *s = CONTAINER_OF(d, struct skeleton, d);
    char path[512], fresh[520];
    FILE *file;

    LOG_INFO("listening", "what=%s address=%s port=%u", what, address, port);
    if (s->args.port_dir == NULL) {
        return;
    }
    (void)snprintf(path, sizeof(path), "%s/%s.%s", s->args.port_dir, d->instance, what);
    (void)snprintf(fresh, sizeof(fresh), "%s.new", path);
    file = fopen(fresh, "we");
    if (file == NULL || fprintf(file, "%u\n", port) < 0 || fclose(file) != 0 ||
        rename(fresh, path) != 0) {
        LOG_ERROR("port_file", "path=%s reason=%s", path, strerror(errno));
    }
}
