/* Reading the environment: JACKDAW_SECTION_NAME, and JACKDAW_SECTION_NAME__DOMAIN for one domain. */
#include "conf/conf_internal.h"

#include "base/mem.h"

#include <ctype.h>

extern char **environ;

/* Environment names with our prefix that are no options: read by the skeleton and by scripts. */
static const char *const env_others[] = {"JACKDAW_CONFIG", "JACKDAW_INSTANCE"};

static void env_name(const struct conf_option *option, struct buf *out)
{
    buf_reset(out);
    buf_printf(out, CONF_ENV_PREFIX "%s_%s", option->section, option->name);
    for (size_t i = 0; i < out->len; i++) {
        out->data[i] = (char)toupper((unsigned char)out->data[i]);
    }
}

static int env_find(struct span name)
{
    struct buf known = {0};
    int found = -1;

    for (int i = 0; i < CONF_COUNT && found < 0; i++) {
        env_name(&conf_options[i], &known);
        if (span_eq(buf_span(&known), name)) {
            found = i;
        }
    }
    buf_deinit(&known);
    return found;
}

static bool env_is_other(struct span name)
{
    for (size_t i = 0; i < sizeof(env_others) / sizeof(env_others[0]); i++) {
        if (span_is(name, env_others[i])) {
            return true;
        }
    }
    return false;
}

/* Where "__" parts the option from the domain; name.len when there is none. */
static size_t find_domain(struct span name)
{
    for (size_t i = 0; i + 2 < name.len; i++) {
        if (name.data[i] == '_' && name.data[i + 1] == '_') {
            return i;
        }
    }
    return name.len;
}

static void say_unknown(struct conf_reader *reader, struct span name)
{
    reader->has_failed = true;
    buf_printf(reader->error,
               "environment: unknown option %.*s; options are " CONF_ENV_PREFIX
               "SECTION_NAME, --options lists them\n",
               SPAN_ARG(name));
}

static void say_not_per_domain(struct conf_reader *reader, struct span name)
{
    reader->has_failed = true;
    buf_printf(reader->error,
               "environment: %.*s: the option cannot be set for one domain; allowed: those that "
               "--options says are per domain\n",
               SPAN_ARG(name));
}

static void set(struct conf_reader *reader, const char *name, const char *text)
{
    struct span option_name = span_head(span_cstr(name), find_domain(span_cstr(name)));
    struct span domain = span_from(span_cstr(name), option_name.len + 2);
    int id = env_find(option_name);
    struct conf_value *value;

    if (id < 0) {
        say_unknown(reader, span_cstr(name));
        return;
    }
    if (!span_is_empty(domain) && !conf_options[id].is_per_domain) {
        say_not_per_domain(reader, span_cstr(name));
        return;
    }
    value = &reader->conf->values[id];
    if (!span_is_empty(domain)) {
        struct conf_setting *setting =
            conf_setting_add(reader->conf, (enum conf_id)id, "environment", domain);
        setting->is_from_env = true;
        value = &setting->value;
    }
    if (conf_value_parse(&conf_options[id], text, value) != 0) {
        buf_printf(reader->error, "environment: %s ", name);
        conf_say_value(reader, &conf_options[id], text);
    }
    value->is_set = true;
}

void conf_read_environment(struct conf_reader *reader)
{
    for (char **entry = environ; entry != NULL && *entry != NULL; entry++) {
        struct span name = span_head(span_cstr(*entry), span_find(span_cstr(*entry), '='));
        const char *text = (*entry)[name.len] == '=' ? *entry + name.len + 1 : "";

        if (span_has_prefix(name, SPAN(CONF_ENV_PREFIX)) && !env_is_other(name)) {
            char *owned = mem_strdup_span(name);
            set(reader, owned, text);
            mem_free(owned);
        }
    }
}
