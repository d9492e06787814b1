/* The TLS engine against OpenSSL's own client, over memory: handshake, data in pieces of any size,
 * SNI, ALPN, goodbye, reload, channel bindings, and what must be refused. */
#include "crypt/tls.h"

#include "base/arena.h"
#include "crypt/devcert.h"
#include "crypt/tls_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

static char dir[] = "/tmp/jackdaw-tls-XXXXXX";

struct side {
    SSL_CTX *context;
    SSL *ssl;
    BIO *in;
    BIO *out;
};

static struct tls_identity identity_of(const char *domain, char *chain, char *key, size_t size)
{
    struct span names[1] = {span_cstr(domain)};
    char error[256];
    snprintf(chain, size, "%s/%s.crt", dir, domain);
    snprintf(key, size, "%s/%s.key", dir, domain);
    struct devcert_options options = {
        .cert_path = chain, .key_path = key, .names = names, .name_count = 1};
    assert_int_equal(devcert_ensure(&options, error, sizeof(error)), 0);
    return (struct tls_identity){.domain = domain, .chain = chain, .key = key};
}

static struct tls_context *context_new(const char *alpn)
{
    static char paths[4][128];
    struct tls_identity identities[2] = {
        identity_of("a.example", paths[0], paths[1], sizeof(paths[0])),
        identity_of("b.example", paths[2], paths[3], sizeof(paths[0]))};
    struct tls_options options = {.identities = identities, .identity_count = 2, .alpn = alpn};
    char error[256];
    struct tls_context *context = tls_context_new(&options, error, sizeof(error));
    assert_non_null(context);
    return context;
}

static struct side client_new(const char *sni, const char *alpn, int max_version)
{
    struct side client = {.context = SSL_CTX_new(TLS_client_method())};
    SSL_CTX_set_max_proto_version(client.context, max_version);
    client.ssl = SSL_new(client.context);
    client.in = BIO_new(BIO_s_mem());
    client.out = BIO_new(BIO_s_mem());
    SSL_set_bio(client.ssl, client.in, client.out);
    SSL_set_connect_state(client.ssl);
    if (sni != NULL) {
        SSL_set_tlsext_host_name(client.ssl, sni);
    }
    if (alpn != NULL) {
        SSL_set_alpn_protos(client.ssl, (const unsigned char *)alpn, (unsigned)strlen(alpn));
    }
    return client;
}

static void client_free(struct side *client)
{
    SSL_free(client->ssl);
    SSL_CTX_free(client->context);
}

/* Moves what the client has to say to the server, `piece` bytes at a time, and the answers back. */
static enum tls_state exchange(struct side *client, struct tls *tls, struct buf *plain, int piece)
{
    enum tls_state state = TLS_HANDSHAKING;
    struct buf out = {0};
    char bytes[4096];
    int n;
    while ((n = BIO_read(client->out, bytes, piece)) > 0) {
        state = tls_receive(tls, span_of(bytes, (size_t)n), plain, &out);
    }
    if (out.len > 0) {
        BIO_write(client->in, out.data, (int)out.len);
    }
    buf_deinit(&out);
    return state;
}

static enum tls_state handshake(struct side *client, struct tls *tls, int piece)
{
    enum tls_state state = TLS_HANDSHAKING;
    struct buf plain = {0};
    for (int i = 0; i < 10 && state == TLS_HANDSHAKING; i++) {
        (void)SSL_do_handshake(client->ssl);
        state = exchange(client, tls, &plain, piece);
    }
    (void)SSL_do_handshake(client->ssl);
    assert_int_equal(plain.len, 0);
    buf_deinit(&plain);
    return state;
}

static void send_back(struct side *client, struct tls *tls, const char *text)
{
    char got[64] = {0};
    struct buf out = {0};
    assert_int_equal(tls_send(tls, span_cstr(text), &out), 0);
    BIO_write(client->in, out.data, (int)out.len);
    assert_int_equal(SSL_read(client->ssl, got, sizeof(got) - 1), (int)strlen(text));
    assert_string_equal(got, text);
    buf_deinit(&out);
}

static void moves_data_both_ways(int max_version, int piece)
{
    struct tls_context *context = context_new("xmpp-client");
    struct tls *tls = tls_new(context);
    struct side client = client_new("a.example", "\x0bxmpp-client", max_version);
    struct buf plain = {0};
    assert_int_equal(handshake(&client, tls, piece), TLS_OPEN);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(SSL_write(client.ssl, "<presence/>", 11), 11);
        assert_int_equal(exchange(&client, tls, &plain, piece), TLS_OPEN);
        send_back(&client, tls, "<message/>");
    }
    assert_true(span_is(buf_span(&plain), "<presence/><presence/><presence/>"));
    assert_true(span_is(tls_server_name(tls), "a.example"));
    buf_deinit(&plain);
    client_free(&client);
    tls_free(tls);
    tls_context_free(context);
}

static void moves_data_in_tls_1_3(void **state)
{
    (void)state;
    moves_data_both_ways(TLS1_3_VERSION, 4096);
}

static void moves_data_in_tls_1_2(void **state)
{
    (void)state;
    moves_data_both_ways(TLS1_2_VERSION, 4096);
}

static void takes_bytes_one_at_a_time(void **state)
{
    (void)state;
    moves_data_both_ways(TLS1_3_VERSION, 1);
}

static void refuses_old_versions(void **state)
{
    (void)state;
    struct tls_context *context = context_new(NULL);
    struct tls *tls = tls_new(context);
    struct side client = client_new("a.example", NULL, TLS1_1_VERSION);
    SSL_CTX_set_min_proto_version(client.context, TLS1_VERSION);
    SSL_set_security_level(client.ssl, 0);
    SSL_set_min_proto_version(client.ssl, TLS1_VERSION);
    assert_int_equal(handshake(&client, tls, 4096), TLS_FAILED);
    assert_string_not_equal(tls_failure(tls), "");
    client_free(&client);
    tls_free(tls);
    tls_context_free(context);
}

static void refuses_what_is_not_tls(void **state)
{
    (void)state;
    struct tls_context *context = context_new(NULL);
    struct tls *tls = tls_new(context);
    struct buf plain = {0}, out = {0};
    assert_int_equal(tls_receive(tls, SPAN("<stream:stream to='a.example'>"), &plain, &out),
                     TLS_FAILED);
    assert_int_equal(plain.len, 0);
    assert_int_equal(tls_send(tls, SPAN("x"), &out), -1);
    buf_deinit(&out);
    tls_free(tls);
    tls_context_free(context);
}

static void refuses_foreign_alpn(void **state)
{
    (void)state;
    struct tls_context *context = context_new("xmpp-client");
    struct tls *tls = tls_new(context);
    struct side client = client_new("a.example", "\x08http/1.1", TLS1_3_VERSION);
    assert_int_equal(handshake(&client, tls, 4096), TLS_FAILED);
    client_free(&client);
    tls_free(tls);
    tls_context_free(context);
}

static void shown_name(const char *sni, const char *expected)
{
    char name[128] = "";
    struct tls_context *context = context_new(NULL);
    struct tls *tls = tls_new(context);
    struct side client = client_new(sni, NULL, TLS1_3_VERSION);
    assert_int_equal(handshake(&client, tls, 4096), TLS_OPEN);
    X509 *certificate = SSL_get1_peer_certificate(client.ssl);
    assert_non_null(certificate);
    X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name,
                              sizeof(name));
    assert_string_equal(name, expected);
    X509_free(certificate);
    client_free(&client);
    tls_free(tls);
    tls_context_free(context);
}

static void chooses_the_certificate_by_sni(void **state)
{
    (void)state;
    shown_name("a.example", "a.example");
    shown_name("B.example", "b.example");
    shown_name("unknown.example", "a.example");
}

static void says_goodbye(void **state)
{
    (void)state;
    struct tls_context *context = context_new(NULL);
    struct tls *tls = tls_new(context);
    struct side client = client_new("a.example", NULL, TLS1_3_VERSION);
    struct buf plain = {0}, out = {0};
    assert_int_equal(handshake(&client, tls, 4096), TLS_OPEN);
    SSL_shutdown(client.ssl);
    assert_int_equal(exchange(&client, tls, &plain, 4096), TLS_ENDED);
    tls_finish(tls, &out);
    assert_true(out.len > 0);
    buf_deinit(&out);
    buf_deinit(&plain);
    client_free(&client);
    tls_free(tls);
    tls_context_free(context);
}

static void both_ends_agree_on_the_binding(void **state)
{
    (void)state;
    struct tls_context *context = context_new(NULL);
    struct tls *tls = tls_new(context);
    struct side client = client_new("a.example", NULL, TLS1_3_VERSION);
    unsigned char ours[64], theirs[64];
    unsigned len = sizeof(theirs);
    assert_int_equal(tls_exporter(tls, ours, sizeof(ours)), 0);
    assert_int_equal(tls_unique(tls, ours, sizeof(ours)), 0);
    assert_int_equal(handshake(&client, tls, 4096), TLS_OPEN);
    assert_int_equal(tls_exporter(tls, ours, sizeof(ours)), 32);
    assert_int_equal(SSL_export_keying_material(client.ssl, theirs, 32, "EXPORTER-Channel-Binding",
                                                24, NULL, 0, 1),
                     1);
    assert_memory_equal(ours, theirs, 32);
    size_t finished = SSL_get_finished(client.ssl, theirs, sizeof(theirs));
    assert_int_equal(tls_unique(tls, ours, sizeof(ours)), finished);
    assert_memory_equal(ours, theirs, finished);
    assert_int_equal(tls_unique(tls, ours, finished - 1), 0);
    X509 *certificate = SSL_get1_peer_certificate(client.ssl);
    assert_int_equal(X509_digest(certificate, EVP_sha256(), theirs, &len), 1);
    assert_int_equal(tls_server_end_point(tls, ours, sizeof(ours)), len);
    assert_memory_equal(ours, theirs, len);
    X509_free(certificate);
    client_free(&client);
    tls_free(tls);
    tls_context_free(context);
}

static void a_reload_leaves_open_connections_alone(void **state)
{
    (void)state;
    struct tls_context *context = context_new(NULL);
    struct tls *tls = tls_new(context);
    struct side client = client_new("a.example", NULL, TLS1_3_VERSION);
    struct tls_identity missing = {"a.example", "/nonexistent.crt", "/nonexistent.key", NULL};
    struct tls_options options = {.identities = &missing, .identity_count = 1};
    char error[256], chain[128], key[128];
    assert_int_equal(handshake(&client, tls, 4096), TLS_OPEN);
    assert_int_equal(tls_context_reload(context, &options, error, sizeof(error)), -1);
    assert_non_null(strstr(error, "/nonexistent.crt"));
    struct tls_identity fresh = identity_of("c.example", chain, key, sizeof(chain));
    options.identities = &fresh;
    assert_int_equal(tls_context_reload(context, &options, error, sizeof(error)), 0);
    send_back(&client, tls, "still here");
    client_free(&client);
    tls_free(tls);
    tls_context_free(context);
}

static void common_name(SSL *ssl, char *out, int size)
{
    X509 *certificate = SSL_get1_peer_certificate(ssl);
    assert_non_null(certificate);
    X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, out, size);
    X509_free(certificate);
}

static void the_domain_said_before_tls_counts_where_there_is_no_sni(void **state)
{
    (void)state;
    static const struct {
        const char *sni, *said, *shown;
    } cases[] = {
        {NULL, "b.example", "b.example"},
        {NULL, "unknown.example", "a.example"},
        {"a.example", "b.example", "a.example"},
        {NULL, NULL, "a.example"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char name[128] = "";
        struct tls_context *context = context_new(NULL);
        struct tls *tls = tls_new(context);
        struct side client = client_new(cases[i].sni, NULL, TLS1_3_VERSION);
        if (cases[i].said)
            tls_prefer(tls, span_cstr(cases[i].said));
        assert_int_equal(handshake(&client, tls, 4096), TLS_OPEN);
        common_name(client.ssl, name, sizeof(name));
        assert_string_equal(name, cases[i].shown);
        client_free(&client);
        tls_free(tls);
        tls_context_free(context);
    }
}

/* A web server's name, say, which is no domain of XMPP but in the domain's certificate. */
static void an_unknown_name_gets_the_certificate_that_holds_for_it(void **state)
{
    (void)state;
    char paths[4][128], error[256];
    struct tls_identity identities[2] = {
        identity_of("a.example", paths[0], paths[1], sizeof(paths[0])),
        identity_of("b.example", paths[2], paths[3], sizeof(paths[0]))};
    identities[0].domain = "";
    identities[1].domain = "other.example";
    struct tls_options options = {.identities = identities, .identity_count = 2};
    struct tls_context *context = tls_context_new(&options, error, sizeof(error));
    assert_non_null(context);
    struct tls *tls = tls_new(context);
    struct side client = client_new("b.example", NULL, TLS1_3_VERSION);
    char name[128] = "";
    assert_int_equal(handshake(&client, tls, 4096), TLS_OPEN);
    common_name(client.ssl, name, sizeof(name));
    assert_string_equal(name, "b.example");
    client_free(&client);
    tls_free(tls);
    tls_context_free(context);
}

/* ---- tickets ---- */

static SSL_SESSION *ticket;

static int keep_ticket(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    SSL_SESSION_free(ticket);
    ticket = session;
    return 1;
}

/* Connects with the ticket there is, takes a new one: whether the session was resumed. */
static bool resumes(struct tls_context *context, int version)
{
    struct tls *tls = tls_new(context);
    struct side client = client_new("b.example", NULL, version);
    char got[8];
    SSL_CTX_set_session_cache_mode(client.context,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(client.context, keep_ticket);
    if (ticket)
        assert_int_equal(SSL_set_session(client.ssl, ticket), 1);
    assert_int_equal(handshake(&client, tls, 4096), TLS_OPEN);
    (void)SSL_read(client.ssl, got, sizeof(got)); /* the ticket comes behind the handshake */
    if (version == TLS1_2_VERSION)                /* of a resumed session no callback tells */
        (void)keep_ticket(client.ssl, SSL_get1_session(client.ssl));
    bool is_reused = SSL_session_reused(client.ssl) == 1;
    SSL_shutdown(client.ssl);
    client_free(&client);
    tls_free(tls);
    return is_reused;
}

static void tickets_work_until_their_key_is_two_old(int version)
{
    struct tls_context *context = context_new(NULL);
    char paths[2][128], error[256];
    struct tls_identity identity = identity_of("b.example", paths[0], paths[1], sizeof(paths[0]));
    struct tls_options options = {.identities = &identity, .identity_count = 1};
    assert_false(resumes(context, version));
    assert_non_null(ticket);
    assert_true(resumes(context, version));
    assert_int_equal(tls_context_reload(context, &options, error, sizeof(error)), 0);
    assert_true(resumes(context, version)); /* a reload keeps the keys */
    tls_tickets_rotate(context->tickets);
    assert_true(resumes(context, version)); /* and takes a ticket of the new key */
    tls_tickets_rotate(context->tickets);
    assert_true(resumes(context, version));
    tls_tickets_rotate(context->tickets);
    tls_tickets_rotate(context->tickets);
    assert_false(resumes(context, version));
    struct tls_context *other = context_new(NULL);
    assert_false(resumes(other, version)); /* another process has other keys */
    tls_context_free(other);
    tls_context_free(context);
    SSL_SESSION_free(ticket);
    ticket = NULL;
}

static void tickets_work_in_tls_1_2(void **state)
{
    (void)state;
    tickets_work_until_their_key_is_two_old(TLS1_2_VERSION);
}

static void tickets_work_in_tls_1_3(void **state)
{
    (void)state;
    tickets_work_until_their_key_is_two_old(TLS1_3_VERSION);
}

/* ---- another library's listener ---- */

/* One connection to `lent`: the common name it shows for `sni`. */
static void lent_name(SSL_CTX *lent, const char *sni, char *name, int size)
{
    struct side client = client_new(sni, "\x08http/1.1", TLS1_3_VERSION);
    SSL *server = SSL_new(lent);
    const unsigned char *alpn;
    unsigned alpn_len = 0;
    SSL_set_bio(server, client.out, client.in);
    BIO_up_ref(client.in);
    BIO_up_ref(client.out);
    SSL_set_accept_state(server);
    for (int i = 0; i < 4; i++) {
        (void)SSL_do_handshake(client.ssl);
        (void)SSL_do_handshake(server);
    }
    assert_true(SSL_is_init_finished(server));
    common_name(client.ssl, name, size);
    SSL_get0_alpn_selected(client.ssl, &alpn, &alpn_len);
    assert_int_equal(alpn_len, 8);
    SSL_free(server);
    client_free(&client);
}

static void a_lent_listener_chooses_and_reloads_too(void **state)
{
    (void)state;
    struct tls_context *context = context_new("http/1.1");
    SSL_CTX *lent = SSL_CTX_new(TLS_server_method());
    char name[128] = "", paths[2][128], error[256];
    tls_context_lend(context, lent);
    lent_name(lent, "b.example", name, sizeof(name));
    assert_string_equal(name, "b.example");
    lent_name(lent, NULL, name, sizeof(name));
    assert_string_equal(name, "a.example");
    struct tls_identity fresh = identity_of("c.example", paths[0], paths[1], sizeof(paths[0]));
    struct tls_options options = {.identities = &fresh, .identity_count = 1, .alpn = "http/1.1"};
    assert_int_equal(tls_context_reload(context, &options, error, sizeof(error)), 0);
    lent_name(lent, "b.example", name, sizeof(name));
    assert_string_equal(name, "c.example");
    SSL_CTX_free(lent);
    tls_context_free(context);
}

static void development_certificates_are_made_anew_for_more_names(void **state)
{
    (void)state;
    char chain[128], key[128], error[256], name[128] = "";
    (void)identity_of("c.example", chain, key, sizeof(chain));
    struct span names[3] = {SPAN("d.example"), SPAN("c.example"), SPAN("::1")};
    struct devcert_options options = {
        .cert_path = chain, .key_path = key, .names = names, .name_count = 3};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(devcert_ensure(&options, error, sizeof(error)), 0);
        FILE *file = fopen(chain, "r");
        X509 *certificate = PEM_read_X509(file, NULL, NULL, NULL);
        assert_non_null(certificate);
        X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name,
                                  sizeof(name));
        assert_string_equal(name, "d.example"); /* the second time it fits fewer names as well */
        X509_free(certificate);
        fclose(file);
        options.names = names + 1;
        options.name_count = 2;
    }
}

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) != NULL ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    const char *names[] = {"a.example", "b.example", "c.example"};
    char path[128];
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "%s/%s.crt", dir, names[i]);
        unlink(path);
        snprintf(path, sizeof(path), "%s/%s.key", dir, names[i]);
        unlink(path);
        snprintf(path, sizeof(path), "%s/%s.key.lock", dir, names[i]);
        unlink(path);
    }
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moves_data_in_tls_1_3),
        cmocka_unit_test(moves_data_in_tls_1_2),
        cmocka_unit_test(takes_bytes_one_at_a_time),
        cmocka_unit_test(refuses_old_versions),
        cmocka_unit_test(refuses_what_is_not_tls),
        cmocka_unit_test(refuses_foreign_alpn),
        cmocka_unit_test(chooses_the_certificate_by_sni),
        cmocka_unit_test(says_goodbye),
        cmocka_unit_test(both_ends_agree_on_the_binding),
        cmocka_unit_test(a_reload_leaves_open_connections_alone),
        cmocka_unit_test(the_domain_said_before_tls_counts_where_there_is_no_sni),
        cmocka_unit_test(an_unknown_name_gets_the_certificate_that_holds_for_it),
        cmocka_unit_test(tickets_work_in_tls_1_2),
        cmocka_unit_test(tickets_work_in_tls_1_3),
        cmocka_unit_test(a_lent_listener_chooses_and_reloads_too),
        cmocka_unit_test(development_certificates_are_made_anew_for_more_names),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
