/* One load of the files: each domain's certificate, how it is chosen, and what all connections are set
 * to. */
#include "crypt/tls_internal.h"

#include "base/mem.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <strings.h>

#define TLS_OCSP_MAX 65536 /* bytes of a stapled response */

/* Forward secrecy and AEAD only (RFC 9325 section 4.2); TLS 1.3 suites are OpenSSL's own. */
#define TLS_CIPHERS                                                                                \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"                                   \
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"                                   \
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define TLS_GROUPS "X25519:P-256:P-384"

void tls_error_line(char *out, size_t size)
{
    unsigned long code = ERR_get_error();
    const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;

    (void)snprintf(out, size, "%s", reason != NULL ? reason : "unknown reason");
    ERR_clear_error();
}

static void tls_domain_deinit(struct tls_domain *domain)
{
    mem_free(domain->name);
    SSL_CTX_free(domain->ssl);
    buf_deinit(&domain->ocsp);
}

void tls_load_unref(struct tls_load *load)
{
    if (load == NULL || --load->refs > 0) {
        return;
    }
    for (size_t i = 0; i < load->domain_count; i++) {
        tls_domain_deinit(&load->domains[i]);
    }
    mem_free(load->domains);
    mem_free(load->alpn);
    tls_tickets_unref(load->tickets);
    mem_free(load);
}

/* "*.example.org" covers exactly one more label (RFC 6125 section 6.4.3). */
static bool tls_name_matches(const char *pattern, const char *name)
{
    if (strncmp(pattern, "*.", 2) == 0) {
        const char *dot = strchr(name, '.');
        return dot != NULL && dot != name && strcasecmp(dot + 1, pattern + 2) == 0;
    }
    return strcasecmp(pattern, name) == 0;
}

static bool tls_holds_for(const SSL_CTX *ssl, const char *name)
{
    X509 *certificate = SSL_CTX_get0_certificate(ssl);

    return certificate != NULL &&
           X509_check_host(certificate, name, 0, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1;
}

/* An unknown name gets the first certificate: clients then say what is wrong better than an alert.
 */
SSL_CTX *tls_load_choose(const struct tls_load *load, const char *name)
{
    for (size_t i = 0; name != NULL && i < load->domain_count; i++) {
        if (tls_name_matches(load->domains[i].name, name)) {
            return load->domains[i].ssl;
        }
    }
    for (size_t i = 0; name != NULL && i < load->domain_count; i++) {
        if (tls_holds_for(load->domains[i].ssl, name)) {
            return load->domains[i].ssl;
        }
    }
    return load->domains[0].ssl;
}

static int tls_on_server_name(SSL *ssl, int *alert, void *arg)
{
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

    (void)alert;
    SSL_set_SSL_CTX(ssl, tls_load_choose(arg, name != NULL ? name : tls_preferred(ssl)));
    return name != NULL ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

/* RFC 7301 section 3.2: offered protocols that do not include ours are a fatal error. */
static int tls_on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                       const unsigned char *in, unsigned in_len, void *arg)
{
    const struct tls_load *load = arg;
    unsigned char *chosen = NULL;
    int outcome;

    (void)ssl;
    if (load->alpn == NULL) {
        return SSL_TLSEXT_ERR_NOACK;
    }
    outcome = SSL_select_next_proto(&chosen, out_len, (const unsigned char *)load->alpn,
                                    (unsigned)strlen(load->alpn), in, in_len);
    *out = chosen;
    return outcome == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int tls_on_status(SSL *ssl, void *arg)
{
    const struct tls_domain *domain = arg;
    unsigned char *copy;

    if (domain->ocsp.len == 0) {
        return SSL_TLSEXT_ERR_NOACK;
    }
    copy = OPENSSL_memdup(domain->ocsp.data, domain->ocsp.len);
    if (copy == NULL || SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)domain->ocsp.len) != 1) {
        OPENSSL_free(copy);
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    return SSL_TLSEXT_ERR_OK;
}

static int tls_read_ocsp(const char *path, struct buf *out, char *error, size_t error_size)
{
    FILE *file = fopen(path, "rb");
    size_t got;

    if (file == NULL) {
        (void)snprintf(error, error_size, "%s: %s", path, strerror(errno));
        return -1;
    }
    got = fread(buf_reserve(out, TLS_OCSP_MAX), 1, TLS_OCSP_MAX, file);
    out->len += got;
    (void)fclose(file);
    return 0;
}

void tls_configure(SSL_CTX *ssl, struct tls_tickets *tickets)
{
    (void)SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION);
    (void)SSL_CTX_set_cipher_list(ssl, TLS_CIPHERS);
    (void)SSL_CTX_set1_groups_list(ssl, TLS_GROUPS);
    SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    (void)SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
    /* Tickets only: a cache of sessions would grow with every client that ever came. */
    (void)SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_num_tickets(ssl, 1);
    (void)SSL_CTX_set_session_id_context(ssl, (const unsigned char *)"jackdaw", 7);
    tls_tickets_use(tickets, ssl);
}

/* The domain before that has the same files, or NULL. */
static const struct tls_domain *tls_same_files(const struct tls_load *load,
                                               const struct tls_identity *identity)
{
    for (size_t i = 0; i + 1 < load->domain_count; i++) {
        const struct tls_identity *other = load->domains[i].identity;
        if (strcmp(other->chain, identity->chain) == 0 && strcmp(other->key, identity->key) == 0 &&
            (other->ocsp == NULL) == (identity->ocsp == NULL) &&
            (other->ocsp == NULL || strcmp(other->ocsp, identity->ocsp) == 0)) {
            return &load->domains[i];
        }
    }
    return NULL;
}

static int tls_read_files(struct tls_domain *domain, char *error, size_t error_size)
{
    const struct tls_identity *identity = domain->identity;
    const char *bad = NULL;
    char reason[160];

    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(domain->ssl, identity->chain) != 1) {
        bad = identity->chain;
    } else if (SSL_CTX_use_PrivateKey_file(domain->ssl, identity->key, SSL_FILETYPE_PEM) != 1 ||
               SSL_CTX_check_private_key(domain->ssl) != 1) {
        bad = identity->key;
    }
    if (bad != NULL) {
        tls_error_line(reason, sizeof(reason));
        (void)snprintf(error, error_size, "%s: %s", bad, reason);
        return -1;
    }
    return identity->ocsp != NULL ? tls_read_ocsp(identity->ocsp, &domain->ocsp, error, error_size)
                                  : 0;
}

/* Fills the load's last domain. */
static int tls_domain_load(struct tls_load *load, const struct tls_identity *identity, char *error,
                           size_t error_size)
{
    struct tls_domain *domain = &load->domains[load->domain_count - 1];
    const struct tls_domain *same = tls_same_files(load, identity);

    domain->name = mem_strdup(identity->domain);
    domain->identity = identity;
    if (same != NULL) {
        domain->ssl = same->ssl;
        (void)SSL_CTX_up_ref(domain->ssl);
        return 0;
    }
    domain->ssl = SSL_CTX_new(TLS_server_method());
    if (domain->ssl == NULL) {
        (void)snprintf(error, error_size, "OpenSSL cannot make a context");
        return -1;
    }
    tls_configure(domain->ssl, load->tickets);
    (void)SSL_CTX_set_tlsext_servername_callback(domain->ssl, tls_on_server_name);
    (void)SSL_CTX_set_tlsext_servername_arg(domain->ssl, load);
    (void)SSL_CTX_set_tlsext_status_cb(domain->ssl, tls_on_status);
    (void)SSL_CTX_set_tlsext_status_arg(domain->ssl, domain);
    SSL_CTX_set_alpn_select_cb(domain->ssl, tls_on_alpn, load);
    return tls_read_files(domain, error, error_size);
}

struct tls_load *tls_load_new(const struct tls_options *options, struct tls_tickets *tickets,
                              char *error, size_t error_size)
{
    struct tls_load *load = mem_calloc(1, sizeof(*load));

    load->refs = 1;
    load->tickets = tickets;
    tls_tickets_ref(tickets);
    if (options->alpn != NULL) {
        size_t len = strlen(options->alpn);
        load->alpn = mem_alloc(len + 2);
        load->alpn[0] = (char)len;
        memcpy(load->alpn + 1, options->alpn, len + 1);
    }
    load->domains = mem_calloc(options->identity_count, sizeof(*load->domains));
    for (size_t i = 0; i < options->identity_count; i++) {
        load->domain_count++;
        if (tls_domain_load(load, &options->identities[i], error, error_size) != 0 ||
            tls_client_configure(load->domains[i].ssl, options, error, error_size) != 0) {
            tls_load_unref(load);
            return NULL;
        }
    }
    return load;
}
