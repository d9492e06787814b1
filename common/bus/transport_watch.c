/* What nng 1.5.2 must be watched for.
 *
 * A dialer gives up for good when the other process dies in the middle of the first exchange of a
 * connection (the write fails with EPIPE, nng calls that "closed by us"): so a dialer that is not
 * connected for a while is replaced by a new one, whether it is still trying or not.
 *
 * The one thread that takes down pipes may hang (transport.h says how): then no pipe would ever be
 * closed or dialled again. It is asked for a sign of life whenever a pipe has gone.
 *
 * It also forgets to free a message that it was about to send when the pipe broke: rare and small,
 * and not to be taken for a leak of ours by LeakSanitizer.
 */
#include "bus/transport_internal.h"

#include "base/log.h"
#include "base/mem.h"

#include <nng/supplemental/util/platform.h>
#include <stdlib.h>

#define REDIAL_TICK_MS 500
#define REDIAL_TICKS   4
/* A sign of life of the reaper must come within so many ticks. */
#define REAPER_TICK_MS 1000
#define REAPER_TICKS   15

#ifdef __SANITIZE_ADDRESS__
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libnng.so\n";
}
#endif

/* ---- dialers ---- */

static void dial(struct port *port, struct dialer *dialer)
{
    dialer->ticks = 0;
    dialer->pipe = 0;
    if (nng_dial(port->socket, dialer->address, &dialer->nng, NNG_FLAG_NONBLOCK) != 0)
        dialer->nng = (nng_dialer)NNG_DIALER_INITIALIZER;
}

/* Counts; true when the dialer still needs watching. */
static bool tick_dialer(struct port *port, struct dialer *dialer)
{
    if (dialer->pipe)
        return false;
    if (++dialer->ticks >= REDIAL_TICKS) {
        (void)nng_dialer_close(dialer->nng);
        dial(port, dialer);
    }
    return true;
}

static void on_redial_timer(void *arg)
{
    struct transport *transport = arg;
    bool is_needed = false;

    LIST_FOREACH(port_node, &transport->ports)
    {
        struct port *port = CONTAINER_OF(port_node, struct port, node);

        LIST_FOREACH(node, &port->dialers)
        {
            if (tick_dialer(port, CONTAINER_OF(node, struct dialer, node)))
                is_needed = true;
        }
    }
    if (!is_needed)
        loop_timer_stop(&transport->redial_timer);
}

static void watch_dialers(struct transport *transport)
{
    if (!loop_timer_is_active(&transport->redial_timer))
        loop_timer_start(&transport->redial_timer, REDIAL_TICK_MS, REDIAL_TICK_MS);
}

int transport_watch_dial(struct port *port, const char *address)
{
    nng_dialer nng;
    int error = nng_dial(port->socket, address, &nng, NNG_FLAG_NONBLOCK);
    struct dialer *dialer;

    if (error != 0)
        return error;
    dialer = mem_calloc(1, sizeof *dialer);
    dialer->address = mem_strdup(address);
    dialer->nng = nng;
    list_add_tail(&port->dialers, &dialer->node);
    watch_dialers(port->transport);
    return 0;
}

void transport_watch_free_dialers(struct port *port)
{
    struct list_node *node;

    while ((node = list_pop(&port->dialers)) != NULL) {
        struct dialer *dialer = CONTAINER_OF(node, struct dialer, node);

        mem_free(dialer->address);
        mem_free(dialer);
    }
}

void transport_watch_pipe_up(const struct event *event)
{
    LIST_FOREACH(node, &event->port->dialers)
    {
        struct dialer *dialer = CONTAINER_OF(node, struct dialer, node);

        if (nng_dialer_id(dialer->nng) == event->dialer)
            dialer->pipe = event->pipe;
    }
}

/* ---- the reaper ---- */

static void on_reaper_timer(void *arg)
{
    struct transport *transport = arg;

    /* Ticks, not time: a process that was stopped for a while must not blame the reaper. */
    if (++transport->reaper_ticks < REAPER_TICKS)
        return;
    LOG_ERROR("nng_reaper_hangs", "what=\"connections can no longer be closed or opened\"");
    abort();
}

/* On the reaper's thread: it frees our probe. */
static void on_probe_reaped(nng_aio *probe, void *arg, int reason)
{
    const struct event event = {.type = EVENT_REAPER_ALIVE};

    transport_post(arg, &event);
    nng_aio_finish(probe, reason);
}

/* Gives the reaper an operation of our own to free, which calls the operation's cancel function. */
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

void transport_watch_reaper_alive(struct transport *transport)
{
    loop_timer_stop(&transport->reaper_timer);
}

/* A probe that is under way refers to us. */
static void await_reaper(struct transport *transport)
{
    unsigned waited_ms = 0;

    while (loop_timer_is_active(&transport->reaper_timer) && waited_ms++ < REAPER_TICK_MS) {
        struct event *event = transport_take_events(transport);

        while (event) {
            struct event *next = event->next;

            if (event->type == EVENT_REAPER_ALIVE)
                transport_watch_reaper_alive(transport);
            transport_free_event(event);
            event = next;
        }
        if (loop_timer_is_active(&transport->reaper_timer))
            nng_msleep(1);
    }
}

/* ---- both ---- */

void transport_watch_pipe_gone(const struct event *event)
{
    LIST_FOREACH(node, &event->port->dialers)
    {
        struct dialer *dialer = CONTAINER_OF(node, struct dialer, node);

        if (dialer->pipe != event->pipe)
            continue;
        dialer->pipe = 0;
        dialer->ticks = 0;
        watch_dialers(event->port->transport);
    }
    check_reaper(event->port->transport);
}

void transport_watch_init(struct transport *transport)
{
    struct loop *loop = transport->options.loop;

    loop_timer_init(&transport->redial_timer, loop, on_redial_timer, transport);
    loop_timer_init(&transport->reaper_timer, loop, on_reaper_timer, transport);
}

void transport_watch_deinit(struct transport *transport)
{
    await_reaper(transport);
    loop_timer_stop(&transport->reaper_timer);
    loop_timer_stop(&transport->redial_timer);
}
