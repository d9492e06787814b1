/* Loading: defaults, then the file, then the environment; every mistake is told, not only the
 * first. */
#include "conf/conf.h"

#include "base/assert.h"
#include "base/mem.h"
#include "conf/conf_internal.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENV_PREFIX "JACKDAW_"

extern char **environ;

struct conf {
    struct conf_value values[CONF_COUNT];
};

/* A load under way. */
struct conf_reader {
    struct conf *conf;
    const char *path;
    FILE *file;
    int line;
    bool is_continuation; /* the line is indented: it goes on with the option before */
    struct buf *error;
    bool has_failed;
};

/* Environment names with our prefix that are no options: read by the skeleton and by scripts. */
static const char *const env_others[] = {"JACKDAW_CONFIG", "JACKDAW_INSTANCE"};

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

/* ---- mistakes ---- */
static void list_names(const char *section, struct buf *out)
{
    const char *separator = "";

    for (size_t i = 0; i < CONF_COUNT; i++) {
        const struct conf_option *o = &conf_options[i];
        if (section == NULL ? conf_opens_section(i) : strcmp(o->section, section) == 0) {
            buf_printf(out, "%s%s", separator, section == NULL ? o->section : o->name);
            separator = ", ";
        }
    }
}

static bool has_section(const char *section)
{
    for (size_t i = 0; i < CONF_COUNT; i++) {
        if (strcmp(conf_options[i].section, section) == 0) {
            return true;
        }
    }
    return false;
}

static void say_unknown(struct conf_reader *reader, const char *section, const char *name)
{
    bool is_section_known = has_section(section);

    reader->has_failed = true;
    if (is_section_known) {
        buf_printf(reader->error, "%s:%d: unknown option %s in [%s]; there are: ", reader->path,
                   reader->line, name, section);
        list_names(section, reader->error);
    } else {
        buf_printf(reader->error, "%s:%d: unknown section [%s]; there are: ", reader->path,
                   reader->line, section);
        list_names(NULL, reader->error);
    }
    buf_append_cstr(reader->error, "\n");
}

/* ---- the file ---- */
static void say_at(struct conf_reader *reader, const char *section, const char *name,
                   const char *mistake)
{
    reader->has_failed = true;
    buf_printf(reader->error, "%s:%d: %s.%s %s\n", reader->path, reader->line, section, name,
               mistake);
}

static void set_from_file(struct conf_reader *reader, int id, const char *text)
{
    const struct conf_option *option = &conf_options[id];
    struct conf_value *value = &reader->conf->values[id];

    if (conf_value_parse(option, text, value) != 0) {
        reader->has_failed = true;
        buf_printf(reader->error, "%s:%d: %s.%s cannot be \"%s\"; allowed: ", reader->path,
                   reader->line, option->section, option->name, text);
        conf_write_allowed(option, reader->error);
        buf_append_cstr(reader->error, "\n");
    }
    value->is_set = true;
}

/* A list may go on in indented lines; the parser reports each as the option again. */
static void continue_list(struct conf_reader *reader, int id, const char *text)
{
    struct buf whole = {0};

    buf_printf(&whole, "%s %s", reader->conf->values[id].text, text);
    set_from_file(reader, id, buf_cstr(&whole));
    buf_deinit(&whole);
}

static int on_option(void *arg, const char *section, const char *name, const char *text)
{
    struct conf_reader *reader = arg;
    int id = conf_find(section, name);

    if (id < 0) {
        say_unknown(reader, section, name);
    } else if (!reader->conf->values[id].is_set) {
        set_from_file(reader, id, text);
    } else if (!reader->is_continuation) {
        say_at(reader, section, name, "is set a second time; allowed: once");
    } else if (conf_options[id].type != CONF_LIST) {
        say_at(reader, section, name, "goes on in an indented line; allowed: lists only");
    } else {
        continue_list(reader, id, text);
    }
    return 1;
}

/* The parser would take a line that is longer than its buffer for two. */
static void skip_rest_of_line(struct conf_reader *reader, int size)
{
    int c;

    reader->has_failed = true;
    buf_printf(reader->error,
               "%s:%d: line too long; allowed: %d bytes, a list may go on in indented lines\n",
               reader->path, reader->line, size - 2);
    do {
        c = fgetc(reader->file);
    } while (c != EOF && c != '\n');
}

static char *read_line(char *text, int size, void *arg)
{
    struct conf_reader *reader = arg;

    reader->line++;
    if (fgets(text, size, reader->file) == NULL) {
        return NULL;
    }
    reader->is_continuation = text[0] == ' ' || text[0] == '\t';
    if (strlen(text) == (size_t)size - 1 && text[size - 2] != '\n') {
        skip_rest_of_line(reader, size);
    }
    return text;
}

static void read_file(struct conf_reader *reader)
{
    int bad_line;

    reader->file = fopen(reader->path, "re");
    if (reader->file == NULL) {
        reader->has_failed = true;
        buf_printf(reader->error, "%s: cannot be read: %s\n", reader->path, strerror(errno));
        return;
    }
    bad_line = ini_parse_stream(read_line, reader, on_option, reader);
    if (bad_line > 0) {
        reader->has_failed = true;
        buf_printf(reader->error, "%s:%d: neither [section] nor name = value\n", reader->path,
                   bad_line);
    }
    (void)fclose(reader->file);
}

/* ---- the environment ---- */
static void env_name(const struct conf_option *option, struct buf *out)
{
    buf_reset(out);
    buf_printf(out, ENV_PREFIX "%s_%s", option->section, option->name);
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

static void read_env_entry(struct conf_reader *reader, const char *entry)
{
    struct span name = span_head(span_cstr(entry), span_find(span_cstr(entry), '='));
    const char *text = entry[name.len] == '=' ? entry + name.len + 1 : "";
    int id = env_find(name);

    if (id < 0) {
        if (!env_is_other(name)) {
            reader->has_failed = true;
            buf_printf(reader->error,
                       "environment: unknown option %.*s; options are " ENV_PREFIX
                       "SECTION_NAME, --options lists them\n",
                       SPAN_ARG(name));
        }
        return;
    }
    if (conf_value_parse(&conf_options[id], text, &reader->conf->values[id]) != 0) {
        reader->has_failed = true;
        buf_printf(reader->error, "environment: %.*s cannot be \"%s\"; allowed: ", SPAN_ARG(name),
                   text);
        conf_write_allowed(&conf_options[id], reader->error);
        buf_append_cstr(reader->error, "\n");
    }
    reader->conf->values[id].is_set = true;
}

static void read_environment(struct conf_reader *reader)
{
    for (char **entry = environ; entry != NULL && *entry != NULL; entry++) {
        if (span_has_prefix(span_cstr(*entry), SPAN(ENV_PREFIX))) {
            read_env_entry(reader, *entry);
        }
    }
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
        read_file(&reader);
    }
    read_environment(&reader);
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
    ASSERT(conf_options[id].type == CONF_LIST);
    *items_out = conf->values[id].items;
    return conf->values[id].item_count;
}

bool conf_is_set(const struct conf *conf, enum conf_id id)
{
    return conf->values[id].is_set;
}
