/* The development certificate, made with libcrypto and written beside its final name first. */
#include "crypt/devcert.h"

#include "base/buf.h"
#include "base/rand.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEN_YEARS_S (3650L * 24 * 60 * 60)

static bool is_address(const char *text)
{
    unsigned char address[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1;
}

/* "DNS:a,IP:127.0.0.1" */
static void alt_names(const struct devcert_options *options, struct buf *out)
{
    for (size_t i = 0; i < options->name_count; i++) {
        struct buf name = {0};
        buf_append_span(&name, options->names[i]);
        buf_printf(out, "%s%s:%s", i ? "," : "", is_address(buf_cstr(&name)) ? "IP" : "DNS",
                   buf_cstr(&name));
        buf_deinit(&name);
    }
}

static int add_extension(X509 *cert, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    int ok = extension && X509_add_ext(cert, extension, -1);
    X509_EXTENSION_free(extension);
    return ok ? 0 : -1;
}

static int add_subject(X509 *cert, const struct devcert_options *options)
{
    X509_NAME *name = X509_get_subject_name(cert);
    /* A common name holds at most 64 characters; the alternative names are what counts. */
    struct span cn = span_head(options->names[0], 64);
    const unsigned char *organisation = (const unsigned char *)"Jackdaw development";
    int ok = X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, organisation, -1, -1, 0) &&
             X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)cn.data,
                                        (int)cn.len, -1, 0);
    return ok && X509_set_issuer_name(cert, name) ? 0 : -1;
}

static X509 *make_cert(const struct devcert_options *options, EVP_PKEY *key)
{
    struct buf names = {0};
    X509 *cert = X509_new();
    int ok = cert != NULL && options->name_count > 0;
    alt_names(options, &names);
    ok = ok && X509_set_version(cert, 2) &&
         ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), rand_u64() >> 1) &&
         X509_gmtime_adj(X509_getm_notBefore(cert), -3600) &&
         X509_gmtime_adj(X509_getm_notAfter(cert), TEN_YEARS_S) && X509_set_pubkey(cert, key);
    ok = ok && add_subject(cert, options) == 0 &&
         add_extension(cert, NID_basic_constraints, "critical,CA:TRUE") == 0 &&
         add_extension(cert, NID_ext_key_usage, "serverAuth") == 0 &&
         add_extension(cert, NID_subject_alt_name, buf_cstr(&names)) == 0;
    ok = ok && X509_sign(cert, key, EVP_sha256()) > 0;
    buf_deinit(&names);
    if (!ok) {
        X509_free(cert);
        return NULL;
    }
    return cert;
}

/* Writes key or certificate (the one that is not NULL) to PATH.new and renames it. */
static int write_pem(const char *path, mode_t mode, EVP_PKEY *key, X509 *cert)
{
    struct buf temp = {0};
    buf_printf(&temp, "%s.new", path);
    int fd = open(buf_cstr(&temp), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    int ok = file != NULL;
    if (!file && fd >= 0) {
        (void)close(fd);
    }
    ok = ok && (key ? PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL)
                    : PEM_write_X509(file, cert));
    ok = file && fclose(file) == 0 && ok;
    ok = ok && rename(buf_cstr(&temp), path) == 0;
    buf_deinit(&temp);
    return ok ? 0 : -1;
}

static int make_pair(const struct devcert_options *options, char *error, size_t error_size)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = key ? make_cert(options, key) : NULL;
    int result = -1;
    if (!cert) {
        (void)snprintf(error, error_size, "cannot make a certificate for these names");
    } else if (write_pem(options->key_path, 0600, key, NULL) != 0) {
        (void)snprintf(error, error_size, "cannot write %s: %s", options->key_path,
                       strerror(errno));
    } else if (write_pem(options->cert_path, 0644, NULL, cert) != 0) {
        (void)snprintf(error, error_size, "cannot write %s: %s", options->cert_path,
                       strerror(errno));
    } else {
        result = 0;
    }
    X509_free(cert);
    EVP_PKEY_free(key);
    return result;
}

static bool holds_for(X509 *cert, struct span name)
{
    struct buf text = {0};
    buf_append_span(&text, name);
    bool holds = is_address(buf_cstr(&text))
                     ? X509_check_ip_asc(cert, buf_cstr(&text), 0) == 1
                     : X509_check_host(cert, buf_cstr(&text), 0, 0, NULL) == 1;
    buf_deinit(&text);
    return holds;
}

/* Both files can be read, and the certificate is for every name. */
static bool is_there(const struct devcert_options *options)
{
    FILE *file = fopen(options->cert_path, "re");
    X509 *cert = file ? PEM_read_X509(file, NULL, NULL, NULL) : NULL;
    bool fits = cert != NULL && access(options->key_path, R_OK) == 0;
    for (size_t i = 0; fits && i < options->name_count; i++)
        fits = holds_for(cert, options->names[i]);
    X509_free(cert);
    if (file)
        (void)fclose(file);
    return fits;
}

/* Several edges start at once in one run_dir: the first makes the pair, the others wait for it. A
 * lock that cannot be had is not a reason to fail: the lock goes with the descriptor, -1 or not. */
static int take_lock(const char *path)
{
    struct buf name = {0};
    buf_printf(&name, "%s.lock", path);
    int fd = open(buf_cstr(&name), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    buf_deinit(&name);
    if (fd >= 0) {
        (void)flock(fd, LOCK_EX);
    }
    return fd;
}

int devcert_ensure(const struct devcert_options *options, char *error, size_t error_size)
{
    int lock = take_lock(options->key_path);
    int result = is_there(options) ? 0 : make_pair(options, error, error_size);
    if (lock >= 0) {
        (void)close(lock);
    }
    return result;
}
