/* What the files of ws share. libwebsockets' types stay inside this folder.
 *
 * Outgoing frames are built here, not by libwebsockets: its ws role sends LWS_WRITE_HTTP as it is,
 * so that any number of frames leave in one write. A write that was only partly taken stays inside
 * libwebsockets; until it says writeable again nothing more may be written (lws_partial_buffered).
 */
#ifndef JACKDAW_WS_INTERNAL_H
#define JACKDAW_WS_INTERNAL_H

#include "admit/address.h"
#include "admit/descriptors.h"
#include "admit/quiet.h"
#include "base/list.h"
#include "loop/task.h"
#include "loop/timer.h"
#include "ws/ws.h"

#include <libwebsockets.h>

#define WS_MAX_LISTENERS  16
#define WS_SPARE_BUFFERS  8
#define WS_SPARE_BYTES    16384 /* a buffer larger than this is not kept for reuse */
#define WS_FINISH_SECONDS 5     /* to take the last bytes and answer the close frame */
#define WS_RX_BUFFER      512   /* per connection; a longer message is read in steps */
#define WS_READ_BUFFER    20000 /* shared: holds a whole TLS record */
#define WS_SEND_BUFFER    65536 /* of the kernel: a limit, not memory that is held */
#define WS_PATH_MAX       1024
#define WS_FULL_ANSWERED  32 /* connections beyond the limit that are told so; more are closed */

struct ws_conn {
    struct ws_server *server;
    struct lws *wsi;
    void *user;
    struct list_node idle;  /* in server->quiet, ->pinged or ->finishing, oldest first */
    struct list_node dirty; /* in server->dirty while there is something to flush */
    struct buf *out;        /* frames not given to libwebsockets yet, or NULL */
    struct buf *in;         /* the parts of a message that is not whole yet, or NULL */
    uint64_t address_key;   /* in server->addresses */
    uint32_t last_rx_s;     /* of the server's clock */
    uint32_t in_lws;        /* bytes of the last write when it was only partly taken, else 0 */

    bool is_dirty : 1;
    bool is_pinged : 1;
    bool is_finishing : 1; /* last words queued: nothing more in or out */
    bool is_skipping : 1;  /* the rest of a message that was refused */
    bool is_secure : 1;
    bool is_admitted : 1;
    bool is_paused : 1; /* wanted */
    bool is_off : 1;    /* and told to libwebsockets */
};

struct ws_server {
    struct ws_options options;
    struct lws_context *context;
    struct lws_vhost *vhosts[WS_MAX_LISTENERS];
    /* libwebsockets keeps the pointers it is given for a listener: what they point at is here. */
    char *names[WS_MAX_LISTENERS];
    char *ifaces[WS_MAX_LISTENERS]; /* NULL: every address */
    struct lws_protocols protocols[3];
    struct list_node dirty;
    struct list_node quiet;
    struct list_node pinged;
    struct list_node finishing;
    struct loop_task flush;
    struct loop_timer idle_timer;
    struct admit_counts addresses;    /* WebSocket connections of each */
    struct admit_quiet full, crowded; /* log lines about max_connections, max_per_address */
    struct buf *spare[WS_SPARE_BUFFERS];
    uint32_t spare_count;
    uint32_t tcp_count;
    uint64_t descriptors; /* that the process may open */
    uint32_t conn_count;
    bool is_refusing; /* draining: new connections are closed at once */
};

/* ws_callback.c: libwebsockets' one callback, for every protocol. */
int ws_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                size_t len);
struct ws_server *ws_server_of(struct lws *wsi);

/* ws_conn.c */
int ws_conn_open(struct lws *wsi);
int ws_conn_receive(struct ws_conn *conn, const char *in, size_t len);
int ws_conn_writeable(struct ws_conn *conn);
void ws_conn_closed(struct ws_conn *conn);
void ws_conn_ping(struct ws_conn *conn);
/* Closes, at once or, where bytes wait in libwebsockets, in a next turn: `closed` is called from
 * within, or then. Not from a callback of libwebsockets. */
void ws_conn_kill(struct ws_conn *conn);
void ws_flush(void *server);

/* ws_idle.c */
void ws_idle_start(struct ws_server *server);
void ws_idle_add(struct ws_conn *conn);
void ws_idle_touch(struct ws_conn *conn);
void ws_idle_finish(struct ws_conn *conn);

/* ws_limit.c: connections in all and per address. */
void ws_limit_address(struct lws *wsi, char out[WS_ADDRESS_MAX]);
/* Whether a new TCP connection may stay, be it only to be told that there are too many. */
bool ws_limit_accepts(struct ws_server *server);
/* The HTTP status to refuse a request with (503), or an upgrade (429 too); 0: go on. */
unsigned ws_limit_request(struct ws_server *server);
unsigned ws_limit_upgrade(struct ws_server *server, struct lws *wsi);
void ws_limit_add(struct ws_conn *conn);
void ws_limit_remove(struct ws_conn *conn);

/* ws_http.c */
int ws_http_request(struct lws *wsi);
/* Before an upgrade: 0 to go on, 1 when a refusal was answered, -1 to hang up. */
int ws_http_confirm_upgrade(struct lws *wsi);

#endif
