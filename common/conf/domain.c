/* What is set per domain: found, resolved when everything is read, looked up. */
#include "conf/conf_internal.h"

#include "base/arena.h"
#include "base/assert.h"
#include "base/mem.h"
#include "jid/jid.h"

#include <stdlib.h>

/* ---- while reading ---- */
struct conf_setting *conf_setting_find(struct conf *conf, enum conf_id id, struct span domain)
{
    for (size_t i = 0; i < conf->setting_count; i++) {
        struct conf_setting *setting = &conf->settings[i];
        if (setting->id == id && span_eq(span_cstr(setting->domain), domain)) {
            return setting;
        }
    }
    return NULL;
}

struct conf_setting *conf_setting_add(struct conf *conf, enum conf_id id, const char *place,
                                      struct span domain)
{
    size_t count = conf->setting_count + 1;
    struct conf_setting *setting;

    conf->settings = mem_realloc_array(conf->settings, count, sizeof(*conf->settings));
    conf->setting_count = count;
    setting = &conf->settings[count - 1];
    *setting = (struct conf_setting){
        .id = id, .place = mem_strdup(place), .domain = mem_strdup_span(domain)};
    return setting;
}

static void setting_deinit(struct conf_setting *setting)
{
    mem_free(setting->place);
    mem_free(setting->domain);
    conf_value_deinit(&setting->value);
}

void conf_settings_free(struct conf *conf)
{
    for (size_t i = 0; i < conf->setting_count; i++) {
        setting_deinit(&conf->settings[i]);
    }
    mem_free(conf->settings);
}

/* ---- resolving ---- */
static void say_domains(struct conf_reader *reader)
{
    const struct span *domains;
    size_t count = conf_list(reader->conf, CONF_cluster_domains, &domains);

    buf_append_cstr(reader->error, "; allowed, by cluster.domains: ");
    for (size_t i = 0; i < count; i++) {
        buf_printf(reader->error, "%s%.*s", i > 0 ? ", " : "", SPAN_ARG(domains[i]));
    }
    buf_append_cstr(reader->error, "\n");
    reader->has_failed = true;
}

/* A domain as environment names spell it: capitals, and _ for what is no letter or digit. The bytes
 * behind the first of a UTF-8 character count as nothing. */
static bool is_spelled(struct span domain, const char *spelled)
{
    for (size_t i = 0; i < domain.len; i++) {
        unsigned char c = (unsigned char)domain.data[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        char want = (char)(!is_letter ? '_' : c >= 'a' ? c - 'a' + 'A' : c);

        if ((c & 0xC0) == 0x80) {
            continue;
        }
        if (*spelled++ != want) {
            return false;
        }
    }
    return *spelled == '\0';
}

static bool is_meant(const struct conf_setting *setting, struct span domain)
{
    return setting->is_from_env ? is_spelled(domain, setting->domain)
                                : span_eq(domain, span_cstr(setting->domain));
}

static void resolve(struct conf_reader *reader, struct conf_setting *setting)
{
    const struct conf_option *option = &conf_options[setting->id];
    const struct span *domains;
    size_t count = conf_list(reader->conf, CONF_cluster_domains, &domains);
    struct span found = {0};
    unsigned matches = 0;

    for (size_t i = 0; i < count; i++) {
        if (is_meant(setting, domains[i])) {
            found = domains[i];
            matches++;
        }
    }
    if (matches != 1) {
        buf_printf(reader->error, "%s: %s.%s is set for %s, which %s", setting->place,
                   option->section, option->name, setting->domain,
                   matches == 0 ? "is no domain of this cluster"
                                : "may be several domains: set it in the file");
        say_domains(reader);
        return;
    }
    mem_free(setting->domain);
    setting->domain = mem_strdup_span(found);
}

/* By option and domain; the environment's come last. */
static int compare(const void *a, const void *b)
{
    const struct conf_setting *left = a;
    const struct conf_setting *right = b;
    int order = left->id == right->id ? strcmp(left->domain, right->domain)
                                      : (left->id > right->id) - (left->id < right->id);

    return order != 0 ? order : left->is_from_env - right->is_from_env;
}

static bool is_replaced(const struct conf_setting *setting, const struct conf_setting *next)
{
    return setting->id == next->id && strcmp(setting->domain, next->domain) == 0;
}

void conf_settings_resolve(struct conf_reader *reader)
{
    struct conf *conf = reader->conf;
    size_t kept = 0;

    if (conf->values[CONF_cluster_domains].item_count == 0) {
        return; /* that is the mistake to be told */
    }
    for (size_t i = 0; i < conf->setting_count; i++) {
        resolve(reader, &conf->settings[i]);
    }
    if (reader->has_failed || conf->setting_count == 0) {
        return;
    }
    qsort(conf->settings, conf->setting_count, sizeof(*conf->settings), compare);
    for (size_t i = 0; i < conf->setting_count; i++) {
        if (i + 1 < conf->setting_count &&
            is_replaced(&conf->settings[i], &conf->settings[i + 1])) {
            setting_deinit(&conf->settings[i]);
        } else {
            conf->settings[kept++] = conf->settings[i];
        }
    }
    conf->setting_count = kept;
}

/* ---- looking up ---- */
struct wanted {
    enum conf_id id;
    struct span domain;
};

static int compare_wanted(const void *key, const void *entry)
{
    const struct wanted *wanted = key;
    const struct conf_setting *setting = entry;
    size_t len = strlen(setting->domain);
    size_t common = len < wanted->domain.len ? len : wanted->domain.len;
    int order = (wanted->id > setting->id) - (wanted->id < setting->id);

    if (order == 0 && common > 0) {
        order = memcmp(wanted->domain.data, setting->domain, common);
    }
    return order != 0 ? order : (wanted->domain.len > len) - (wanted->domain.len < len);
}

static const struct conf_setting *setting_of(const struct conf *conf, enum conf_id id,
                                             struct span domain)
{
    struct wanted wanted = {id, domain};

    ASSERT(conf_options[id].is_per_domain);
    if (conf->setting_count == 0) {
        return NULL;
    }
    return bsearch(&wanted, conf->settings, conf->setting_count, sizeof(*conf->settings),
                   compare_wanted);
}

static const struct conf_value *value_of(const struct conf *conf, enum conf_id id,
                                         struct span domain)
{
    const struct conf_setting *setting = setting_of(conf, id, domain);

    return setting != NULL ? &setting->value : &conf->values[id];
}

uint64_t conf_u64_of(const struct conf *conf, enum conf_id id, struct span domain)
{
    enum conf_type type = conf_options[id].type;

    ASSERT(type == CONF_UINT || type == CONF_DURATION || type == CONF_SIZE);
    return value_of(conf, id, domain)->number;
}

bool conf_bool_of(const struct conf *conf, enum conf_id id, struct span domain)
{
    ASSERT(conf_options[id].type == CONF_BOOL);
    return value_of(conf, id, domain)->number != 0;
}

const char *conf_str_of(const struct conf *conf, enum conf_id id, struct span domain)
{
    return value_of(conf, id, domain)->text;
}

unsigned conf_choice_of(const struct conf *conf, enum conf_id id, struct span domain)
{
    ASSERT(conf_options[id].type == CONF_ENUM);
    return (unsigned)value_of(conf, id, domain)->number;
}

size_t conf_list_of(const struct conf *conf, enum conf_id id, struct span domain,
                    const struct span **items_out)
{
    const struct conf_value *value = value_of(conf, id, domain);

    ASSERT(conf_options[id].type == CONF_LIST);
    *items_out = value->items;
    return value->item_count;
}

bool conf_is_set_of(const struct conf *conf, enum conf_id id, struct span domain)
{
    return setting_of(conf, id, domain) != NULL;
}
