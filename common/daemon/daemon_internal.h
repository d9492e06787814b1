/* What the files of the daemon skeleton share. */
#ifndef JACKDAW_DAEMON_DAEMON_INTERNAL_H
#define JACKDAW_DAEMON_DAEMON_INTERNAL_H

#include "daemon/daemon.h"

/* What the command line said. */
struct daemon_args {
    const char *config;   /* NULL: no file */
    const char *instance; /* NULL: made up */
    const char *port_dir; /* NULL: ports go to the log only */
    bool check;
};

/* Parses the command line. 1: go on; 0: all done (exit 0); -1: wrong (exit 64), said why. */
int daemon_parse_args(const struct daemon_spec *spec, int argc, char **argv,
                      struct daemon_args *args_out);

/* Whether the daemon can do its work; `why` gets one line when not. */
bool daemon_is_ready(struct daemon *d, struct buf *why);

struct health;
/* The listener for /healthz, /readyz and /metrics. NULL with a line in `error` when it cannot
 * listen. */
struct health *health_new(struct daemon *d, const char *address, uint16_t port, char *error,
                          size_t error_size);
uint16_t health_port(const struct health *health);
void health_free(struct health *health);

/* Brings the gauges about the process itself (memory, file descriptors) up to date. */
void process_measure(void);

/* restart.c: what a reload cannot change. Notes the values at the start; returns owned. */
struct restart;
struct restart *restart_new(const char *daemon, const struct conf *conf);
void restart_free(struct restart *restart);
/* One log line for each that `fresh` has otherwise; how many. */
size_t restart_say(const struct restart *restart, const struct conf *fresh);

#endif
