/* The daemon's life: opened, ready, reloaded, drained, closed. */
#include "c2s.h"

#include "admit/descriptors.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "stream/certificates.h"

#define C2S_ERROR     256
#define CLOSING_TURNS 10

static struct tls_options tls_options(const struct c2s *c2s)
{
    const struct conf *conf = c2s->holder.daemon->conf;
    const char *ca = conf_str(conf, CONF_c2s_client_ca);
    const char *crl = conf_str(conf, CONF_c2s_client_crl);
    return (struct tls_options){.client_ca = ca[0] ? ca : NULL,
                                .client_crl = crl[0] ? crl : NULL,
                                .alpn = "xmpp-client"}; /* XEP-0368 */
}

static int open_tls(struct c2s *c2s)
{
    struct tls_options options = tls_options(c2s);
    c2s->tls = certificates_open(c2s->holder.daemon, &options);
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

static void load_limits(struct c2s *c2s, const struct conf *conf)
{
    c2s->max_queue_bytes = conf_u64(conf, CONF_c2s_max_queue);
    c2s->max_connections = (uint32_t)conf_u64(conf, CONF_c2s_max_connections);
    c2s->max_per_address = (uint32_t)conf_u64(conf, CONF_c2s_max_per_address);
    (void)admit_fit_descriptors(c2s->max_connections);
}

static void see_other(const struct conf *conf, struct stream_options *options)
{
    options->see_other_host = span_cstr(conf_str(conf, CONF_c2s_see_other_host));
    options->resume_location = conf_str(conf, CONF_c2s_resume_location);
}

static void tell_drained(void *arg)
{
    struct c2s *c2s = arg;

    if (c2s->is_drained && c2s->conn_count == 0) {
        c2s->on_drained(c2s->on_drained_arg);
    }
}

/* The last words were said; every connection's goodbye takes its time, a bounded one. */
static void streams_drained(void *arg)
{
    struct c2s *c2s = arg;

    c2s->is_drained = true;
    loop_task_schedule(&c2s->all_gone);
}

int c2s_open(struct daemon *d, void **ctx_out)
{
    struct c2s *c2s = mem_calloc(1, sizeof(*c2s));
    list_init(&c2s->conns);
    list_init(&c2s->refused);
    loop_task_init(&c2s->all_gone, d->loop, tell_drained, c2s);
    load_limits(c2s, d->conf);
    if (holder_open(&c2s->holder, d, see_other) < 0 || open_tls(c2s) < 0 ||
        listen_on(c2s, "c2s", (uint16_t)conf_u64(d->conf, CONF_c2s_port), accept_plain) < 0 ||
        listen_on(c2s, "c2s-tls", (uint16_t)conf_u64(d->conf, CONF_c2s_tls_port), accept_direct) <
            0) {
        c2s_close(c2s);
        return -1;
    }
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
    struct tls_options options = tls_options(c2s);
    holder_reload(&c2s->holder);
    load_limits(c2s, c2s->holder.daemon->conf);
    certificates_reload(c2s->holder.daemon, &options, c2s->tls);
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
    c2s->on_drained = done;
    c2s->on_drained_arg = arg;
    stream_host_drain(c2s->holder.streams, streams_drained, c2s);
}

/* Sockets close in the loop, and their connections need this context for it. */
static void close_connections(struct c2s *c2s)
{
    conn_close_all(c2s);
    refuse_close_all(c2s);
    for (int turn = 0; c2s->conn_count + c2s->refused_count > 0 && turn < CLOSING_TURNS; turn++) {
        loop_run_once(c2s->holder.daemon->loop, 0);
    }
}

void c2s_close(void *ctx)
{
    struct c2s *c2s = ctx;
    stop_listening(c2s);
    c2s->is_drained = false;
    close_connections(c2s);
    loop_task_cancel(&c2s->all_gone);
    holder_close(&c2s->holder);
    tls_context_free(c2s->tls);
    admit_counts_deinit(&c2s->addresses);
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
