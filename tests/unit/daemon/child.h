/* Runs a daemon in a child process: its log is read line by line, its health port is asked. */
#ifndef JACKDAW_TESTS_DAEMON_CHILD_H
#define JACKDAW_TESTS_DAEMON_CHILD_H

#include "base/buf.h"
#include "base/clock.h"
#include "daemon/daemon.h"

#include <arpa/inet.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 10000

struct child {
    pid_t pid;
    int out; /* its standard output and error */
    struct buf log;
    size_t seen; /* of the log: child_wait_for goes on from here */
};

static char child_dir[] = "/tmp/jackdaw-test-daemon-XXXXXX";

static inline int child_setup(void **state)
{
    (void)state;
    return mkdtemp(child_dir) ? 0 : -1;
}

static inline int child_teardown(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof(command), "rm -r %s", child_dir);
    return system(command);
}

/* `args` ends with NULL; the daemon's name is put before them. */
static inline void child_start(struct child *child, const struct daemon_spec *spec,
                               const char *const *args)
{
    const char *argv[16] = {"daemon"};
    int argc = 1;
    int fds[2];

    *child = (struct child){.pid = -1};
    for (; args[argc - 1]; argc++)
        argv[argc] = args[argc - 1];
    assert_int_equal(pipe(fds), 0);
    fflush(stdout);
    child->pid = fork();
    assert_true(child->pid >= 0);
    if (child->pid == 0) {
        dup2(fds[1], STDOUT_FILENO);
        dup2(fds[1], STDERR_FILENO);
        close(fds[0]);
        close(fds[1]);
        int code = daemon_main(argc, (char **)(uintptr_t)argv, spec);
        fflush(stdout);
        _exit(code);
    }
    close(fds[1]);
    child->out = fds[0];
}

/* Reads what there is; false at the end. */
static inline bool child_read(struct child *child, int timeout_ms)
{
    struct pollfd ready = {.fd = child->out, .events = POLLIN};

    if (poll(&ready, 1, timeout_ms) <= 0)
        return true;
    ssize_t len = read(child->out, buf_reserve(&child->log, 4096), 4096);
    child->log.len += len > 0 ? (size_t)len : 0;
    return len > 0;
}

/* Waits until the log holds `text` behind what was waited for before. */
static inline void child_wait_for(struct child *child, const char *text)
{
    uint64_t deadline = clock_mono_ms() + PATIENCE_MS;
    const char *at;

    while (!(at = strstr(buf_cstr(&child->log) + child->seen, text))) {
        if (clock_mono_ms() > deadline || !child_read(child, 100))
            fail_msg("no \"%s\" in the log:\n%s", text, buf_cstr(&child->log));
    }
    child->seen = (size_t)(at - child->log.data) + strlen(text);
}

/* The exit code, or minus the signal. */
static inline int child_end(struct child *child)
{
    uint64_t deadline = clock_mono_ms() + PATIENCE_MS;
    int status = 0;

    while (child_read(child, 100)) {
        if (clock_mono_ms() > deadline) {
            kill(child->pid, SIGKILL);
            fail_msg("the daemon does not end:\n%s", buf_cstr(&child->log));
        }
    }
    assert_int_equal(waitpid(child->pid, &status, 0), child->pid);
    close(child->out);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static inline void child_free(struct child *child)
{
    buf_deinit(&child->log);
}

/* Runs to the end and returns the exit code; the output is in child->log. */
static inline int child_run(struct child *child, const struct daemon_spec *spec,
                            const char *const *args)
{
    child_start(child, spec, args);
    return child_end(child);
}

/* The port in child_dir/NAME. */
static inline uint16_t child_port(const char *name)
{
    char path[128];
    unsigned port = 0;

    snprintf(path, sizeof(path), "%s/%s", child_dir, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%u", &port), 1);
    fclose(file);
    return (uint16_t)port;
}

/* Sends `request` to the port and appends all that comes back. */
static inline void child_ask(uint16_t port, const char *request, struct buf *answer)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ssize_t len;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
    while ((len = read(fd, buf_reserve(answer, 4096), 4096)) > 0)
        answer->len += (size_t)len;
    close(fd);
}

#endif
