/* Certificates of clients (RFC 6120 sections 13.7.1.4 and 13.7.2.2): asked for, never required,
 * and what a valid one says. */
#include "crypt/tls_internal.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>

/* ---- contexts ---- */

/* Whatever is wrong, the connection goes on as that of a client without a certificate. */
static int on_verify(int is_fine, X509_STORE_CTX *chain)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls *tls = SSL_get_app_data(ssl);

    if (!is_fine && tls->client_error == X509_V_OK) {
        tls->client_error = X509_STORE_CTX_get_error(chain);
    }
    return 1;
}

static int on_ticket_made(SSL *ssl, void *arg)
{
    (void)ssl;
    (void)arg;
    return 1;
}

/* A ticket brings the certificate of its time back, and its verdict: not used, handshake anew. */
static SSL_TICKET_RETURN on_ticket(SSL *ssl, SSL_SESSION *session, const unsigned char *name,
                                   size_t name_len, SSL_TICKET_STATUS status, void *arg)
{
    (void)ssl;
    (void)name;
    (void)name_len;
    (void)arg;
    if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW) {
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    }
    if (SSL_SESSION_get0_peer(session) != NULL) {
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    }
    return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

static int fail(const char *path, char *error, size_t error_size)
{
    char reason[160];

    tls_error_line(reason, sizeof(reason));
    (void)snprintf(error, error_size, "%s: %s", path, reason);
    return -1;
}

/* From here on a certificate without a list of its issuer's, or with one that is out of date, is
 * not valid. */
static int use_crl(SSL_CTX *context, const char *path)
{
    X509_STORE *store = SSL_CTX_get_cert_store(context);
    X509_LOOKUP *lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file());

    if (lookup == NULL || X509_load_crl_file(lookup, path, X509_FILETYPE_PEM) < 1) {
        return -1;
    }
    return X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK) == 1 ? 0 : -1;
}

int tls_client_configure(SSL_CTX *context, const struct tls_options *options, char *error,
                         size_t error_size)
{
    STACK_OF(X509_NAME) * names;

    if (options->client_ca == NULL) {
        return 0;
    }
    ERR_clear_error();
    names = SSL_load_client_CA_file(options->client_ca);
    if (names == NULL || SSL_CTX_load_verify_file(context, options->client_ca) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return fail(options->client_ca, error, error_size);
    }
    SSL_CTX_set_client_CA_list(context, names);
    /* What the file names is trusted, be it no root itself. */
    (void)X509_STORE_set_flags(SSL_CTX_get_cert_store(context), X509_V_FLAG_PARTIAL_CHAIN);
    if (options->client_crl != NULL && use_crl(context, options->client_crl) != 0) {
        return fail(options->client_crl, error, error_size);
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, on_verify);
    (void)SSL_CTX_set_session_ticket_cb(context, on_ticket_made, on_ticket, NULL);
    return 0;
}

/* ---- connections ---- */

bool tls_client_is_trusted(const struct tls *tls)
{
    /* A reload may have taken the authority away since the session began. */
    return tls->state == TLS_OPEN && tls->client_error == X509_V_OK &&
           SSL_session_reused(tls->ssl) == 0 && SSL_get0_peer_certificate(tls->ssl) != NULL &&
           SSL_get_verify_result(tls->ssl) == X509_V_OK;
}

const char *tls_client_problem(const struct tls *tls)
{
    return tls->client_error != X509_V_OK ? X509_verify_cert_error_string(tls->client_error) : "";
}

/* The name's address, empty when it is none. */
static struct span address_of(const GENERAL_NAME *name)
{
    ASN1_OBJECT *kind = NULL;
    ASN1_TYPE *value = NULL;

    if (GENERAL_NAME_get0_otherName(name, &kind, &value) != 1 ||
        OBJ_obj2nid(kind) != NID_XmppAddr || value->type != V_ASN1_UTF8STRING) {
        return (struct span){0};
    }
    return span_of((const char *)ASN1_STRING_get0_data(value->value.utf8string),
                   (size_t)ASN1_STRING_length(value->value.utf8string));
}

size_t tls_client_addresses(const struct tls *tls, struct arena *arena,
                            const struct span **addresses_out)
{
    struct span *addresses = arena_calloc(arena, TLS_ADDRESSES_MAX, sizeof(*addresses));
    GENERAL_NAMES *names;
    size_t count = 0;

    *addresses_out = addresses;
    if (!tls_client_is_trusted(tls)) {
        return 0;
    }
    names = X509_get_ext_d2i(SSL_get0_peer_certificate(tls->ssl), NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names) && count < TLS_ADDRESSES_MAX; i++) {
        struct span address = address_of(sk_GENERAL_NAME_value(names, i));
        if (!span_is_empty(address)) {
            addresses[count++] = arena_copy(arena, address);
        }
    }
    GENERAL_NAMES_free(names);
    return count;
}
