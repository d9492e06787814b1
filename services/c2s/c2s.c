/* The daemon's life: opened, ready, reloaded, drained, closed. */
#include "c2s.h"

#include "base/log.h"
#include "base/mem.h"

#define C2S_ERROR 256

static const char *path_or_null(const struct c2s *c2s, enum conf_id id)
{
    const char *path = conf_str(c2s->holder.daemon->conf, id);
    return path[0] ? path : NULL;
}

/* One certificate serves all domains: its files name them. */
static struct tls_options tls_options(const struct c2s *c2s, struct tls_identity *identity)
{
    const struct span *domains;
    (void)conf_list(c2s->holder.daemon->conf, CONF_cluster_domains, &domains);
    *identity = (struct tls_identity){.domain = domains[0].data,
                                      .chain = c2s->certificate.chain,
                                      .key = c2s->certificate.key,
                                      .ocsp = path_or_null(c2s, CONF_c2s_tls_ocsp)};
    return (struct tls_options){.identities = identity,
                                .identity_count = 1,
                                .client_ca = path_or_null(c2s, CONF_c2s_client_ca),
                                .client_crl = path_or_null(c2s, CONF_c2s_client_crl),
                                .alpn = "xmpp-client"};
}

static int open_tls(struct c2s *c2s)
{
    const struct conf *conf = c2s->holder.daemon->conf;
    struct tls_identity identity;
    char error[C2S_ERROR];
    if (holder_certificate_choose(c2s->holder.daemon, conf_str(conf, CONF_c2s_tls_cert),
                                  conf_str(conf, CONF_c2s_tls_key), &c2s->certificate) < 0)
        return -1;
    struct tls_options options = tls_options(c2s, &identity);
    c2s->tls = tls_context_new(&options, error, sizeof(error));
    if (!c2s->tls)
        LOG_ERROR("certificate",
                  "error=\"%s\" hint=\"see c2s.tls_cert, c2s.tls_key and c2s.client_ca\"", error);
    return c2s->tls ? 0 : -1;
}

static void accept_plain(void *arg, struct tcp_conn *tcp)
{
    conn_accept(arg, tcp, false);
}

static void accept_direct(void *arg, struct tcp_conn *tcp)
{
    conn_accept(arg, tcp, true);
}

/* One listener per address and port. */
static int listen_on(struct c2s *c2s, const char *what, uint16_t port, tcp_accept_fn *accept)
{
    const char *address = conf_str(c2s->holder.daemon->conf, CONF_c2s_address);
    struct tcp_listen_options options = {
        .address = address, .port = port, .on_accept = accept, .arg = c2s};
    char error[C2S_ERROR];
    struct tcp_listener *listener =
        tcp_listen(c2s->holder.daemon->loop, &options, error, sizeof(error));
    if (!listener) {
        LOG_ERROR("cannot-listen", "error=\"%s\" hint=\"see c2s.address and c2s.port\"", error);
        return -1;
    }
    c2s->listeners[c2s->listener_count++] = listener;
    daemon_publish_port(c2s->holder.daemon, what, address, tcp_listener_port(listener));
    return 0;
}

static void load_limits(struct c2s *c2s)
{
    const struct conf *conf = c2s->holder.daemon->conf;
    c2s->max_queue_bytes = conf_u64(conf, CONF_c2s_max_queue);
    c2s->max_connections = (uint32_t)conf_u64(conf, CONF_c2s_max_connections);
}

int c2s_open(struct daemon *d, void **ctx_out)
{
    struct c2s *c2s = mem_calloc(1, sizeof(*c2s));
    list_init(&c2s->conns);
    if (holder_open(&c2s->holder, d, NULL) < 0 || open_tls(c2s) < 0 ||
        listen_on(c2s, "c2s", (uint16_t)conf_u64(d->conf, CONF_c2s_port), accept_plain) < 0 ||
        listen_on(c2s, "c2s-tls", (uint16_t)conf_u64(d->conf, CONF_c2s_tls_port), accept_direct) <
            0) {
        c2s_close(c2s);
        return -1;
    }
    load_limits(c2s);
    *ctx_out = c2s;
    return 0;
}

bool c2s_is_ready(void *ctx, struct buf *why)
{
    const struct c2s *c2s = ctx;
    return holder_is_ready(&c2s->holder, why);
}

void c2s_reload(void *ctx)
{
    struct c2s *c2s = ctx;
    struct tls_identity identity;
    struct tls_options options = tls_options(c2s, &identity);
    char error[C2S_ERROR];
    holder_reload(&c2s->holder);
    load_limits(c2s);
    if (tls_context_reload(c2s->tls, &options, error, sizeof(error)) < 0)
        LOG_WARN("certificate-not-reloaded", "error=\"%s\"", error);
}

static void stop_listening(struct c2s *c2s)
{
    while (c2s->listener_count > 0)
        tcp_listener_free(c2s->listeners[--c2s->listener_count]);
}

void c2s_drain(void *ctx, daemon_done_fn *done, void *arg)
{
    struct c2s *c2s = ctx;
    stop_listening(c2s);
    stream_host_drain(c2s->holder.streams, done, arg);
}

void c2s_close(void *ctx)
{
    struct c2s *c2s = ctx;
    stop_listening(c2s);
    conn_close_all(c2s);
    holder_close(&c2s->holder);
    tls_context_free(c2s->tls);
    holder_certificate_deinit(&c2s->certificate);
    buf_deinit(&c2s->decrypted);
    buf_deinit(&c2s->encrypted);
    mem_free(c2s);
}

void c2s_item(void *ctx, struct bus_peer *peer, uint64_t token, const struct wire_msg *msg)
{
    struct c2s *c2s = ctx;
    stream_host_item(c2s->holder.streams, peer, token, msg);
}

void c2s_peer_down(void *ctx, struct bus_peer *peer)
{
    struct c2s *c2s = ctx;
    stream_host_peer_down(c2s->holder.streams, peer);
}
