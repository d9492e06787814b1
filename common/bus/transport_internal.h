/* The transport from inside: its files and nng.
 *
 *   transport        ports, frames, the way to the loop
 *   transport_watch  what nng 1.5.2 must be watched for: dialers that give up, a reaper that hangs
 *   transport_listen and listeners that accept no more
 *   transport_close  and closing that is never done
 */
#ifndef JACKDAW_BUS_TRANSPORT_INTERNAL_H
#define JACKDAW_BUS_TRANSPORT_INTERNAL_H

#include "base/list.h"
#include "base/map.h"
#include "bus/transport.h"
#include "loop/timer.h"

#include <nng/nng.h>
#include <pthread.h>

struct loop_wake;

enum event_type { EVENT_PIPE_UP, EVENT_PIPE_GONE, EVENT_FRAME, EVENT_REAPER_ALIVE };

struct event {
    struct event *next;
    enum event_type type;
    struct port *port; /* NULL: EVENT_REAPER_ALIVE */
    uint32_t pipe;
    int dialer; /* nng's id, -1: the pipe was accepted */
    int32_t pid;
    nng_msg *msg;
};

struct pipe {
    int32_t pid;
};

/* An address a port dials. */
struct dialer {
    struct list_node node; /* port.dialers */
    char *address;
    nng_dialer nng;
    uint32_t pipe;  /* 0: not connected */
    unsigned ticks; /* of the redial timer since it was last connected or dialled anew */
};

/* An address a port listens at. */
struct listener {
    struct list_node node; /* port.listeners */
    char *address;
    nng_listener nng;
    uint64_t errors;   /* of nng's count, seen so far */
    bool is_listening; /* false: the address could not be had again yet */
};

struct port {
    struct list_node node; /* transport.ports */
    struct transport *transport;
    enum port_role role;
    void *data;
    nng_socket socket;
    nng_aio *receive;   /* NULL: PUB */
    struct map64 pipes; /* pipe id -> struct pipe; the loop's */
    struct list_node dialers;
    struct list_node listeners;
};

struct transport {
    struct transport_options options;
    struct list_node ports;
    pthread_mutex_t lock;   /* over the next five */
    struct loop_wake *wake; /* NULL: being closed */
    struct event *first;
    struct event **last;
    bool is_closed;
    bool is_left;                   /* nobody waits until it is closed */
    struct loop_timer redial_timer; /* runs while a dialer is not connected */
    struct loop_timer reaper_timer; /* runs while a sign of life is awaited */
    struct loop_timer listen_timer; /* runs while a port listens */
    unsigned reaper_ticks;
};

/* ---- transport.c ---- */
/* From any thread: the loop will handle a copy of it. */
void transport_post(struct transport *transport, const struct event *event);
struct event *transport_take_events(struct transport *transport);
void transport_free_event(struct event *event);

/* ---- transport_watch.c ---- */
void transport_watch_init(struct transport *transport);
/* Before the ports are closed. */
void transport_watch_deinit(struct transport *transport);
/* Starts a dialer: 0 or an error of nng's. */
int transport_watch_dial(struct port *port, const char *address);
void transport_watch_pipe_up(const struct event *event);
void transport_watch_pipe_gone(const struct event *event);
void transport_watch_reaper_alive(struct transport *transport);
void transport_watch_free_dialers(struct port *port);

/* ---- transport_listen.c ---- */
void transport_listen_init(struct transport *transport);
void transport_listen_deinit(struct transport *transport);
/* 0 or an error of nng's. */
int transport_listen(struct port *port, const char *address);
void transport_listen_free(struct port *port);

#endif
