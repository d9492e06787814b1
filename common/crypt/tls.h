/* TLS for stream sockets (STARTTLS and direct), as an engine without a socket: bytes in, bytes out.
 *
 * One tls_context holds what the connections of a daemon share: the certificates of its domains
 * (chosen by SNI), protocol versions, ciphers, ALPN names, and the keys of session tickets, which
 * are this process's own and change every few hours. It can be loaded anew without touching
 * connections that are open. What is done to sockets by another library (wss) gets all this too. A connection's engine keeps no buffers between calls: what
 * comes from the wire is handed in, what must go out is appended to a buffer of the caller's, so
 * that an idle connection costs what OpenSSL's own state costs and nothing else.
 *
 * Clients may be asked for a certificate of their own, which they need not have: it changes nothing
 * about the connection, tls_client_addresses tells what it says. A session in which one was shown is
 * never resumed, so that each connection's certificate is looked at anew.
 *
 * RFC 7590 (TLS for XMPP), RFC 7301 (ALPN), RFC 5929 and RFC 9266 (channel bindings), RFC 6120
 * section 13.7 (certificates).
 */
#ifndef JACKDAW_CRYPT_TLS_H
#define JACKDAW_CRYPT_TLS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/span.h"

#include <stdbool.h>
#include <stddef.h>

struct tls_context;
struct tls;

/* The certificate of one domain. PEM files; `chain` begins with the domain's own certificate. */
struct tls_identity {
    const char *domain; /* as clients name it in SNI; "*.example.org" is fine */
    const char *chain;
    const char *key;
    const char *ocsp; /* a DER OCSP response to staple, or NULL */
};

/* A client is served by the identity of the domain it names, else by the first whose certificate holds
 * for that name, else by the first of all. */
struct tls_options {
    const struct tls_identity *identities;
    size_t identity_count;
    const char *client_ca; /* PEM: who vouches for clients; NULL: none is asked for a certificate */
    const char *client_crl; /* PEM: what those revoked, one list of each that signs; or NULL */
    const char *alpn; /* "xmpp-client": required of clients that offer ALPN at all; NULL: ignored */
};

/* Reads the files. Returns owned, or NULL with one line in `error`: which file, and why. */
struct tls_context *tls_context_new(const struct tls_options *options, char *error,
                                    size_t error_size);
/* Reads files again for connections made from now on. 0, or -1 with `error` filled: the old ones
 * stay in use. */
int tls_context_reload(struct tls_context *context, const struct tls_options *options, char *error,
                       size_t error_size);
/* Connections made from it live on. NULL is allowed. */
void tls_context_free(struct tls_context *context);

/* Makes the SSL_CTX of a listener that is not ours do as the context's own: its connections get
 * certificates, ALPN and tickets from here, after reloads too. Before its first connection; the
 * context must outlive them. */
void tls_context_lend(struct tls_context *context, void *ssl_ctx);

enum tls_state {
    TLS_HANDSHAKING,
    TLS_OPEN,
    TLS_ENDED,  /* the peer said goodbye (close_notify) */
    TLS_FAILED, /* tls_failure says why; an alert may be in the output */
};

/* The server's side of one connection. Returns owned. */
struct tls *tls_new(struct tls_context *context);
void tls_free(struct tls *tls);
/* Whom a client means that names no domain by SNI: what it has said already in its stream's `to`.
 * Before the first tls_receive. */
void tls_prefer(struct tls *tls, struct span domain);

/* Takes all of `wire`; appends what was decrypted to `plain` and what must be sent to `out`. */
enum tls_state tls_receive(struct tls *tls, struct span wire, struct buf *plain, struct buf *out);
/* Whether the handshake is done and the peer has not said goodbye. */
bool tls_is_open(const struct tls *tls);
/* Encrypts all of `plain` into `out`. Only while TLS_OPEN: 0, else -1. */
int tls_send(struct tls *tls, struct span plain, struct buf *out);
/* Appends our close_notify. */
void tls_finish(struct tls *tls, struct buf *out);

/* One line for logs: OpenSSL's reason. "" when there was no failure. */
const char *tls_failure(const struct tls *tls);
/* "TLSv1.3"; borrows. */
const char *tls_version(const struct tls *tls);
const char *tls_cipher(const struct tls *tls);
/* The domain the client asked for by SNI, empty when none; borrows. */
struct span tls_server_name(const struct tls *tls);

/* ---- the client's certificate ---- */
#define TLS_ADDRESSES_MAX 16 /* further ones of a certificate are not looked at */

/* Whether the client showed a certificate that is valid: signed on behalf of client_ca, for
 * clients, within its time, not revoked. */
bool tls_client_is_trusted(const struct tls *tls);
/* Why the certificate it showed is not valid, "" when it showed none or a valid one; borrows. */
const char *tls_client_problem(const struct tls *tls);
/* The XMPP addresses in it (subjectAltName, id-on-xmppAddr; RFC 6120 section 13.7.1.4) as they are
 * written there, in `arena`. Their number; 0 when the client is not trusted. */
size_t tls_client_addresses(const struct tls *tls, struct arena *arena,
                            const struct span **addresses_out);

/* ---- channel bindings: at most `size` bytes into `out`; the length, or 0 when there is none ----
 */
/* tls-exporter (RFC 9266): 32 bytes; TLS 1.3, or 1.2 with extended master secret. */
size_t tls_exporter(struct tls *tls, unsigned char *out, size_t size);
/* tls-unique (RFC 5929 section 3): the first Finished message. Not defined for TLS 1.3, where clients
 * that know no other binding use it all the same: the client's Finished, if the session is new. */
size_t tls_unique(struct tls *tls, unsigned char *out, size_t size);
/* tls-server-end-point (RFC 5929 section 4): the certificate's hash. */
size_t tls_server_end_point(struct tls *tls, unsigned char *out, size_t size);

#endif
