/* Certificates of clients: which of them are trusted, what is read from them, and that a resumed
 * session brings no identity back. */
#include "crypt/tls.h"

#include "crypt/devcert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#define HOUR 3600L

static char dir[] = "/tmp/jackdaw-tls-client-XXXXXX";

struct identity {
    X509 *certificate;
    EVP_PKEY *key;
};

/* What a certificate is to be like; zero is a good one without an address. */
struct wish {
    const struct identity *issuer; /* NULL: itself */
    const char *addresses[3];
    const char *usage; /* NULL: clientAuth */
    long from;         /* seconds from now */
    long until;        /* 0: an hour */
    bool is_ca;
    int serial;
    int other_type; /* of the addresses' values; 0: UTF8String */
    const char *oid;
};

static char ca_path[128], crl_path[128], other_path[128], chain_path[128], key_path[128];
static struct identity authority, stranger;

static void add_extension(X509 *certificate, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static void add_address(GENERAL_NAMES *names, const struct wish *wish, const char *address)
{
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_TYPE *value = ASN1_TYPE_new();
    int type = wish->other_type ? wish->other_type : V_ASN1_UTF8STRING;
    ASN1_STRING *text = ASN1_STRING_type_new(type);
    ASN1_STRING_set(text, address, -1);
    ASN1_TYPE_set(value, type, text);
    GENERAL_NAME_set0_othername(name, OBJ_txt2obj(wish->oid ? wish->oid : "1.3.6.1.5.5.7.8.5", 1),
                                value);
    sk_GENERAL_NAME_push(names, name);
}

static struct identity identity_new(const struct wish *wish)
{
    struct identity made = {X509_new(), EVP_EC_gen("P-256")};
    const struct identity *issuer = wish->issuer ? wish->issuer : &made;
    X509_NAME *subject = X509_get_subject_name(made.certificate);
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    char common_name[40];
    snprintf(common_name, sizeof(common_name), "test %p", (void *)made.certificate);
    X509_set_version(made.certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made.certificate), wish->serial ? wish->serial : 1);
    X509_gmtime_adj(X509_getm_notBefore(made.certificate), wish->from ? wish->from : -HOUR);
    X509_gmtime_adj(X509_getm_notAfter(made.certificate), wish->until ? wish->until : HOUR);
    X509_set_pubkey(made.certificate, made.key);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)common_name, -1,
                               -1, 0);
    X509_set_issuer_name(made.certificate, X509_get_subject_name(issuer->certificate));
    if (wish->is_ca) {
        add_extension(made.certificate, NID_basic_constraints, "critical,CA:TRUE");
    } else {
        add_extension(made.certificate, NID_ext_key_usage,
                      wish->usage ? wish->usage : "clientAuth");
    }
    for (size_t i = 0; i < 3 && wish->addresses[i]; i++) {
        add_address(names, wish, wish->addresses[i]);
    }
    if (sk_GENERAL_NAME_num(names) > 0) {
        X509_add1_ext_i2d(made.certificate, NID_subject_alt_name, names, 0, 0);
    }
    GENERAL_NAMES_free(names);
    assert_true(X509_sign(made.certificate, issuer->key, EVP_sha256()) > 0);
    return made;
}

static void identity_free(struct identity *identity)
{
    X509_free(identity->certificate);
    EVP_PKEY_free(identity->key);
}

static void write_certificate(const char *path, X509 *certificate)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(PEM_write_X509(file, certificate), 1);
    fclose(file);
}

/* The authority's list, with serial number 7 on it. */
static void write_crl(const struct identity *issuer, long until)
{
    X509_CRL *crl = X509_CRL_new();
    X509_REVOKED *revoked = X509_REVOKED_new();
    ASN1_INTEGER *serial = ASN1_INTEGER_new();
    ASN1_TIME *now = X509_gmtime_adj(NULL, -2 * HOUR);
    ASN1_TIME *end = X509_gmtime_adj(NULL, until);
    FILE *file = fopen(crl_path, "w");
    X509_CRL_set_version(crl, X509_CRL_VERSION_2);
    X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer->certificate));
    X509_CRL_set1_lastUpdate(crl, now);
    X509_CRL_set1_nextUpdate(crl, end);
    ASN1_INTEGER_set(serial, 7);
    X509_REVOKED_set_serialNumber(revoked, serial);
    X509_REVOKED_set_revocationDate(revoked, now);
    X509_CRL_add0_revoked(crl, revoked);
    assert_true(X509_CRL_sign(crl, issuer->key, EVP_sha256()) > 0);
    assert_int_equal(PEM_write_X509_CRL(file, crl), 1);
    fclose(file);
    ASN1_INTEGER_free(serial);
    ASN1_TIME_free(now);
    ASN1_TIME_free(end);
    X509_CRL_free(crl);
}

/* ---- connections ---- */

static struct tls_context *context_new(const char *ca, const char *crl)
{
    struct tls_identity identity = {"a.example", chain_path, key_path, NULL};
    struct tls_options options = {
        .identities = &identity, .identity_count = 1, .client_ca = ca, .client_crl = crl};
    char error[256] = "";
    struct tls_context *context = tls_context_new(&options, error, sizeof(error));
    if (!context) {
        fail_msg("%s", error);
    }
    return context;
}

struct visit {
    SSL_CTX *context;
    SSL *ssl;
    struct tls *tls;
    SSL_SESSION *session; /* the latest ticket; owned */
};

static int on_session(SSL *ssl, SSL_SESSION *session)
{
    struct visit *visit = SSL_get_app_data(ssl);
    SSL_SESSION_free(visit->session);
    visit->session = session;
    return 1;
}

static void step(struct visit *visit)
{
    struct buf plain = {0}, out = {0};
    char bytes[8192];
    int n;
    while ((n = BIO_read(SSL_get_wbio(visit->ssl), bytes, sizeof(bytes))) > 0) {
        (void)tls_receive(visit->tls, span_of(bytes, (size_t)n), &plain, &out);
    }
    if (out.len > 0) {
        BIO_write(SSL_get_rbio(visit->ssl), out.data, (int)out.len);
    }
    buf_deinit(&plain);
    buf_deinit(&out);
}

/* Connects, certificates or not; the handshake must succeed. */
static void connect_with(struct visit *visit, struct tls_context *context, int version,
                         const struct identity *identity, const struct visit *earlier)
{
    char nothing[1];
    *visit = (struct visit){.context = SSL_CTX_new(TLS_client_method()), .tls = tls_new(context)};
    SSL_CTX_set_min_proto_version(visit->context, version);
    SSL_CTX_set_max_proto_version(visit->context, version);
    SSL_CTX_set_session_cache_mode(visit->context,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(visit->context, on_session);
    if (identity) {
        assert_int_equal(SSL_CTX_use_certificate(visit->context, identity->certificate), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey(visit->context, identity->key), 1);
    }
    visit->ssl = SSL_new(visit->context);
    SSL_set_app_data(visit->ssl, visit);
    SSL_set_bio(visit->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(visit->ssl);
    if (earlier) {
        assert_non_null(earlier->session);
        assert_int_equal(SSL_set_session(visit->ssl, earlier->session), 1);
    }
    for (int i = 0; i < 6; i++) {
        (void)SSL_do_handshake(visit->ssl);
        step(visit);
    }
    (void)SSL_read(visit->ssl, nothing, 1); /* takes the tickets */
    assert_true(tls_is_open(visit->tls));
}

static void visit_end(struct visit *visit)
{
    SSL_SESSION_free(visit->session);
    SSL_free(visit->ssl);
    SSL_CTX_free(visit->context);
    tls_free(visit->tls);
}

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

/* The addresses that are read, with a blank behind each; "-" when the client is not trusted. */
static const char *read_with(const char *ca, const char *crl, const struct wish *wish)
{
    static char text[512];
    struct tls_context *context = context_new(ca, crl);
    struct identity identity = {0};
    if (wish) {
        identity = identity_new(wish);
    }
    for (size_t i = 0; i < 2; i++) {
        char seen[512] = "";
        const struct span *addresses;
        struct arena arena = {0};
        struct visit visit;
        connect_with(&visit, context, versions[i], wish ? &identity : NULL, NULL);
        size_t count = tls_client_addresses(visit.tls, &arena, &addresses);
        for (size_t n = 0; n < count; n++) {
            snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "%.*s ",
                     SPAN_ARG(addresses[n]));
        }
        if (!tls_client_is_trusted(visit.tls)) {
            assert_int_equal(count, 0);
            snprintf(seen, sizeof(seen), "-%s", tls_client_problem(visit.tls));
        } else {
            assert_string_equal(tls_client_problem(visit.tls), "");
        }
        if (i > 0) {
            assert_string_equal(seen, text);
        }
        memcpy(text, seen, sizeof(text));
        arena_deinit(&arena);
        visit_end(&visit);
    }
    identity_free(&identity);
    tls_context_free(context);
    return text;
}

static void a_valid_certificate_tells_its_addresses(void **state)
{
    (void)state;
    assert_string_equal(read_with(ca_path, NULL, &(struct wish){.issuer = &authority}), "");
    assert_string_equal(
        read_with(ca_path, NULL,
                  &(struct wish){.issuer = &authority, .addresses = {"juliet@example.org"}}),
        "juliet@example.org ");
    assert_string_equal(
        read_with(ca_path, NULL,
                  &(struct wish){.issuer = &authority,
                                 .addresses = {"juliet@example.org", "r\xc3\xb6meo@example.net"}}),
        "juliet@example.org r\xc3\xb6meo@example.net ");
}

static void other_names_are_no_addresses(void **state)
{
    (void)state;
    assert_string_equal(read_with(ca_path, NULL,
                                  &(struct wish){.issuer = &authority,
                                                 .oid = "1.3.6.1.5.5.7.8.7",
                                                 .addresses = {"juliet@example.org"}}),
                        "");
    assert_string_equal(read_with(ca_path, NULL,
                                  &(struct wish){.issuer = &authority,
                                                 .other_type = V_ASN1_IA5STRING,
                                                 .addresses = {"juliet@example.org"}}),
                        "");
}

static void nobody_must_have_one(void **state)
{
    (void)state;
    assert_string_equal(read_with(ca_path, NULL, NULL), "-");
    assert_string_equal(read_with(NULL, NULL, NULL), "-");
    /* not asked for, not shown */
    assert_string_equal(read_with(NULL, NULL, &(struct wish){.issuer = &authority}), "-");
}

static void what_is_wrong_with_it_is_told(void **state)
{
    (void)state;
    const struct {
        struct wish wish;
        const char *problem;
    } cases[] = {
        {{.issuer = &stranger}, "-unable to get local issuer certificate"},
        {{.issuer = NULL}, "-self-signed certificate"},
        {{.issuer = &authority, .from = -2 * HOUR, .until = -HOUR}, "-certificate has expired"},
        {{.issuer = &authority, .from = HOUR, .until = 2 * HOUR}, "-certificate is not yet valid"},
        {{.issuer = &authority, .usage = "serverAuth"}, "-unsuitable certificate purpose"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct wish wish = cases[i].wish;
        wish.addresses[0] = "juliet@example.org";
        assert_string_equal(read_with(ca_path, NULL, &wish), cases[i].problem);
    }
}

static void what_is_revoked_is_not_trusted(void **state)
{
    (void)state;
    struct wish wish = {.issuer = &authority, .addresses = {"juliet@example.org"}};
    write_crl(&authority, HOUR);
    assert_string_equal(read_with(ca_path, crl_path, &wish), "juliet@example.org ");
    wish.serial = 7;
    assert_string_equal(read_with(ca_path, crl_path, &wish), "-certificate revoked");
    assert_string_equal(read_with(ca_path, NULL, &wish), "juliet@example.org ");
    wish.serial = 8;
    write_crl(&authority, -HOUR);
    assert_string_equal(read_with(ca_path, crl_path, &wish), "-CRL has expired");
    write_crl(&stranger, HOUR);
    assert_string_equal(read_with(ca_path, crl_path, &wish), "-unable to get certificate CRL");
}

/* ---- resumption ---- */

static void a_session_with_a_certificate_is_not_resumed(void **state)
{
    (void)state;
    struct tls_context *context = context_new(ca_path, NULL);
    struct identity one = identity_new(&(struct wish){.issuer = &authority, .addresses = {"a@b"}});
    for (size_t i = 0; i < 2; i++) {
        struct visit first, again, without;
        connect_with(&first, context, versions[i], &one, NULL);
        assert_true(tls_client_is_trusted(first.tls));
        connect_with(&again, context, versions[i], &one, &first);
        assert_int_equal(SSL_session_reused(again.ssl), 0);
        assert_true(tls_client_is_trusted(again.tls));
        /* The ticket of somebody with a certificate, used without it. */
        connect_with(&without, context, versions[i], NULL, &first);
        assert_int_equal(SSL_session_reused(without.ssl), 0);
        assert_false(tls_client_is_trusted(without.tls));
        visit_end(&first);
        visit_end(&again);
        visit_end(&without);
    }
    identity_free(&one);
    tls_context_free(context);
}

static void a_session_without_one_is_resumed_as_that(void **state)
{
    (void)state;
    struct tls_context *context = context_new(ca_path, NULL);
    for (size_t i = 0; i < 2; i++) {
        struct visit first, again;
        connect_with(&first, context, versions[i], NULL, NULL);
        connect_with(&again, context, versions[i], NULL, &first);
        assert_int_equal(SSL_session_reused(again.ssl), 1);
        assert_false(tls_client_is_trusted(again.tls));
        assert_string_equal(tls_client_problem(again.tls), "");
        visit_end(&first);
        visit_end(&again);
    }
    tls_context_free(context);
}

/* Tickets outlive a reload of the files. */
static void an_authority_that_goes_takes_its_clients_along(void **state)
{
    (void)state;
    struct tls_identity server = {"a.example", chain_path, key_path, NULL};
    struct tls_options options = {.identities = &server, .identity_count = 1};
    struct identity one = identity_new(&(struct wish){.issuer = &authority, .addresses = {"a@b"}});
    char error[256];
    for (size_t i = 0; i < 2; i++) {
        struct tls_context *context = context_new(ca_path, NULL);
        struct visit first, again;
        connect_with(&first, context, versions[i], &one, NULL);
        assert_true(tls_client_is_trusted(first.tls));
        assert_int_equal(tls_context_reload(context, &options, error, sizeof(error)), 0);
        connect_with(&again, context, versions[i], &one, &first);
        assert_false(tls_client_is_trusted(again.tls));
        assert_true(tls_client_is_trusted(first.tls)); /* what is open stays */
        visit_end(&first);
        visit_end(&again);
        tls_context_free(context);
    }
    identity_free(&one);
}

static void files_that_are_none_are_told(void **state)
{
    (void)state;
    struct tls_identity identity = {"a.example", chain_path, key_path, NULL};
    struct tls_options options = {
        .identities = &identity, .identity_count = 1, .client_ca = "/nonexistent-ca.pem"};
    char error[256];
    assert_null(tls_context_new(&options, error, sizeof(error)));
    assert_non_null(strstr(error, "/nonexistent-ca.pem"));
    options.client_ca = key_path;
    assert_null(tls_context_new(&options, error, sizeof(error)));
    options.client_ca = ca_path;
    options.client_crl = ca_path;
    assert_null(tls_context_new(&options, error, sizeof(error)));
    assert_non_null(strstr(error, ca_path));
}

/* ---- all of it ---- */

static void place(char *path, size_t size, const char *name)
{
    snprintf(path, size, "%s/%s", dir, name);
}

static int make_files(void **state)
{
    (void)state;
    struct span names[1] = {SPAN("a.example")};
    char error[256];
    if (!mkdtemp(dir)) {
        return -1;
    }
    place(ca_path, sizeof(ca_path), "ca.pem");
    place(crl_path, sizeof(crl_path), "crl.pem");
    place(other_path, sizeof(other_path), "other.pem");
    place(chain_path, sizeof(chain_path), "server.pem");
    place(key_path, sizeof(key_path), "server.key");
    struct devcert_options server = {
        .cert_path = chain_path, .key_path = key_path, .names = names, .name_count = 1};
    assert_int_equal(devcert_ensure(&server, error, sizeof(error)), 0);
    authority = identity_new(&(struct wish){.is_ca = true});
    stranger = identity_new(&(struct wish){.is_ca = true});
    write_certificate(ca_path, authority.certificate);
    write_certificate(other_path, stranger.certificate);
    return 0;
}

static int remove_files(void **state)
{
    (void)state;
    char lock[140];
    snprintf(lock, sizeof(lock), "%s.lock", key_path);
    const char *paths[] = {ca_path, crl_path, other_path, chain_path, key_path, lock};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        unlink(paths[i]);
    }
    identity_free(&authority);
    identity_free(&stranger);
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_valid_certificate_tells_its_addresses),
        cmocka_unit_test(other_names_are_no_addresses),
        cmocka_unit_test(nobody_must_have_one),
        cmocka_unit_test(what_is_wrong_with_it_is_told),
        cmocka_unit_test(what_is_revoked_is_not_trusted),
        cmocka_unit_test(a_session_with_a_certificate_is_not_resumed),
        cmocka_unit_test(a_session_without_one_is_resumed_as_that),
        cmocka_unit_test(an_authority_that_goes_takes_its_clients_along),
        cmocka_unit_test(files_that_are_none_are_told),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
