/* What the parts of the TLS engine share: contexts (tls_context.c), the files of a load (tls_load.c),
 * connections (tls.c), session tickets (tls_tickets.c). */
#ifndef JACKDAW_CRYPT_TLS_INTERNAL_H
#define JACKDAW_CRYPT_TLS_INTERNAL_H

#include "crypt/tls.h"

#include <openssl/ssl.h>

/* Keys of session tickets (RFC 5077 section 4, as OpenSSL makes them in TLS 1.3 too). Counted. */
struct tls_tickets;

/* A certificate as OpenSSL holds it. */
struct tls_domain {
    char *name;
    const struct tls_identity *identity; /* while loading: whom to compare with */
    SSL_CTX *ssl;                        /* shared by the domains that have the same files */
    struct buf ocsp;
};

/* All of one load of the files. Counted: connections keep the load they began with. */
struct tls_load {
    unsigned refs;
    char *alpn; /* length-prefixed protocol name (RFC 7301), or NULL */
    struct tls_domain *domains;
    size_t domain_count;
    struct tls_tickets *tickets;
};

struct tls_context {
    struct tls_load *load;
    struct tls_tickets *tickets;
};

struct tls {
    SSL *ssl;
    struct tls_load *load;
    enum tls_state state;
    struct span in;  /* of the tls_receive under way */
    struct buf *out; /* of the call under way */
    char *failure;
    char *preferred;  /* domain, or NULL */
    int client_error; /* X509_V_ERR_*: the first that was found in the client's certificate */
};

/* Reads the files. Returns owned, or NULL with one line in `error`; takes a reference to `tickets`. */
struct tls_load *tls_load_new(const struct tls_options *options, struct tls_tickets *tickets,
                              char *error, size_t error_size);
/* What an SSL_CTX of any listener is set to, but for its certificates. */
void tls_configure(SSL_CTX *ssl, struct tls_tickets *tickets);
/* The SSL_CTX for a client that names `name`, NULL: none. */
SSL_CTX *tls_load_choose(const struct tls_load *load, const char *name);
/* Drops one reference; NULL is allowed. */
void tls_load_unref(struct tls_load *load);
/* The domain tls_prefer was told, or NULL: `ssl` may be a connection that is not ours. */
const char *tls_preferred(const SSL *ssl);

struct tls_tickets *tls_tickets_new(void);
void tls_tickets_ref(struct tls_tickets *tickets);
void tls_tickets_unref(struct tls_tickets *tickets); /* NULL is allowed */
/* A fresh key for new tickets; those of the one before last are good no more. */
void tls_tickets_rotate(struct tls_tickets *tickets);
void tls_tickets_use(struct tls_tickets *tickets, SSL_CTX *ssl);

/* OpenSSL's oldest error as one line, the queue emptied. */
void tls_error_line(char *out, size_t size);
/* tls_client.c: lets a context ask clients for certificates. 0, or -1 with `error` filled. */
int tls_client_configure(SSL_CTX *context, const struct tls_options *options, char *error,
                         size_t error_size);

#endif
