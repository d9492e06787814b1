/* Listening sockets. */
#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/loop_internal.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define DEFAULT_BACKLOG 511

struct tcp_listener {
    union tcp_handle handle;
    struct loop *loop;
    bool is_unix;
    uint16_t port;
    tcp_accept_fn *on_accept;
    void *arg;
};

static void on_closed(uv_handle_t *handle)
{
    mem_free(handle->data);
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct tcp_listener *listener = stream->data;

    if (status != 0) {
        LOG_WARN("accept_failed", "reason=%s", uv_strerror(status));
        return;
    }
    struct tcp_conn *conn = tcp_conn_new(listener->loop, listener->is_unix);
    if (uv_accept(stream, &conn->handle.stream) != 0) {
        tcp_close(conn);
        return;
    }
    tcp_conn_connected(conn);
    listener->on_accept(listener->arg, conn);
}

/* Whether `path` is a socket nobody listens on any more: left by a process that was killed. */
static bool is_stale(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    bool refused = false;

    if (strlen(path) >= sizeof(address.sun_path))
        return false;
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        refused = errno == ECONNREFUSED;
    close(fd);
    return refused;
}

static int bind_unix(struct tcp_listener *listener, const char *path)
{
    int rc = uv_pipe_bind(&listener->handle.pipe, path);

    if (rc == UV_EADDRINUSE && is_stale(path) && unlink(path) == 0)
        rc = uv_pipe_bind(&listener->handle.pipe, path);
    return rc;
}

static int bind_tcp(struct tcp_listener *listener, const char *address, uint16_t port)
{
    struct sockaddr_storage to;

    if (address_parse(address, port, &to) < 0)
        return UV_EINVAL;
    return uv_tcp_bind(&listener->handle.tcp, (struct sockaddr *)&to, 0);
}

static void note_port(struct tcp_listener *listener)
{
    struct sockaddr_storage bound;
    int len = sizeof(bound);

    if (listener->is_unix)
        return;
    int rc = uv_tcp_getsockname(&listener->handle.tcp, (struct sockaddr *)&bound, &len);
    ASSERT(rc == 0);
    /* The port is at the same place in both families. */
    listener->port = ntohs(((struct sockaddr_in *)&bound)->sin_port);
}

struct tcp_listener *tcp_listen(struct loop *loop, const struct tcp_listen_options *options,
                                char *error, size_t error_size)
{
    struct tcp_listener *listener = mem_calloc(1, sizeof(*listener));
    const char *path = address_unix_path(options->address);

    listener->loop = loop;
    listener->is_unix = path != NULL;
    listener->on_accept = options->on_accept;
    listener->arg = options->arg;
    int rc = path ? uv_pipe_init(&loop->uv, &listener->handle.pipe, 0)
                  : uv_tcp_init(&loop->uv, &listener->handle.tcp);
    ASSERT(rc == 0);
    listener->handle.any.data = listener;
    rc = path ? bind_unix(listener, path) : bind_tcp(listener, options->address, options->port);
    int backlog = options->backlog ? (int)options->backlog : DEFAULT_BACKLOG;
    if (rc == 0)
        rc = uv_listen(&listener->handle.stream, backlog, on_connection);
    if (rc != 0) {
        (void)snprintf(error, error_size, "cannot listen on %s port %u: %s", options->address,
                       options->port, uv_strerror(rc));
        tcp_listener_free(listener);
        return NULL;
    }
    note_port(listener);
    return listener;
}

uint16_t tcp_listener_port(const struct tcp_listener *listener)
{
    return listener->port;
}

void tcp_listener_free(struct tcp_listener *listener)
{
    if (listener)
        uv_close(&listener->handle.any, on_closed);
}
