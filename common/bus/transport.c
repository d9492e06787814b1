/* The transport over nng: ports and their frames, and the way from nng's threads to the loop. */
#include "bus/transport_internal.h"

#include "base/mem.h"
#include "loop/wake.h"
#include "metric/metric.h"

#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/pubsub0/sub.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>
#include <nng/transport/ipc/ipc.h>

#define RECONNECT_MIN_MS 50
#define RECONNECT_MAX_MS 500
/* The last (here: only) word of the backtrace header of a request has its top bit set. */
#define REQUEST_ID 0x80000000u

/* How each role is opened, and the depth of its queues. A raw socket's send queue is short: what
 * waits in it when a connection breaks is carried over to the next one for nothing. */
static const struct {
    int (*open)(nng_socket *socket);
    int send_queue; /* 0: leave it */
    int receive_queue;
    bool receives;
} roles[] = {
    [PORT_REQ] = {nng_req0_open_raw, 8, 0, true},
    [PORT_REP] = {nng_rep0_open_raw, 8, 0, true},
    [PORT_PUB] = {nng_pub0_open, 128, 0, false},
    [PORT_SUB] = {nng_sub0_open, 0, 256, true},
};

/* ---- on nng's threads ---- */

void transport_post(struct transport *transport, const struct event *event)
{
    struct event *copy = mem_alloc(sizeof *copy);
    bool was_empty;

    *copy = *event;
    copy->next = NULL;
    pthread_mutex_lock(&transport->lock);
    was_empty = transport->first == NULL;
    *transport->last = copy;
    transport->last = &copy->next;
    if (was_empty && transport->wake)
        loop_wake_send(transport->wake);
    pthread_mutex_unlock(&transport->lock);
}

static void on_receive(void *arg)
{
    struct port *port = arg;
    struct event event = {.type = EVENT_FRAME, .port = port};

    /* The only failure of a posted receive is that the socket closes. */
    if (nng_aio_result(port->receive) != 0)
        return;
    event.msg = nng_aio_get_msg(port->receive);
    event.pipe = (uint32_t)nng_pipe_id(nng_msg_get_pipe(event.msg));
    nng_aio_set_msg(port->receive, NULL);
    transport_post(port->transport, &event);
    nng_recv_aio(port->socket, port->receive);
}

/* Before a new pipe can bring a frame, and after it is gone: so events of a pipe are in order, but
 * for frames that come out of nng's queues after its end; those are dropped on the loop. */
static void on_pipe(nng_pipe pipe, nng_pipe_ev what, void *arg)
{
    struct port *port = arg;
    struct event event = {.type = EVENT_PIPE_GONE, .port = port};
    uint64_t pid = 0;

    event.pipe = (uint32_t)nng_pipe_id(pipe);
    if (what == NNG_PIPE_EV_ADD_PRE) {
        event.type = EVENT_PIPE_UP;
        event.dialer = nng_dialer_id(nng_pipe_dialer(pipe));
        if (nng_pipe_get_uint64(pipe, NNG_OPT_IPC_PEER_PID, &pid) == 0)
            event.pid = (int32_t)pid;
    }
    transport_post(port->transport, &event);
}

/* ---- on the loop ---- */

static void handle_pipe_up(struct transport *transport, const struct event *event)
{
    struct pipe *pipe = mem_alloc(sizeof *pipe);

    pipe->pid = event->pid;
    mem_free(map64_put(&event->port->pipes, event->pipe, pipe));
    transport_watch_pipe_up(event);
    transport->options.handlers->pipe_up(transport->options.ctx, event->port, event->pipe);
}

static void handle_pipe_gone(struct transport *transport, const struct event *event)
{
    struct pipe *pipe = map64_get(&event->port->pipes, event->pipe);

    if (!pipe)
        return;
    transport_watch_pipe_gone(event);
    transport->options.handlers->pipe_gone(transport->options.ctx, event->port, event->pipe);
    mem_free(map64_remove(&event->port->pipes, event->pipe));
}

static void handle_frame(struct transport *transport, const struct event *event)
{
    struct span frame = {nng_msg_body(event->msg), nng_msg_len(event->msg)};

    if (!map64_get(&event->port->pipes, event->pipe))
        return;
    metric_inc(METRIC_bus_frames_in);
    transport->options.handlers->frame(transport->options.ctx, event->port, event->pipe, frame);
}

static void handle_reaper_alive(struct transport *transport, const struct event *event)
{
    (void)event;
    transport_watch_reaper_alive(transport);
}

static void (*const event_handlers[])(struct transport *, const struct event *) = {
    [EVENT_PIPE_UP] = handle_pipe_up,
    [EVENT_PIPE_GONE] = handle_pipe_gone,
    [EVENT_FRAME] = handle_frame,
    [EVENT_REAPER_ALIVE] = handle_reaper_alive,
};

struct event *transport_take_events(struct transport *transport)
{
    struct event *first;

    pthread_mutex_lock(&transport->lock);
    first = transport->first;
    transport->first = NULL;
    transport->last = &transport->first;
    pthread_mutex_unlock(&transport->lock);
    return first;
}

void transport_free_event(struct event *event)
{
    if (event->msg)
        nng_msg_free(event->msg);
    mem_free(event);
}

static void on_wake(void *arg)
{
    struct transport *transport = arg;
    const struct transport_handlers *handlers = transport->options.handlers;
    void *ctx = transport->options.ctx;
    struct event *event = transport_take_events(transport);

    metric_inc(METRIC_bus_wakes);
    handlers->begin(ctx);
    while (event) {
        struct event *next = event->next;

        event_handlers[event->type](transport, event);
        transport_free_event(event);
        event = next;
    }
    handlers->end(ctx); /* may free the transport */
}

struct transport *transport_new(const struct transport_options *options)
{
    struct transport *transport = mem_calloc(1, sizeof *transport);

    transport->options = *options;
    list_init(&transport->ports);
    pthread_mutex_init(&transport->lock, NULL);
    transport->last = &transport->first;
    transport->wake = loop_wake_new(options->loop, on_wake, transport);
    transport_watch_init(transport);
    transport_listen_init(transport);
    return transport;
}

static int configure(struct port *port)
{
    nng_socket socket = port->socket;
    size_t max = port->transport->options.max_bytes;
    int send_queue = roles[port->role].send_queue;
    int receive_queue = roles[port->role].receive_queue;

    if (nng_socket_set_size(socket, NNG_OPT_RECVMAXSZ, max) != 0 ||
        nng_socket_set_ms(socket, NNG_OPT_RECONNMINT, RECONNECT_MIN_MS) != 0 ||
        nng_socket_set_ms(socket, NNG_OPT_RECONNMAXT, RECONNECT_MAX_MS) != 0)
        return -1;
    if (send_queue && nng_socket_set_int(socket, NNG_OPT_SENDBUF, send_queue) != 0)
        return -1;
    if (receive_queue && (nng_socket_set_int(socket, NNG_OPT_RECVBUF, receive_queue) != 0 ||
                          nng_socket_set(socket, NNG_OPT_SUB_SUBSCRIBE, "", 0) != 0))
        return -1;
    /* No such option on sockets that will not speak TCP: no matter. */
    (void)nng_socket_set_bool(socket, NNG_OPT_TCP_KEEPALIVE, true);
    if (nng_pipe_notify(socket, NNG_PIPE_EV_ADD_PRE, on_pipe, port) != 0 ||
        nng_pipe_notify(socket, NNG_PIPE_EV_REM_POST, on_pipe, port) != 0)
        return -1;
    return 0;
}

struct port *transport_open(struct transport *transport, enum port_role role, void *data)
{
    struct port *port = mem_calloc(1, sizeof *port);

    *port = (struct port){.transport = transport, .role = role, .data = data};
    map64_init(&port->pipes);
    list_init(&port->dialers);
    list_init(&port->listeners);
    if (roles[role].open(&port->socket) != 0) {
        mem_free(port);
        return NULL;
    }
    if (configure(port) != 0 ||
        (roles[role].receives && nng_aio_alloc(&port->receive, on_receive, port) != 0)) {
        nng_close(port->socket);
        mem_free(port);
        return NULL;
    }
    list_add_tail(&transport->ports, &port->node);
    if (port->receive)
        nng_recv_aio(port->socket, port->receive);
    return port;
}

void *port_data(const struct port *port)
{
    return port->data;
}

static int explain(int error, const char **reason_out)
{
    *reason_out = nng_strerror(error);
    return error == 0 ? 0 : -1;
}

int port_listen(struct port *port, const char *address, const char **reason_out)
{
    return explain(transport_listen(port, address), reason_out);
}

int port_dial(struct port *port, const char *address, const char **reason_out)
{
    return explain(transport_watch_dial(port, address), reason_out);
}

/* nng_sendmsg without blocking has no callback, so it costs no switch to a thread of nng's. */
int port_send(struct port *port, uint32_t pipe, struct span frame)
{
    nng_msg *msg;

    if (nng_msg_alloc(&msg, 0) != 0)
        return -1;
    if (nng_msg_append(msg, frame.data, frame.len) != 0 ||
        (port->role == PORT_REP && nng_msg_header_append_u32(msg, pipe) != 0) ||
        (port->role <= PORT_REP && nng_msg_header_append_u32(msg, REQUEST_ID) != 0) ||
        nng_sendmsg(port->socket, msg, NNG_FLAG_NONBLOCK) != 0) {
        nng_msg_free(msg);
        return -1;
    }
    metric_inc(METRIC_bus_frames_out);
    return 0;
}

void port_close_pipe(struct port *port, uint32_t pipe)
{
    (void)port;
    nng_pipe_close((nng_pipe){pipe});
}

int32_t port_pipe_pid(const struct port *port, uint32_t pipe)
{
    const struct pipe *found = map64_get(&port->pipes, pipe);

    return found ? found->pid : 0;
}
