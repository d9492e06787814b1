/* The load generator: many XMPP clients in one process, with standard XMPP only, so that the same
 * load runs against any server. Over WebSocket (RFC 7395) or TCP, plain or TLS.
 *
 * net.c moves bytes (epoll, TLS, WebSocket framing), login.c brings a client to a bound session,
 * load.c is the scenarios and the report.
 */
#ifndef JACKDAW_BENCH_LOAD_H
#define JACKDAW_BENCH_LOAD_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
    char *data;
    size_t len;
    size_t cap;
};

enum phase { PHASE_IDLE, PHASE_CONNECTING, PHASE_UPGRADE, PHASE_LOGIN, PHASE_READY, PHASE_DEAD };

struct client {
    int fd;
    SSL *ssl;
    uint32_t index;
    enum phase phase;
    int step; /* of the login */
    bool wants_write;
    struct bytes in;
    struct bytes out;
    char *scram_first; /* client-first-message-bare while SCRAM is under way */
    uint64_t started_us;
    uint64_t acked; /* stanzas received, for XEP-0198 */
    uint64_t sent;
};

struct settings {
    const char *host;
    uint16_t port;
    const char *domain;
    const char *path;   /* of the WebSocket */
    const char *prefix; /* accounts are PREFIX0, PREFIX1, ... */
    const char *password;
    bool is_ws;
    bool is_tls;
    bool is_plain; /* SASL PLAIN instead of SCRAM-SHA-1 */
    bool with_sm;  /* XEP-0198 */
    uint32_t first;
    uint32_t clients;
    uint32_t logins_per_second;
    const char *scenario;
    uint32_t rate;   /* messages per second over all */
    uint32_t window; /* closed loop: messages under way per pair */
    uint32_t seconds;
    uint32_t warmup;
};

extern struct settings settings;

uint64_t now_us(void);
void bytes_add(struct bytes *b, const void *data, size_t len);
void bytes_addf(struct bytes *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void bytes_drop(struct bytes *b, size_t n);

/* net.c */
int net_init(void);
void net_connect(struct client *c);
/* Sends one element: framed for WebSocket, as it is for TCP. */
void net_send(struct client *c, const char *text, size_t len);
void net_sendf(struct client *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Waits at most `timeout_ms` and handles what came: calls client_receive for each piece of text. */
void net_poll(int timeout_ms);
void net_close(struct client *c);

/* login.c */
void login_start(struct client *c);
/* Text of a client that is not ready yet. */
void login_receive(struct client *c, const char *text, size_t len);

/* load.c */
void client_ready(struct client *c);
void client_receive(struct client *c, const char *text, size_t len);
void client_failed(struct client *c, const char *why);

#endif
