/* Closing, which nng 1.5.2 may never be done with.
 *
 * nng_close waits until the pipes are taken down. Where a frame comes in on one of them at that very
 * moment, the thread that takes them down may wait for ever (transport.h says why), and a daemon
 * that was asked to stop would never end. So the ports are closed on a thread of its own; when that
 * is not done in time it is left behind, with all that nng may still refer to, and the process ends
 * without it.
 */
#include "bus/transport_internal.h"

#include "base/log.h"
#include "base/mem.h"
#include "loop/wake.h"

#include <nng/supplemental/util/platform.h>

/* Ticks, not time: a process that was stopped for a while must not blame nng. */
#define CLOSE_TICK_MS 1
#define CLOSE_TICKS   5000

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
    transport_watch_free_dialers(port);
    transport_listen_free(port);
    mem_free(port);
}

/* When nothing of nng's refers to it any more. */
static void free_closed(struct transport *transport)
{
    struct event *event = transport_take_events(transport);

    while (event) {
        struct event *next = event->next;

        transport_free_event(event);
        event = next;
    }
    LIST_FOREACH_SAFE(node, &transport->ports)
    free_port(CONTAINER_OF(node, struct port, node));
    pthread_mutex_destroy(&transport->lock);
    mem_free(transport);
}

static void *close_ports(void *arg)
{
    struct transport *transport = arg;
    bool is_left;

    LIST_FOREACH(node, &transport->ports)
    close_port(CONTAINER_OF(node, struct port, node));
    pthread_mutex_lock(&transport->lock);
    transport->is_closed = true;
    is_left = transport->is_left;
    pthread_mutex_unlock(&transport->lock);
    if (is_left)
        free_closed(transport); /* it was done after all */
    return NULL;
}

/* False when it was not done in time: then the thread that closes owns the transport. */
static bool await_close(struct transport *transport)
{
    for (unsigned ticks = 0; ticks <= CLOSE_TICKS; ticks++) {
        bool is_closed;

        pthread_mutex_lock(&transport->lock);
        is_closed = transport->is_closed;
        transport->is_left = !is_closed && ticks == CLOSE_TICKS;
        pthread_mutex_unlock(&transport->lock);
        if (is_closed)
            return true;
        nng_msleep(CLOSE_TICK_MS);
    }
    return false;
}

/* The loop hears no more of nng's threads. */
static void drop_wake(struct transport *transport)
{
    struct loop_wake *wake;

    pthread_mutex_lock(&transport->lock);
    wake = transport->wake;
    transport->wake = NULL;
    pthread_mutex_unlock(&transport->lock);
    loop_wake_free(wake);
}

void transport_free(struct transport *transport, uint32_t linger_ms)
{
    pthread_t thread;
    bool has_thread;

    if (linger_ms > 0)
        nng_msleep((nng_duration)linger_ms);
    drop_wake(transport);
    transport_watch_deinit(transport);
    transport_listen_deinit(transport);
    has_thread = pthread_create(&thread, NULL, close_ports, transport) == 0;
    if (!has_thread)
        (void)close_ports(transport);
    if (!await_close(transport)) {
        LOG_WARN("nng_close_hangs", "what=\"left behind; this process should end now\"");
        pthread_detach(thread);
        return;
    }
    if (has_thread)
        pthread_join(thread, NULL);
    free_closed(transport);
}
