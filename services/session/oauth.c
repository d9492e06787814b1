/* Files of keys, read at the start and at each reload. */
#include "oauth.h"

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"

struct domain_keys {
    char *domain;
    struct jwt_keys *keys;
};

struct oauth {
    size_t count;
    struct domain_keys domains[]; /* those that have keys */
};

static int load(struct oauth *oauth, struct span domain, const char *path, char *error,
                size_t error_size)
{
    struct jwt_keys *keys = jwt_keys_load(path, error, error_size);
    if (!keys) {
        return -1;
    }
    LOG_INFO("oauth_keys", "domain=%.*s path=%s keys=%zu", SPAN_ARG(domain), path,
             jwt_keys_count(keys));
    oauth->domains[oauth->count++] = (struct domain_keys){mem_strdup_span(domain), keys};
    return 0;
}

struct oauth *oauth_new(const struct conf *conf, char *error, size_t error_size)
{
    const struct span *domains;
    size_t count = conf_list(conf, CONF_cluster_domains, &domains);
    struct oauth *oauth = mem_calloc(1, sizeof(*oauth) + count * sizeof(oauth->domains[0]));
    for (size_t i = 0; i < count; i++) {
        const char *path = conf_str_of(conf, CONF_session_oauth_keys, domains[i]);
        if (path[0] && load(oauth, domains[i], path, error, error_size) != 0) {
            oauth_free(oauth);
            return NULL;
        }
    }
    return oauth;
}

void oauth_free(struct oauth *oauth)
{
    for (size_t i = 0; oauth && i < oauth->count; i++) {
        mem_free(oauth->domains[i].domain);
        jwt_keys_free(oauth->domains[i].keys);
    }
    mem_free(oauth);
}

const struct jwt_keys *oauth_keys(const struct oauth *oauth, struct span domain)
{
    for (size_t i = 0; i < oauth->count; i++) {
        if (span_is(domain, oauth->domains[i].domain)) {
            return oauth->domains[i].keys;
        }
    }
    return NULL;
}
