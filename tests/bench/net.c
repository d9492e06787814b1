/* Sockets, TLS and WebSocket framing of the load generator. */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int epoll_fd = -1;
static SSL_CTX *tls;

uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

void bytes_add(struct bytes *b, const void *data, size_t len)
{
    if (b->len + len + 1 > b->cap) {
        b->cap = (b->len + len + 1) * 2;
        b->data = realloc(b->data, b->cap);
        if (b->data == NULL) {
            abort();
        }
    }
    memcpy(b->data + b->len, data, len);
    b->len += len;
    b->data[b->len] = 0;
}

void bytes_addf(struct bytes *b, const char *format, ...)
{
    char text[4096];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    bytes_add(b, text, (size_t)n);
}

void bytes_drop(struct bytes *b, size_t n)
{
    b->len -= n;
    if (b->len > 0) {
        memmove(b->data, b->data + n, b->len);
    } else {
        free(b->data); /* idle clients hold nothing */
        *b = (struct bytes){0};
    }
}

int net_init(void)
{
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    tls = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return epoll_fd < 0 || tls == NULL ? -1 : 0;
}

static void net_watch(struct client *c, int op, bool write)
{
    struct epoll_event event = {.events = EPOLLIN | (write ? EPOLLOUT : 0), .data.ptr = c};
    epoll_ctl(epoll_fd, op, c->fd, &event);
    c->wants_write = write;
}

void net_connect(struct client *c)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(settings.port)};
    int one = 1;

    inet_pton(AF_INET, settings.host, &address.sin_addr);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    c->phase = PHASE_CONNECTING;
    c->started_us = now_us();
    if (connect(c->fd, (struct sockaddr *)&address, sizeof(address)) != 0 && errno != EINPROGRESS) {
        client_failed(c, strerror(errno));
        return;
    }
    net_watch(c, EPOLL_CTL_ADD, true);
}

void net_close(struct client *c)
{
    if (c->fd >= 0) {
        close(c->fd);
    }
    c->fd = -1;
    SSL_free(c->ssl);
    c->ssl = NULL;
    c->phase = PHASE_DEAD;
    bytes_drop(&c->in, c->in.len);
    bytes_drop(&c->out, c->out.len);
}

static ssize_t net_write_some(struct client *c, const char *data, size_t len)
{
    if (c->ssl == NULL) {
        ssize_t n = send(c->fd, data, len, MSG_NOSIGNAL);
        return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : n;
    }
    int n = SSL_write(c->ssl, data, (int)len);
    if (n > 0) {
        return n;
    }
    int error = SSL_get_error(c->ssl, n);
    return error == SSL_ERROR_WANT_WRITE || error == SSL_ERROR_WANT_READ ? 0 : -1;
}

static void net_flush(struct client *c)
{
    size_t done = 0;
    while (done < c->out.len) {
        ssize_t n = net_write_some(c, c->out.data + done, c->out.len - done);
        if (n < 0) {
            client_failed(c, "write failed");
            return;
        }
        if (n == 0) {
            break;
        }
        done += (size_t)n;
    }
    bytes_drop(&c->out, done);
    if ((c->out.len > 0) != c->wants_write) {
        net_watch(c, EPOLL_CTL_MOD, c->out.len > 0);
    }
}

void net_send(struct client *c, const char *text, size_t len)
{
    if (c->phase == PHASE_DEAD) {
        return;
    }
    if (settings.is_ws) {
        unsigned char head[14] = {0x81};
        size_t n = 2;
        if (len < 126) {
            head[1] = (unsigned char)(0x80 | len);
        } else {
            head[1] = 0x80 | 126;
            head[2] = (unsigned char)(len >> 8);
            head[3] = (unsigned char)len;
            n = 4;
        }
        /* A mask of zeros: the bytes stay as they are (allowed by RFC 6455 in form). */
        bytes_add(&c->out, head, n + 4);
    }
    bytes_add(&c->out, text, len);
    if (!c->wants_write) {
        net_flush(c);
    }
}

void net_sendf(struct client *c, const char *format, ...)
{
    char text[4096];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    net_send(c, text, (size_t)n);
}

static void net_opened(struct client *c)
{
    if (!settings.is_ws) {
        c->phase = PHASE_LOGIN;
        login_start(c);
        return;
    }
    c->phase = PHASE_UPGRADE;
    bytes_addf(&c->out,
               "GET %s HTTP/1.1\r\nHost: %s:%u\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
               "Sec-WebSocket-Protocol: xmpp\r\n\r\n",
               settings.path, settings.domain, settings.port);
    net_flush(c);
}

static void net_handshake(struct client *c)
{
    int n = SSL_connect(c->ssl);
    if (n == 1) {
        net_watch(c, EPOLL_CTL_MOD, false);
        net_opened(c);
        return;
    }
    int error = SSL_get_error(c->ssl, n);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
        net_watch(c, EPOLL_CTL_MOD, error == SSL_ERROR_WANT_WRITE);
    } else {
        client_failed(c, "TLS handshake failed");
    }
}

static void net_connected(struct client *c)
{
    int error = 0;
    socklen_t size = sizeof(error);
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
        client_failed(c, strerror(error));
        return;
    }
    if (settings.is_tls) {
        c->ssl = SSL_new(tls);
        SSL_set_fd(c->ssl, c->fd);
        SSL_set_tlsext_host_name(c->ssl, settings.domain);
        net_handshake(c);
        return;
    }
    net_watch(c, EPOLL_CTL_MOD, false);
    net_opened(c);
}

/* One WebSocket frame at the start of `in`: its size, or 0 when it is not whole yet. */
static size_t net_frame(const struct bytes *in, size_t from, size_t *head_out, int *opcode_out)
{
    const unsigned char *p = (const unsigned char *)in->data + from;
    size_t have = in->len - from;
    if (have < 2) {
        return 0;
    }
    size_t len = p[1] & 0x7f, head = 2;
    if (len == 126) {
        if (have < 4) {
            return 0;
        }
        len = (size_t)p[2] << 8 | p[3];
        head = 4;
    } else if (len == 127) {
        if (have < 10) {
            return 0;
        }
        len = 0;
        for (int i = 2; i < 10; i++) {
            len = len << 8 | p[i];
        }
        head = 10;
    }
    *head_out = head;
    *opcode_out = p[0] & 0x0f;
    return have < head + len ? 0 : head + len;
}

static void net_hand_up(struct client *c, const char *text, size_t len)
{
    if (c->phase == PHASE_LOGIN) {
        login_receive(c, text, len);
    } else {
        client_receive(c, text, len);
    }
}

static void net_frames(struct client *c)
{
    size_t used = 0, head = 0, size;
    int opcode = 0;
    while (c->phase != PHASE_DEAD && used < c->in.len &&
           (size = net_frame(&c->in, used, &head, &opcode)) > 0) {
        if (opcode == 1) {
            net_hand_up(c, c->in.data + used + head, size - head);
        } else if (opcode == 9) {
            char pong[6] = {(char)0x8a, (char)0x80, 0, 0, 0, 0};
            bytes_add(&c->out, pong, sizeof(pong));
            net_flush(c);
        } else if (opcode == 8) {
            client_failed(c, "server closed");
            return;
        }
        used += size;
    }
    if (c->phase != PHASE_DEAD) {
        bytes_drop(&c->in, used);
    }
}

static void net_upgraded(struct client *c)
{
    char *end = strstr(c->in.data, "\r\n\r\n");
    if (end == NULL) {
        return;
    }
    if (strncmp(c->in.data, "HTTP/1.1 101", 12) != 0) {
        client_failed(c, "upgrade refused");
        return;
    }
    bytes_drop(&c->in, (size_t)(end + 4 - c->in.data));
    c->phase = PHASE_LOGIN;
    login_start(c);
}

/* TCP: hands up what is there to the last '>' (servers write whole elements). */
static void net_stream(struct client *c)
{
    size_t n = c->in.len;
    while (n > 0 && c->in.data[n - 1] != '>') {
        n--;
    }
    if (n > 0) {
        struct bytes in = c->in;
        struct bytes rest = {0};
        if (in.len > n) {
            bytes_add(&rest, in.data + n, in.len - n);
        }
        c->in = rest;
        in.data[n] = 0;
        net_hand_up(c, in.data, n);
        free(in.data);
    }
}

static void net_read(struct client *c)
{
    static char chunk[65536];
    for (;;) {
        ssize_t n = c->ssl != NULL ? SSL_read(c->ssl, chunk, sizeof(chunk))
                                   : recv(c->fd, chunk, sizeof(chunk), 0);
        if (n <= 0) {
            bool again = c->ssl != NULL ? SSL_get_error(c->ssl, (int)n) == SSL_ERROR_WANT_READ
                                        : n < 0 && errno == EAGAIN;
            if (!again) {
                client_failed(c, "connection lost");
            }
            return;
        }
        bytes_add(&c->in, chunk, (size_t)n);
        if (c->phase == PHASE_UPGRADE) {
            net_upgraded(c);
        }
        if (c->phase == PHASE_LOGIN || c->phase == PHASE_READY) {
            (settings.is_ws ? net_frames : net_stream)(c);
        }
        if (c->phase == PHASE_DEAD || (c->ssl == NULL && (size_t)n < sizeof(chunk))) {
            return;
        }
    }
}

void net_poll(int timeout_ms)
{
    struct epoll_event events[512];
    int n = epoll_wait(epoll_fd, events, 512, timeout_ms);
    for (int i = 0; i < n; i++) {
        struct client *c = events[i].data.ptr;
        if (c->phase == PHASE_CONNECTING) {
            (c->ssl != NULL ? net_handshake : net_connected)(c);
            continue;
        }
        if (events[i].events & EPOLLOUT && c->phase != PHASE_DEAD) {
            net_flush(c);
        }
        if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR) && c->phase != PHASE_DEAD) {
            net_read(c);
        }
    }
}
