#include "bus/transport.h"

#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "loop/timer.h"
#include "loop/wake.h"
#include "metric/metric.h"

#include <nng/nng.h>
#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/pubsub0/sub.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>
#include <nng/supplemental/util/platform.h>
#include <nng/transport/ipc/ipc.h>
#include <pthread.h>
#include <stdlib.h>

#define RECONNECT_MIN_MS 50
#define RECONNECT_MAX_MS 500
/* The last (here: only) word of the backtrace header of a request has its top bit set. */
#define REQUEST_ID 0x80000000u

/* A sign of life of the thread that takes down pipes must come within so many ticks of a timer. */
#define REAPER_TICK_MS 1000
#define REAPER_TICKS   15

enum event_type { EVENT_PIPE_UP, EVENT_PIPE_GONE, EVENT_FRAME, EVENT_REAPER_ALIVE };

struct event {
    struct event *next;
    enum event_type type;
    struct port *port; /* NULL: EVENT_REAPER_ALIVE */
    uint32_t pipe;
    int32_t pid;
    nng_msg *msg;
};

struct pipe {
    int32_t pid;
};

struct port {
    struct list_node node;
    struct transport *transport;
    enum port_role role;
    void *data;
    nng_socket socket;
    nng_aio *receive;   /* NULL: PUB */
    struct map64 pipes; /* pipe id -> struct pipe; the loop's */
};

struct transport {
    struct transport_options options;
    struct list_node ports;
    struct loop_wake *wake;
    pthread_mutex_t lock; /* over the queue */
    struct event *first;
    struct event **last;
    struct loop_timer reaper_timer; /* runs while a sign of life is awaited */
    unsigned reaper_ticks;
};

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

static void post_event(struct transport *transport, struct event event)
{
    struct event *copy = mem_alloc(sizeof *copy);
    bool was_empty;

    *copy = event;
    copy->next = NULL;
    pthread_mutex_lock(&transport->lock);
    was_empty = transport->first == NULL;
    *transport->last = copy;
    transport->last = &copy->next;
    pthread_mutex_unlock(&transport->lock);
    if (was_empty)
        loop_wake_send(transport->wake);
}

static void on_receive(void *arg)
{
    struct port *port = arg;
    nng_msg *msg;

    /* The only failure of a posted receive is that the socket closes. */
    if (nng_aio_result(port->receive) != 0)
        return;
    msg = nng_aio_get_msg(port->receive);
    nng_aio_set_msg(port->receive, NULL);
    post_event(port->transport, (struct event){.port = port,
                                               .type = EVENT_FRAME,
                                               .pipe = (uint32_t)nng_pipe_id(nng_msg_get_pipe(msg)),
                                               .msg = msg});
    nng_recv_aio(port->socket, port->receive);
}

/* Before a new pipe can bring a frame, and after it is gone: so events of a pipe are in order, but
 * for frames that come out of nng's queues after its end; those are dropped on the loop. */
static void on_pipe(nng_pipe pipe, nng_pipe_ev what, void *arg)
{
    struct port *port = arg;
    bool is_up = what == NNG_PIPE_EV_ADD_PRE;
    uint64_t pid = 0;

    if (is_up && nng_pipe_get_uint64(pipe, NNG_OPT_IPC_PEER_PID, &pid) != 0)
        pid = 0;
    post_event(port->transport, (struct event){.type = is_up ? EVENT_PIPE_UP : EVENT_PIPE_GONE,
                                               .port = port,
                                               .pipe = (uint32_t)nng_pipe_id(pipe),
                                               .pid = (int32_t)pid});
}

/* The reaper frees our probe (see check_reaper): it lives. */
static void on_probe_reaped(nng_aio *probe, void *arg, int reason)
{
    post_event(arg, (struct event){.type = EVENT_REAPER_ALIVE});
    nng_aio_finish(probe, reason);
}

/* ---- on the loop ---- */

static void on_reaper_timer(void *arg)
{
    struct transport *transport = arg;

    /* Ticks, not time: a process that was stopped for a while must not blame the reaper. */
    if (++transport->reaper_ticks < REAPER_TICKS)
        return;
    LOG_ERROR("nng_reaper_hangs", "what=\"connections can no longer be closed or opened\"");
    abort();
}

/* After a pipe is gone: does the thread that takes down pipes still run? An operation of our own is
 * given to it to free, which calls the operation's cancel function. */
static void check_reaper(struct transport *transport)
{
    nng_aio *probe;

    if (loop_timer_is_active(&transport->reaper_timer) || nng_aio_alloc(&probe, NULL, NULL) != 0)
        return;
    if (!nng_aio_begin(probe)) {
        nng_aio_free(probe);
        return;
    }
    transport->reaper_ticks = 0;
    loop_timer_start(&transport->reaper_timer, REAPER_TICK_MS, REAPER_TICK_MS);
    nng_aio_defer(probe, on_probe_reaped, transport);
    nng_aio_reap(probe);
}

static void handle_reaper_alive(struct transport *transport, const struct event *event)
{
    (void)event;
    loop_timer_stop(&transport->reaper_timer);
}

static void handle_pipe_up(struct transport *transport, const struct event *event)
{
    struct pipe *pipe = mem_alloc(sizeof *pipe);

    pipe->pid = event->pid;
    mem_free(map64_put(&event->port->pipes, event->pipe, pipe));
    transport->options.handlers->pipe_up(transport->options.ctx, event->port, event->pipe);
}

static void handle_pipe_gone(struct transport *transport, const struct event *event)
{
    struct pipe *pipe = map64_get(&event->port->pipes, event->pipe);

    if (!pipe)
        return;
    check_reaper(transport);
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

static void (*const event_handlers[])(struct transport *, const struct event *) = {
    [EVENT_PIPE_UP] = handle_pipe_up,
    [EVENT_PIPE_GONE] = handle_pipe_gone,
    [EVENT_FRAME] = handle_frame,
    [EVENT_REAPER_ALIVE] = handle_reaper_alive,
};

static struct event *take_events(struct transport *transport)
{
    struct event *first;

    pthread_mutex_lock(&transport->lock);
    first = transport->first;
    transport->first = NULL;
    transport->last = &transport->first;
    pthread_mutex_unlock(&transport->lock);
    return first;
}

static void free_event(struct event *event)
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
    struct event *event = take_events(transport);

    metric_inc(METRIC_bus_wakes);
    handlers->begin(ctx);
    while (event) {
        struct event *next = event->next;

        event_handlers[event->type](transport, event);
        free_event(event);
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
    loop_timer_init(&transport->reaper_timer, options->loop, on_reaper_timer, transport);
    return transport;
}

static void close_port(struct port *port)
{
    if (port->receive)
        nng_aio_stop(port->receive);
    nng_close(port->socket); /* waits until its pipes are gone: no callback comes after this */
    if (port->receive)
        nng_aio_free(port->receive);
}

static void free_port(struct port *port)
{
    struct map_cursor at = {0};
    void *pipe;

    while (map64_next(&port->pipes, &at, NULL, &pipe))
        mem_free(pipe);
    map64_deinit(&port->pipes);
    mem_free(port);
}

/* A probe that is under way refers to us. */
static void await_reaper(struct transport *transport)
{
    unsigned waited_ms = 0;

    while (loop_timer_is_active(&transport->reaper_timer) && waited_ms++ < REAPER_TICK_MS) {
        struct event *event = take_events(transport);

        while (event) {
            struct event *next = event->next;

            if (event->type == EVENT_REAPER_ALIVE)
                handle_reaper_alive(transport, event);
            free_event(event);
            event = next;
        }
        if (loop_timer_is_active(&transport->reaper_timer))
            nng_msleep(1);
    }
}

void transport_free(struct transport *transport, uint32_t linger_ms)
{
    struct event *event;

    if (linger_ms > 0)
        nng_msleep((nng_duration)linger_ms);
    await_reaper(transport);
    loop_timer_stop(&transport->reaper_timer);
    LIST_FOREACH(node, &transport->ports)
    close_port(CONTAINER_OF(node, struct port, node));
    event = take_events(transport);
    while (event) {
        struct event *next = event->next;

        free_event(event);
        event = next;
    }
    LIST_FOREACH_SAFE(node, &transport->ports)
    free_port(CONTAINER_OF(node, struct port, node));
    loop_wake_free(transport->wake);
    pthread_mutex_destroy(&transport->lock);
    mem_free(transport);
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
    return explain(nng_listen(port->socket, address, NULL, 0), reason_out);
}

int port_dial(struct port *port, const char *address, const char **reason_out)
{
    return explain(nng_dial(port->socket, address, NULL, NNG_FLAG_NONBLOCK), reason_out);
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
