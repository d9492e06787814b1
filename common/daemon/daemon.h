/* The one skeleton every daemon stands on: arguments, configuration, log, loop, bus, health,
 * signals.
 *
 * A daemon's main() fills a struct daemon_spec and calls daemon_main. Life of a daemon: arguments,
 * configuration (invalid: says why, exit 78), loop, bus, open, run. SIGHUP loads the configuration
 * anew (invalid: logs why, keeps the old) and calls reload. SIGTERM and SIGINT: not ready any more,
 * drain, then close and exit 0, at the latest after daemon.drain_timeout; a second one exits at
 * once.
 *
 * Options: --config FILE (or JACKDAW_CONFIG), --instance NAME (or JACKDAW_INSTANCE; default
 * daemon-host-pid), --check (validate the configuration and exit), --options (the reference,
 * Markdown),
 * --example (a commented configuration file), --port-dir DIR, --version, --help.
 */
#ifndef JACKDAW_DAEMON_DAEMON_H
#define JACKDAW_DAEMON_DAEMON_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/span.h"
#include "bus/bus.h"
#include "conf/conf.h"

#include <stdbool.h>
#include <stdint.h>

#define DAEMON_EX_CONFIG 78

/* What the daemon does on the bus. */
#define DAEMON_DIALS_ROUTERS  1u  /* cluster.routers */
#define DAEMON_DIALS_SESSIONS 2u  /* cluster.sessions */
#define DAEMON_LISTENS        4u  /* at NAME.listen */
#define DAEMON_IS_HUB         8u  /* relays notices */
#define DAEMON_WANTS_NOTICES  16u /* bus_handlers.notice is called */
#define DAEMON_HAS_NO_BUS     32u

struct daemon_spec;

/* What a daemon is given; the skeleton owns it all and it outlives close(). */
struct daemon {
    const struct daemon_spec *spec;
    struct loop *loop;
    const struct conf *conf; /* replaced by a reload: strings borrowed from it live until reload */
    struct bus *bus;         /* NULL with DAEMON_HAS_NO_BUS */
    const char *name;        /* "edge" */
    const char *instance;    /* "edge-1", unique in the cluster, at most 63 bytes */
    void *ctx;               /* what open returned */
    bool is_draining;
};

typedef void daemon_done_fn(void *arg);

/* Only `name` and `summary` must be set. */
struct daemon_spec {
    const char *name;
    const char *summary; /* one line for --help */
    unsigned flags;
    /* The lines this daemon announces on the bus: as many as returned, in `arena`. */
    size_t (*announce)(struct arena *arena, const struct span **lines_out);
    /* Called with `ctx` of open; never before open returned. */
    struct bus_handlers handlers;
    /* Makes the daemon's state. d->bus is there, but nothing was heard yet. -1 after it logged why
     * (exit 1): only for what no waiting can mend. */
    int (*open)(struct daemon *d, void **ctx_out);
    /* What is missing goes into `why`, one line. Not called while draining (then it is not ready).
     */
    bool (*is_ready)(void *ctx, struct buf *why);
    /* d->conf is new and valid. */
    void (*reload)(void *ctx);
    /* Stop accepting, hand over, and call done(arg) when nothing is left to do. May call it at
     * once. */
    void (*drain)(void *ctx, daemon_done_fn *done, void *arg);
    /* Frees everything. The bus still is there but sends nothing more. */
    void (*close)(void *ctx);
};

/* The whole of main(). Returns the exit code. */
int daemon_main(int argc, char **argv, const struct daemon_spec *spec);

/* Logs event=listening with what, address and port, and with --port-dir writes the port to the file
 * DIR/INSTANCE.WHAT (whole or not at all): how tests find ephemeral ports. */
void daemon_publish_port(const struct daemon *d, const char *what, const char *address,
                         unsigned port);

/* Fills kind, instance, addresses (in `arena`), times and limits of bus options from the
 * configuration, as `flags` say. For programs that are on the bus without the skeleton
 * (jackdawctl). */
void daemon_bus_options(const struct conf *conf, const char *name, unsigned flags,
                        struct arena *arena, struct bus_options *options_out);

#endif
