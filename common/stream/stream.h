/* A client's stream, whatever carries it: negotiation (RFC 6120 sections 4 to 7), then stanzas.
 *
 * Framings: RFC 7395 (one element a message, <open/> and <close/>) and the older <stream:stream>
 * header, as WebSocket messages or, for TCP, as bytes. The stream itself answers the header, SASL
 * and SASL2 (XEP-0388, with Bind 2, XEP-0386, and tokens, XEP-0484), resource binding, the legacy
 * session iq and registration before login (XEP-0077); every other stanza is stamped, numbered and sent to the router. What comes down for its session is written
 * once.
 *
 * One stream_host per process knows the bus, the options and the sessions held here; it lives as
 * long as the daemon. The transport owns the connection, the stream owns the protocol: the
 * transport tells of input and of the end, the stream sends and asks to finish.
 */
#ifndef JACKDAW_STREAM_STREAM_H
#define JACKDAW_STREAM_STREAM_H

#include "admit/bucket.h"
#include "base/buf.h"
#include "base/span.h"
#include "bus/bus.h"

#include <stdbool.h>
#include <stdint.h>

struct conf;
struct loop;
struct redis;
struct stream;
struct stream_host;
struct trace;

/* What a transport can do; `conn` is the transport's own. */
struct stream_transport {
    const char *name; /* "ws": goes into the session registry */
    bool is_framed;   /* each send is one message on its own (WebSocket) */
    /* Queues text. 0, or -1 when the queue is full: the stream then ends with policy-violation. */
    int (*send)(void *conn, struct span text);
    /* Sends the messages at `last` whatever the queue, then closes. stream_closed follows later. */
    void (*finish)(void *conn, const struct span *last, size_t count);
    /* The session is bound: stanzas may be as large as they ever may. May be NULL. */
    void (*admit)(void *conn);
    /* Stops or resumes reading, as far as the transport can. May be NULL. */
    void (*set_reading)(void *conn, bool on);
    /* STARTTLS (RFC 6120 section 5): sends `proceed`, then TLS begins, for `domain` (in ASCII) unless
     * the client names another by SNI; 0, or -1 when it cannot. NULL: this transport has no STARTTLS.
     */
    int (*start_tls)(void *conn, struct span proceed, struct span domain);
    /* Channel binding data (RFC 5056) of `type` (offer.c names them): at most `size` bytes into
     * `out`; the length, or 0 when there is none now. NULL: there never is. */
    size_t (*channel_binding)(void *conn, const char *type, unsigned char *out, size_t size);
    /* Whether the client has a valid certificate of its own, and the XMPP addresses in it as they are
     * written there, in `arena`. NULL: it never has. */
    bool (*certificate)(void *conn, struct arena *arena, struct wire_strs *addresses_out);
    /* The peer's address as text, at most `size` bytes with NUL. */
    void (*address)(void *conn, char *out, size_t size);
};

/* What holds for the streams of one domain. */
struct stream_domain {
    struct span name;       /* normalised */
    bool registration;      /* advertise and answer XEP-0077 before login */
    bool plain_without_tls; /* offer PLAIN on unencrypted streams (for tests and trusted proxies) */
    bool scram_sha512;      /* offer SCRAM-SHA-512 */
    bool oauth;             /* offer OAUTHBEARER */
    bool anonymous;         /* offer ANONYMOUS */
    bool sasl2_without_tls; /* offer SASL2 on unencrypted streams */
    bool fast;              /* offer tokens (XEP-0484) */
    bool require_tls;       /* no login before STARTTLS where the transport has it */
};

struct stream_options {
    struct loop *loop;
    struct bus *bus;
    struct redis *redis; /* resume queues (XEP-0198); NULL: streams are not managed */
    struct trace *trace; /* or NULL */
    const char *holder;  /* the bus instance's name */
    const struct stream_domain *domains;
    size_t domain_count;
    uint32_t max_stanza_bytes;
    uint32_t max_first_bytes; /* the same until the session is bound */
    struct admit_rate stanza_rate;
    struct admit_rate byte_rate;
    uint32_t login_delay_ms;        /* after a failed login, doubled with each; 0: none */
    uint32_t login_delay_after;     /* failures of an address that are not delayed */
    uint32_t login_delay_forget_ms; /* an address with no failure for so long is forgotten */
    uint32_t drain_rate;            /* streams a second; 0: all at once */
    uint32_t drain_timeout_ms;      /* until the process ends anyway */
    uint32_t max_depth;
    uint32_t auth_deadline_ms;   /* from connection to bound session */
    uint32_t max_auth_attempts;  /* failures before the stream ends with policy-violation */
    uint32_t ping_after_ms;      /* silence before the server pings (XEP-0199); 0: never */
    uint32_t ping_timeout_ms;    /* silence after the ping before the stream ends */
    uint32_t call_deadline_ms;   /* for session's answers */
    uint32_t max_backlog_bytes;  /* of stanzas kept while the bus takes none */
    uint64_t remember_ms;        /* how long deliveries are, so that none is written twice */
    uint32_t resume_s;           /* how long a session can be resumed; 0: not at all */
    uint32_t max_unacked;        /* stanzas a client may leave unacknowledged */
    uint32_t ack_after;          /* stanzas until it is asked for an acknowledgement, */
    uint32_t ack_delay_ms;       /* or this time */
    uint32_t keep_ms;            /* custody_options.keep_ms; read once */
    const char *resume_location; /* where resuming is best tried, or NULL */
    const char *see_other_uri;   /* where to send clients when draining, or NULL */
    struct span
        see_other_host; /* the same for the <stream:stream> framing: host[:port], or empty */
};

/* Fills everything but loop, bus and holder from the configuration; borrows `conf`. The domains are
 * in `arena`, their names conf's. */
void stream_options_load(struct stream_options *options, const struct conf *conf,
                         struct arena *arena);

/* For daemon_spec.announce of every daemon with a stream_host. */
size_t stream_announce(struct arena *arena, const struct span **lines_out);

/* Copies the array of domains, borrows whatever else options point at. Returns owned. */
struct stream_host *stream_host_new(const struct stream_options *options);
/* Streams must be closed before. What was not unbound yet is left to the lease. */
void stream_host_free(struct stream_host *host);
/* New limits after a reload; streams see them from their next use. As stream_host_new. */
void stream_host_reload(struct stream_host *host, const struct stream_options *options);
/* Bus items for a holder of sessions (deliver, end_session); others are settled and logged. */
void stream_host_item(struct stream_host *host, struct bus_peer *peer, uint64_t token,
                      const struct wire_msg *msg);
/* To be called from the bus handler of the same name. */
void stream_host_peer_down(struct stream_host *host, struct bus_peer *peer);
/* Ends every stream (see-other-uri, see-other-host or system-shutdown), drain_rate of them a second;
 * who is not due yet is served on. `done` is called when all have ended and every session is
 * unbound, never from inside this call. */
void stream_host_drain(struct stream_host *host, void (*done)(void *arg), void *arg);
/* Ends every bound session with a stream error: when the lease was lost, they are others' to sweep.
 */
void stream_host_end_all(struct stream_host *host, const char *condition, const char *text);
/* Sessions bound here. */
size_t stream_host_session_count(const struct stream_host *host);

/* What a connection is told that is not even let in, over TCP: header, stream error, end. */
void stream_write_refusal(const struct stream_host *host, const char *condition, struct buf *out);

/* A connection is there. `conn` belongs to the transport and must live until stream_closed. Returns
 * owned by the host; never NULL. */
struct stream *stream_new(struct stream_host *host, const struct stream_transport *transport,
                          void *conn, bool is_secure);
/* Input: one message, or for a transport that is not framed any bytes. */
void stream_receive(struct stream *stream, struct span text);
/* The client will send no more, but may still listen: ends the stream with a goodbye. */
void stream_input_ended(struct stream *stream);
/* The client sent more than one stanza may have: ends the stream with policy-violation. */
void stream_too_big(struct stream *stream);
/* The connection is gone: the stream lets go of `conn`, says unavailable for its session, unbinds
 * it and frees itself. */
void stream_closed(struct stream *stream);

#endif
