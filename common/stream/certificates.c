/* Section tls as the identities of a TLS context. */
#include "stream/certificates.h"

#include "base/arena.h"
#include "base/log.h"
#include "conf/conf.h"
#include "crypt/devcert.h"
#include "jid/jid.h"

#define CERTIFICATES_ERROR 256

/* A gathering under way; everything it makes is in the arena. */
struct gathering {
    const struct daemon *d;
    struct arena arena;
    struct tls_identity *identities;
    size_t count;
    const char *dev_chain; /* made when it is needed first; else NULL */
    const char *dev_key;
};

/* ---- the development certificate ---- */
static const char *in_run_dir(struct gathering *g, const char *file)
{
    return arena_printf(&g->arena, "%s/%s", conf_str(g->d->conf, CONF_cluster_run_dir), file).data;
}

static size_t dev_names(struct gathering *g, const struct span **names_out)
{
    static const char *const own_names[] = {"localhost", "127.0.0.1", "::1"};
    const size_t own_count = sizeof(own_names) / sizeof(own_names[0]);
    const struct span *domains;
    size_t domain_count = conf_list(g->d->conf, CONF_cluster_domains, &domains);
    struct span *names = arena_calloc(&g->arena, domain_count + own_count, sizeof(*names));
    size_t count = 0;

    for (size_t i = 0; i < domain_count; i++) {
        if (jid_domain_to_ascii(domains[i], &g->arena, &names[count]) == 0) {
            count++;
        }
    }
    for (size_t i = 0; i < own_count; i++) {
        names[count++] = span_cstr(own_names[i]);
    }
    *names_out = names;
    return count;
}

static int make_development(struct gathering *g)
{
    const char *chain = in_run_dir(g, "development-cert.pem");
    const char *key = in_run_dir(g, "development-key.pem");
    struct devcert_options options = {.cert_path = chain, .key_path = key};
    char error[CERTIFICATES_ERROR];

    options.name_count = dev_names(g, &options.names);
    if (devcert_ensure(&options, error, sizeof(error)) < 0) {
        LOG_ERROR("development-certificate", "error=\"%s\" hint=\"see cluster.run_dir\"", error);
        return -1;
    }
    LOG_INFO("development-certificate", "cert=%s", chain);
    g->dev_chain = chain;
    g->dev_key = key;
    return 0;
}

/* ---- identities ---- */
static int add(struct gathering *g, struct span domain, const char *const paths[3])
{
    struct tls_identity *identity = &g->identities[g->count];
    struct span name = {0};

    /* As clients spell it in SNI. The certificate for all has no name: it is the first. */
    if (domain.len == 0 || jid_domain_to_ascii(domain, &g->arena, &name) < 0) {
        name = arena_copy(&g->arena, domain);
    }
    identity->domain = name.data;
    if (paths[0][0] == '\0') {
        if (g->dev_chain == NULL && make_development(g) < 0) {
            return -1;
        }
        identity->chain = g->dev_chain;
        identity->key = g->dev_key;
    } else {
        identity->chain = paths[0];
        identity->key = paths[1][0] != '\0' ? paths[1] : paths[0];
        identity->ocsp = paths[2][0] != '\0' ? paths[2] : NULL;
    }
    g->count++;
    return 0;
}

/* What belongs to a certificate is never taken from another's. */
static int add_domain(struct gathering *g, struct span domain)
{
    static const enum conf_id ids[3] = {CONF_tls_cert, CONF_tls_key, CONF_tls_ocsp};
    const struct conf *conf = g->d->conf;
    bool is_own = conf_is_set_of(conf, CONF_tls_cert, domain);
    const char *paths[3];

    for (size_t i = 0; i < 3; i++) {
        bool is_set = conf_is_set_of(conf, ids[i], domain);
        if (is_set && !is_own) {
            LOG_ERROR("certificate",
                      "domain=%.*s error=\"tls.key or tls.ocsp is set for it but not "
                      "tls.cert\"",
                      SPAN_ARG(domain));
            return -1;
        }
        paths[i] = is_set   ? conf_str_of(conf, ids[i], domain)
                   : is_own ? ""
                            : conf_str(conf, ids[i]);
    }
    return add(g, domain, paths);
}

static int gather(struct gathering *g, struct tls_options *options)
{
    const struct conf *conf = g->d->conf;
    const char *const for_all[3] = {conf_str(conf, CONF_tls_cert), conf_str(conf, CONF_tls_key),
                                    conf_str(conf, CONF_tls_ocsp)};
    const struct span *domains;
    size_t count = conf_list(conf, CONF_cluster_domains, &domains);

    g->identities = arena_calloc(&g->arena, count + 1, sizeof(*g->identities));
    if (for_all[0][0] != '\0' && add(g, SPAN(""), for_all) < 0) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        if (add_domain(g, domains[i]) < 0) {
            return -1;
        }
    }
    options->identities = g->identities;
    options->identity_count = g->count;
    return 0;
}

struct tls_context *certificates_open(const struct daemon *d, const struct tls_options *options)
{
    struct gathering g = {.d = d};
    struct tls_options whole = *options;
    struct tls_context *context = NULL;
    char error[CERTIFICATES_ERROR];

    if (gather(&g, &whole) == 0) {
        context = tls_context_new(&whole, error, sizeof(error));
        if (context == NULL) {
            LOG_ERROR("certificate", "error=\"%s\" hint=\"see section tls\"", error);
        }
    }
    arena_deinit(&g.arena);
    return context;
}

void certificates_reload(const struct daemon *d, const struct tls_options *options,
                         struct tls_context *context)
{
    struct gathering g = {.d = d};
    struct tls_options whole = *options;
    char error[CERTIFICATES_ERROR];

    if (gather(&g, &whole) == 0) {
        if (tls_context_reload(context, &whole, error, sizeof(error)) == 0) {
            LOG_INFO("certificates-loaded", "domains=%zu", whole.identity_count);
        } else {
            LOG_WARN("certificate-not-reloaded", "error=\"%s\"", error);
        }
    }
    arena_deinit(&g.arena);
}
