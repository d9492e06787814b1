/* What holds for the streams of one domain. */
#include "stream/domain_internal.h"

#include "conf/conf.h"

void stream_domain_load(const struct conf *conf, struct span name, struct stream_domain *domain_out)
{
    *domain_out = (struct stream_domain){
        .name = name,
        .registration = conf_bool_of(conf, CONF_session_registration, name),
        .plain_without_tls = conf_bool_of(conf, CONF_stream_plain_without_tls, name),
        .scram_sha512 = conf_bool_of(conf, CONF_stream_scram_sha512, name),
        .anonymous = conf_bool_of(conf, CONF_session_anonymous, name),
        .oauth = conf_str_of(conf, CONF_session_oauth_keys, name)[0] != '\0',
        .sasl2_without_tls = conf_bool_of(conf, CONF_stream_sasl2_without_tls, name),
        .fast = conf_bool_of(conf, CONF_stream_fast, name),
        .require_tls = conf_bool_of(conf, CONF_c2s_require_tls, name),
    };
}

const struct stream_domain *stream_host_domain(const struct stream_host *host, struct span name)
{
    for (size_t i = 0; i < host->options.domain_count; i++)
        if (span_eq(host->domains[i].name, name))
            return &host->domains[i];
    return NULL;
}

const struct stream_domain *stream_domain(const struct stream *stream)
{
    static const struct stream_domain none = {.require_tls = true};
    const char *name = stream->login ? stream->login->domain : NULL;
    const struct stream_domain *domain =
        name ? stream_host_domain(stream->host, span_cstr(name)) : NULL;
    return domain ? domain : &none;
}
