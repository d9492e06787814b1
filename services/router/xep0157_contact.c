/* XEP-0157: Contact Addresses for XMPP Services, as a data form of the server's disco#info
 * (XEP-0128). */
#include "base/log.h"
#include "conf/conf.h"
#include "own.h"
#include "router.h"
#include "xml/ns.h"

static const struct {
    const char *var;
    enum conf_id option;
} addresses[] = {
    {"abuse-addresses", CONF_contact_abuse},       {"admin-addresses", CONF_contact_admin},
    {"feedback-addresses", CONF_contact_feedback}, {"sales-addresses", CONF_contact_sales},
    {"security-addresses", CONF_contact_security}, {"status-addresses", CONF_contact_status},
    {"support-addresses", CONF_contact_support},
};

#define ADDRESSES (sizeof(addresses) / sizeof(addresses[0]))

/* RFC 3986 section 3: a scheme and something behind it. */
static bool is_uri(struct span text)
{
    size_t colon = span_find(text, ':');

    return colon > 0 && colon + 1 < text.len;
}

static void check(const struct conf *conf, struct span domain)
{
    for (size_t i = 0; i < ADDRESSES; i++) {
        const struct span *values;
        size_t count = conf_list_of(conf, addresses[i].option, domain, &values);

        for (size_t j = 0; j < count; j++) {
            if (!is_uri(values[j]))
                LOG_WARN("contact-is-no-uri", "domain=%.*s kind=%s value=%.*s", SPAN_ARG(domain),
                         addresses[i].var, SPAN_ARG(values[j]));
        }
    }
}

void xep0157_check(const struct router *router)
{
    for (size_t i = 0; i < router->domain_count; i++)
        check(router->conf, router->domains[i]);
}

static size_t keep_uris(const struct span *values, size_t count, struct arena *arena,
                        struct span **uris_out)
{
    struct span *uris = arena_calloc(arena, count + 1, sizeof(*uris));
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        if (is_uri(values[i]))
            uris[kept++] = arena_copy(arena, values[i]);
    }
    *uris_out = uris;
    return kept;
}

void xep0157_contact(const struct router *router, struct span domain, struct disco *disco)
{
    struct disco_form *form = NULL;

    for (size_t i = 0; i < ADDRESSES; i++) {
        struct disco_field field = {.var = span_cstr(addresses[i].var)};
        const struct span *values;
        size_t count = conf_list_of(router->conf, addresses[i].option, domain, &values);
        struct span *uris;

        field.value_count = keep_uris(values, count, disco->arena, &uris);
        field.values = uris;
        if (field.value_count == 0)
            continue;
        if (!form)
            form = disco_add_form(disco, SPAN(NS_SERVERINFO));
        disco_add_field(disco, form, &field);
    }
}
