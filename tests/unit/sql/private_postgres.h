/* A PostgreSQL 15 of the test's own (Debian's package), on a unix socket in a new directory. It
 * refuses to run as root: then it runs as the user postgres. */
#ifndef JACKDAW_TESTS_PRIVATE_POSTGRES_H
#define JACKDAW_TESTS_PRIVATE_POSTGRES_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PRIVATE_POSTGRES_BIN "/usr/lib/postgresql/15/bin"

struct private_postgres {
    char dir[64];
    char url[128];
};

/* Runs a command in its directory, as whom it runs as. The status of system(). */
static inline int private_postgres_run(const struct private_postgres *postgres, const char *command)
{
    char line[640];
    const char *drop =
        geteuid() == 0 ? "setpriv --reuid=postgres --regid=postgres --clear-groups " : "";
    (void)snprintf(line, sizeof(line), "cd %s && %s%s >>%s/log 2>&1", postgres->dir, drop, command,
                   postgres->dir);
    return system(line);
}

static inline int private_postgres_spawn(const struct private_postgres *postgres)
{
    char command[300];
    (void)snprintf(command, sizeof(command),
                   PRIVATE_POSTGRES_BIN
                   "/pg_ctl -D %s/data -w -o \"-k %s -c listen_addresses= -c fsync=off\" start",
                   postgres->dir, postgres->dir);
    return private_postgres_run(postgres, command);
}

/* As if its power was cut. */
static inline int private_postgres_kill(const struct private_postgres *postgres)
{
    char command[200];
    (void)snprintf(command, sizeof(command),
                   PRIVATE_POSTGRES_BIN "/pg_ctl -D %s/data -m immediate stop", postgres->dir);
    return private_postgres_run(postgres, command);
}

/* 0, or -1 after it said where the log is. */
static inline int private_postgres_start(struct private_postgres *postgres)
{
    char command[300];
    (void)snprintf(postgres->dir, sizeof(postgres->dir), "/tmp/jackdaw-postgres-XXXXXX");
    if (!mkdtemp(postgres->dir) || chmod(postgres->dir, 0777) != 0) {
        return -1;
    }
    (void)snprintf(postgres->url, sizeof(postgres->url), "postgresql://postgres@/postgres?host=%s",
                   postgres->dir);
    (void)snprintf(command, sizeof(command),
                   PRIVATE_POSTGRES_BIN "/initdb -D %s/data -U postgres -A trust -N",
                   postgres->dir);
    if (private_postgres_run(postgres, command) != 0 || private_postgres_spawn(postgres) != 0) {
        (void)fprintf(stderr, "cannot start a private PostgreSQL 15; see %s/log\n", postgres->dir);
        return -1;
    }
    return 0;
}

static inline int private_postgres_stop(const struct private_postgres *postgres)
{
    char command[96];
    (void)private_postgres_kill(postgres);
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", postgres->dir);
    return system(command);
}

#endif
