/* A redis-server of the test's own: on a unix socket in a new directory, gone with the test. */
#ifndef JACKDAW_TESTS_PRIVATE_REDIS_H
#define JACKDAW_TESTS_PRIVATE_REDIS_H

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct private_redis {
    char dir[64];
    char socket[128];
    char url[160];
    pid_t pid;
};

static inline void private_redis_spawn(struct private_redis *redis)
{
    redis->pid = fork();
    if (redis->pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", redis->socket,
               "--save", "", "--appendonly", "no", "--logfile", "/dev/null", "--dir", redis->dir,
               (char *)NULL);
        _exit(127);
    }
}

static inline void private_redis_start(struct private_redis *redis)
{
    (void)snprintf(redis->dir, sizeof(redis->dir), "/tmp/jackdaw-redis-XXXXXX");
    if (!mkdtemp(redis->dir)) {
        abort();
    }
    (void)snprintf(redis->socket, sizeof(redis->socket), "%s/redis.sock", redis->dir);
    (void)snprintf(redis->url, sizeof(redis->url), "unix:%s", redis->socket);
    private_redis_spawn(redis);
}

static inline void private_redis_kill(struct private_redis *redis)
{
    (void)kill(redis->pid, SIGKILL);
    (void)waitpid(redis->pid, NULL, 0);
}

static inline void private_redis_stop(struct private_redis *redis)
{
    private_redis_kill(redis);
    (void)unlink(redis->socket);
    (void)rmdir(redis->dir);
}

#endif
