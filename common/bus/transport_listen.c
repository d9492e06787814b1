/* Listeners of nng 1.5.2 must be watched, too.
 *
 * When a process dies between connecting to a unix socket and the first exchange, the write to it
 * fails with EPIPE, nng takes that for "closed by us" and never accepts again (the dialer's fault
 * of transport_watch.c, seen from the other side). Nothing tells us but nng's counters: after such
 * an error a second listener is opened at the same address. The dead one keeps the connections it
 * has accepted, so it is closed only where two cannot share an address (TCP).
 */
#include "bus/transport_internal.h"

#include "base/log.h"
#include "base/mem.h"

#include <string.h>
#include <unistd.h>

#define LISTEN_TICK_MS 500

#define IPC_SCHEME "ipc://"

/* The counter `name` below `parent`; NULL when there is none. */
static nng_stat *find_counter(nng_stat *parent, const char *name)
{
    nng_stat *stat = nng_stat_child(parent);

    while (stat && strcmp(nng_stat_name(stat), name) != 0)
        stat = nng_stat_next(stat);
    return stat;
}

static uint64_t counter(nng_stat *parent, const char *name)
{
    nng_stat *stat = find_counter(parent, name);

    return stat ? nng_stat_value(stat) : 0;
}

/* The errors after which a listener may have stopped; others it survives. */
static uint64_t count_errors(nng_stat *root, int id)
{
    for (nng_stat *stat = nng_stat_child(root); stat; stat = nng_stat_next(stat)) {
        if (strcmp(nng_stat_name(stat), "listener") == 0 && counter(stat, "id") == (uint64_t)id)
            return counter(stat, "other");
    }
    return 0;
}

static int listen_again(struct port *port, struct listener *listener)
{
    if (strncmp(listener->address, IPC_SCHEME, strlen(IPC_SCHEME)) == 0)
        (void)unlink(listener->address + strlen(IPC_SCHEME));
    else
        (void)nng_listener_close(listener->nng);
    listener->errors = 0;
    return nng_listen(port->socket, listener->address, &listener->nng, 0);
}

static void check_listener(struct port *port, struct listener *listener, nng_stat *root)
{
    uint64_t errors = count_errors(root, nng_listener_id(listener->nng));
    int error;

    if (errors == listener->errors && listener->is_listening)
        return;
    error = listen_again(port, listener);
    if (listener->is_listening)
        LOG_INFO("listening_again", "address=%s why=%s", listener->address,
                 "a peer left in its handshake");
    if (listener->is_listening && error != 0)
        LOG_ERROR("cannot_listen_again", "address=%s why=%s", listener->address,
                  nng_strerror(error));
    listener->is_listening = error == 0;
}

static void on_listen_timer(void *arg)
{
    struct transport *transport = arg;
    nng_stat *root;

    if (nng_stats_get(&root) != 0)
        return;
    LIST_FOREACH(port_node, &transport->ports)
    {
        struct port *port = CONTAINER_OF(port_node, struct port, node);

        LIST_FOREACH(node, &port->listeners)
        {
            check_listener(port, CONTAINER_OF(node, struct listener, node), root);
        }
    }
    nng_stats_free(root);
}

int transport_listen(struct port *port, const char *address)
{
    struct loop_timer *timer = &port->transport->listen_timer;
    nng_listener nng;
    int error = nng_listen(port->socket, address, &nng, 0);
    struct listener *listener;

    if (error != 0)
        return error;
    listener = mem_calloc(1, sizeof *listener);
    listener->address = mem_strdup(address);
    listener->nng = nng;
    listener->is_listening = true;
    list_add_tail(&port->listeners, &listener->node);
    if (!loop_timer_is_active(timer))
        loop_timer_start(timer, LISTEN_TICK_MS, LISTEN_TICK_MS);
    return 0;
}

void transport_listen_free(struct port *port)
{
    struct list_node *node;

    while ((node = list_pop(&port->listeners)) != NULL) {
        struct listener *listener = CONTAINER_OF(node, struct listener, node);

        mem_free(listener->address);
        mem_free(listener);
    }
}

void transport_listen_init(struct transport *transport)
{
    loop_timer_init(&transport->listen_timer, transport->options.loop, on_listen_timer, transport);
}

void transport_listen_deinit(struct transport *transport)
{
    loop_timer_stop(&transport->listen_timer);
}
