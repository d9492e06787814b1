/* Loading: defaults, then the file, then the environment; every mistake is told, not only the
 * first. */
#include "conf/conf.h"

#include "base/assert.h"
#include "base/mem.h"
#include "conf/conf_internal.h"

#include <string.h>

int conf_find(const char *section, const char *name)
{
    for (int i = 0; i < CONF_COUNT; i++) {
        if (strcmp(conf_options[i].section, section) == 0 &&
            strcmp(conf_options[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

void conf_say_value(struct conf_reader *reader, const struct conf_option *option, const char *text)
{
    reader->has_failed = true;
    buf_printf(reader->error, "cannot be \"%s\"; allowed: ", text);
    conf_write_allowed(option, reader->error);
    buf_append_cstr(reader->error, "\n");
}

/* ---- load ---- */
struct conf *conf_load(const char *path, struct buf *error)
{
    struct conf *conf = mem_calloc(1, sizeof(*conf));
    struct conf_reader reader = {.conf = conf, .path = path, .error = error};

    for (size_t i = 0; i < CONF_COUNT; i++) {
        int fallback =
            conf_value_parse(&conf_options[i], conf_options[i].fallback, &conf->values[i]);
        ASSERT(fallback == 0);
    }
    if (path != NULL) {
        conf_read_file(&reader);
    }
    conf_read_environment(&reader);
    conf_settings_resolve(&reader);
    if (reader.has_failed) {
        conf_free(conf);
        return NULL;
    }
    return conf;
}

void conf_free(struct conf *conf)
{
    if (conf == NULL) {
        return;
    }
    for (size_t i = 0; i < CONF_COUNT; i++) {
        conf_value_deinit(&conf->values[i]);
    }
    conf_settings_free(conf);
    mem_free(conf);
}

/* ---- values ---- */
uint64_t conf_u64(const struct conf *conf, enum conf_id id)
{
    enum conf_type type = conf_options[id].type;

    ASSERT(type == CONF_UINT || type == CONF_DURATION || type == CONF_SIZE);
    return conf->values[id].number;
}

bool conf_bool(const struct conf *conf, enum conf_id id)
{
    ASSERT(conf_options[id].type == CONF_BOOL);
    return conf->values[id].number != 0;
}

const char *conf_str(const struct conf *conf, enum conf_id id)
{
    return conf->values[id].text;
}

unsigned conf_choice(const struct conf *conf, enum conf_id id)
{
    ASSERT(conf_options[id].type == CONF_ENUM);
    return (unsigned)conf->values[id].number;
}

size_t conf_list(const struct conf *conf, enum conf_id id, const struct span **items_out)
{
    ASSERT(conf_options[id].type == CONF_LIST || conf_options[id].type == CONF_DOMAINS);
    *items_out = conf->values[id].items;
    return conf->values[id].item_count;
}

bool conf_is_set(const struct conf *conf, enum conf_id id)
{
    return conf->values[id].is_set;
}
