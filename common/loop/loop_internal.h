/* What the files of this folder share: the loop with its timers and tasks, and the connection. */
#ifndef JACKDAW_LOOP_LOOP_INTERNAL_H
#define JACKDAW_LOOP_LOOP_INTERNAL_H

#include "base/buf.h"
#include "base/list.h"
#include "loop/task.h"
#include "loop/tcp.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#define LOOP_READ_BUFFER_BYTES 65536

struct loop_timer;

struct loop {
    uv_loop_t uv;
    uv_prepare_t prepare;       /* runs tasks just before the loop blocks */
    uv_timer_t clock;           /* armed for the first timer of the heap, or earlier */
    uint64_t armed_ms;          /* when it fires; 0: not armed */
    struct loop_timer **timers; /* binary heap by due_ms */
    uint32_t timer_count;
    uint32_t timer_capacity;
    bool is_in_timers;
    struct list_node tasks;
    char *read_buffer; /* shared by all connections: libuv fills it and calls back at once */
};

union tcp_handle {
    uv_handle_t any;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
};

struct tcp_conn {
    union tcp_handle handle;
    struct loop *loop;
    const struct tcp_handlers *handlers; /* NULL until tcp_conn_start */
    void *arg;
    struct loop_task flush;
    struct buf out;     /* gathered in this turn */
    struct buf sending; /* given to libuv, which waits for the socket */
    uv_write_t write;
    uv_connect_t connect;
    struct tcp_goodbye *goodbye; /* goodbye.c; NULL but while it lasts */
    char peer[48];
    bool is_connecting;
    bool is_reading;   /* what the owner wants */
    bool is_ended;     /* on_end was called: nothing more comes */
    bool is_broken;    /* nothing more goes either */
    bool is_finishing; /* closes when everything is written */
    bool is_closed;
};

/* timer.c and task.c */
void loop_run_timers(struct loop *loop);
void loop_run_tasks(struct loop *loop);

/* tcp.c: a connection whose handle is initialised but not connected. */
struct tcp_conn *tcp_conn_new(struct loop *loop, bool is_unix);
/* tcp.c: the handle is connected: notes the peer, starts reading if the owner wants to. */
void tcp_conn_connected(struct tcp_conn *conn);

/* goodbye.c: everything is written: sends our end and waits for the peer's. */
void tcp_goodbye_drained(struct tcp_conn *conn);
/* goodbye.c: the connection closes; its timer stops. */
void tcp_goodbye_stop(struct tcp_conn *conn);
/* tcp.c: starts or stops libuv's reading as the owner wants. */
void tcp_apply_reading(struct tcp_conn *conn);

/* address.c: parses an address literal; 0 or -1. */
int address_parse(const char *address, uint16_t port, struct sockaddr_storage *out);
/* The path in "unix:/path", or NULL. */
const char *address_unix_path(const char *address);

#endif
