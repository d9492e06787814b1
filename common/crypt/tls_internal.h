/* What the two halves of the TLS engine share: contexts (tls_context.c) and connections (tls.c). */
#ifndef JACKDAW_CRYPT_TLS_INTERNAL_H
#define JACKDAW_CRYPT_TLS_INTERNAL_H

#include "crypt/tls.h"

#include <openssl/ssl.h>

/* One domain's certificate as OpenSSL holds it. */
struct tls_domain {
    char *name;
    SSL_CTX *ssl;
    struct buf ocsp;
};

/* All of one load of the files. Counted: connections keep the load they began with. */
struct tls_load {
    unsigned refs;
    char *alpn; /* length-prefixed protocol name (RFC 7301), or NULL */
    struct tls_domain *domains;
    size_t domain_count;
};

struct tls_context {
    struct tls_load *load;
};

struct tls {
    SSL *ssl;
    struct tls_load *load;
    enum tls_state state;
    struct span in;  /* of the tls_receive under way */
    struct buf *out; /* of the call under way */
    char *failure;
    int client_error; /* X509_V_ERR_*: the first that was found in the client's certificate */
};

/* Drops one reference; NULL is allowed. */
void tls_load_unref(struct tls_load *load);
/* OpenSSL's oldest error as one line, the queue emptied. */
void tls_error_line(char *out, size_t size);
/* tls_client.c: lets a context ask clients for certificates. 0, or -1 with `error` filled. */
int tls_client_configure(SSL_CTX *context, const struct tls_options *options, char *error,
                         size_t error_size);

#endif
