/* One TLS connection as an engine: a BIO that reads from the caller's span and writes to the
 * caller's buffer, so that nothing is kept between calls. */
#include "crypt/tls_internal.h"

#include "base/assert.h"
#include "base/mem.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdio.h>

#define TLS_RECORD 16384 /* bytes of plain text in one record (RFC 8446 section 5.1) */

/* ---- the BIO ---- */
static int tls_bio_read(BIO *bio, char *data, int size)
{
    struct tls *tls = BIO_get_data(bio);
    size_t n = tls->in.len < (size_t)size ? tls->in.len : (size_t)size;

    BIO_clear_retry_flags(bio);
    if (n == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    memcpy(data, tls->in.data, n);
    tls->in = span_from(tls->in, n);
    return (int)n;
}

static int tls_bio_write(BIO *bio, const char *data, int size)
{
    struct tls *tls = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    ASSERT(tls->out != NULL);
    buf_append(tls->out, data, (size_t)size);
    return size;
}

static long tls_bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static BIO_METHOD *tls_bio_method(void)
{
    static BIO_METHOD *method;

    if (method == NULL) {
        method = BIO_meth_new(BIO_TYPE_SOURCE_SINK | BIO_get_new_index(), "span");
        ASSERT(method != NULL);
        (void)BIO_meth_set_read(method, tls_bio_read);
        (void)BIO_meth_set_write(method, tls_bio_write);
        (void)BIO_meth_set_ctrl(method, tls_bio_ctrl);
    }
    return method;
}

/* ---- life ---- */
struct tls *tls_new(struct tls_context *context)
{
    struct tls *tls = mem_calloc(1, sizeof(*tls));
    BIO *bio = BIO_new(tls_bio_method());

    tls->load = context->load;
    tls->load->refs++;
    tls->ssl = SSL_new(tls->load->domains[0].ssl);
    ASSERT(tls->ssl != NULL && bio != NULL);
    SSL_set_app_data(tls->ssl, tls);
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio);
    SSL_set_accept_state(tls->ssl);
    return tls;
}

void tls_free(struct tls *tls)
{
    if (tls == NULL) {
        return;
    }
    SSL_free(tls->ssl);
    tls_load_unref(tls->load);
    mem_free(tls->failure);
    mem_free(tls->preferred);
    mem_free(tls);
}

void tls_prefer(struct tls *tls, struct span domain)
{
    mem_free(tls->preferred);
    tls->preferred = mem_strdup_span(domain);
}

const char *tls_preferred(const SSL *ssl)
{
    const struct tls *tls = SSL_get_app_data(ssl);
    return tls != NULL ? tls->preferred : NULL;
}

/* ---- data ---- */
static void tls_fail(struct tls *tls)
{
    char line[160];

    tls_error_line(line, sizeof(line));
    mem_free(tls->failure);
    tls->failure = mem_strdup(line);
    tls->state = TLS_FAILED;
}

/* Looks at what an SSL call that did not succeed means for the connection. */
static void tls_judge(struct tls *tls, int returned)
{
    int error = SSL_get_error(tls->ssl, returned);

    if (error == SSL_ERROR_ZERO_RETURN) {
        tls->state = TLS_ENDED;
    } else if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
        tls_fail(tls);
    }
}

static void tls_handshake(struct tls *tls)
{
    int returned = SSL_do_handshake(tls->ssl);

    if (returned == 1) {
        tls->state = TLS_OPEN;
    } else {
        tls_judge(tls, returned);
    }
}

static void tls_decrypt(struct tls *tls, struct buf *plain)
{
    for (;;) {
        int got = SSL_read(tls->ssl, buf_reserve(plain, TLS_RECORD), TLS_RECORD);
        if (got <= 0) {
            tls_judge(tls, got);
            return;
        }
        plain->len += (size_t)got;
    }
}

enum tls_state tls_receive(struct tls *tls, struct span wire, struct buf *plain, struct buf *out)
{
    tls->in = wire;
    tls->out = out;
    ERR_clear_error();
    if (tls->state == TLS_HANDSHAKING) {
        tls_handshake(tls);
    }
    if (tls->state == TLS_OPEN) {
        tls_decrypt(tls, plain);
    }
    tls->in = (struct span){0};
    tls->out = NULL;
    return tls->state;
}

bool tls_is_open(const struct tls *tls)
{
    return tls->state == TLS_OPEN;
}

int tls_send(struct tls *tls, struct span plain, struct buf *out)
{
    if (tls->state != TLS_OPEN) {
        return -1;
    }
    tls->out = out;
    ERR_clear_error();
    while (plain.len > 0) {
        struct span piece = span_head(plain, TLS_RECORD);
        int put = SSL_write(tls->ssl, piece.data, (int)piece.len);
        if (put <= 0) {
            /* The BIO takes everything, so nothing but a broken connection can be the reason. */
            tls_fail(tls);
            break;
        }
        plain = span_from(plain, (size_t)put);
    }
    tls->out = NULL;
    return tls->state == TLS_OPEN ? 0 : -1;
}

void tls_finish(struct tls *tls, struct buf *out)
{
    if (tls->state != TLS_OPEN && tls->state != TLS_ENDED) {
        return;
    }
    tls->out = out;
    ERR_clear_error();
    (void)SSL_shutdown(tls->ssl);
    ERR_clear_error();
    tls->out = NULL;
}

/* ---- facts ---- */
const char *tls_failure(const struct tls *tls)
{
    return tls->failure != NULL ? tls->failure : "";
}

const char *tls_version(const struct tls *tls)
{
    return SSL_get_version(tls->ssl);
}

const char *tls_cipher(const struct tls *tls)
{
    return SSL_get_cipher_name(tls->ssl);
}

struct span tls_server_name(const struct tls *tls)
{
    return span_cstr(SSL_get_servername(tls->ssl, TLSEXT_NAMETYPE_host_name));
}

/* ---- channel bindings ---- */
/* Whether two connections never share secrets: TLS 1.3, or 1.2 with RFC 7627. */
static bool is_unique(const struct tls *tls)
{
    return SSL_version(tls->ssl) >= TLS1_3_VERSION || SSL_get_extms_support(tls->ssl) == 1;
}

size_t tls_unique(struct tls *tls, unsigned char *out, size_t size)
{
    if (tls->state != TLS_OPEN || !is_unique(tls)) {
        return 0;
    }
    /* Who resumes a session hears the server's Finished first. */
    size_t len = SSL_session_reused(tls->ssl) ? SSL_get_finished(tls->ssl, out, size)
                                              : SSL_get_peer_finished(tls->ssl, out, size);
    return len <= size ? len : 0;
}

size_t tls_exporter(struct tls *tls, unsigned char *out, size_t size)
{
    static const char label[] = "EXPORTER-Channel-Binding";

    if (tls->state != TLS_OPEN || size < 32 || !is_unique(tls) ||
        SSL_export_keying_material(tls->ssl, out, 32, label, sizeof(label) - 1, NULL, 0, 1) != 1) {
        return 0;
    }
    return 32;
}

size_t tls_server_end_point(struct tls *tls, unsigned char *out, size_t size)
{
    X509 *certificate = SSL_get_certificate(tls->ssl);
    const EVP_MD *digest = EVP_sha256();
    unsigned len = (unsigned)size;
    int digest_nid = NID_undef;

    if (certificate == NULL) {
        return 0;
    }
    /* The hash of the certificate's signature, but SHA-256 where that is MD5 or SHA-1. */
    if (OBJ_find_sigid_algs(X509_get_signature_nid(certificate), &digest_nid, NULL) == 1 &&
        digest_nid != NID_undef && digest_nid != NID_md5 && digest_nid != NID_sha1) {
        digest = EVP_get_digestbynid(digest_nid);
    }
    if (digest == NULL || size < (size_t)EVP_MD_get_size(digest) ||
        X509_digest(certificate, digest, out, &len) != 1) {
        return 0;
    }
    return len;
}
