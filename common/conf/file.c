/* Reading the file: [section] and name = value, [section domain] for what holds for one domain. */
#include "conf/conf_internal.h"

#include "base/arena.h"
#include "base/mem.h"
#include "jid/jid.h"

#include <errno.h>
#include <ini.h>
#include <string.h>

/* "[section domain]" in its two parts; `domain` is empty where the section has none. */
struct heading {
    char *section;
    struct span domain; /* points into whole */
    char *whole;
};

static void heading_init(struct heading *heading, const char *text)
{
    size_t len = strcspn(text, " \t");

    heading->whole = mem_strdup(text);
    heading->section = mem_strdup_span(span_head(span_cstr(text), len));
    heading->domain = span_trim(span_from(span_cstr(heading->whole), len));
}

static void heading_deinit(struct heading *heading)
{
    mem_free(heading->section);
    mem_free(heading->whole);
}

/* ---- mistakes ---- */
static void say_place(struct conf_reader *reader)
{
    reader->has_failed = true;
    buf_printf(reader->error, "%s:%d: ", reader->path, reader->line);
}

static void list_names(const char *section, bool per_domain, struct buf *out)
{
    const char *separator = "";

    for (size_t i = 0; i < CONF_COUNT; i++) {
        const struct conf_option *o = &conf_options[i];
        if (per_domain && !o->is_per_domain) {
            continue;
        }
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

    say_place(reader);
    if (is_section_known) {
        buf_printf(reader->error, "unknown option %s in [%s]; there are: ", name, section);
        list_names(section, false, reader->error);
    } else {
        buf_printf(reader->error, "unknown section [%s]; there are: ", section);
        list_names(NULL, false, reader->error);
    }
    buf_append_cstr(reader->error, "\n");
}

static void say_not_per_domain(struct conf_reader *reader, const struct heading *heading,
                               const char *name)
{
    say_place(reader);
    buf_printf(reader->error,
               "%s.%s cannot be set for one domain; allowed in [%s]: ", heading->section, name,
               heading->whole);
    if (conf_has_domain_options(heading->section)) {
        list_names(heading->section, true, reader->error);
    } else {
        buf_append_cstr(reader->error, "nothing");
    }
    buf_append_cstr(reader->error, "\n");
}

static void say_at(struct conf_reader *reader, const struct conf_option *option,
                   const char *mistake)
{
    say_place(reader);
    buf_printf(reader->error, "%s.%s %s\n", option->section, option->name, mistake);
}

/* ---- options ---- */
static void set_value(struct conf_reader *reader, int id, const char *text,
                      struct conf_value *value)
{
    const struct conf_option *option = &conf_options[id];

    if (conf_value_parse(option, text, value) != 0) {
        say_place(reader);
        buf_printf(reader->error, "%s.%s ", option->section, option->name);
        conf_say_value(reader, option, text);
    }
    value->is_set = true;
}

/* A list may go on in indented lines; the parser reports each as the option again. */
static void continue_list(struct conf_reader *reader, int id, const char *text,
                          struct conf_value *value)
{
    struct buf whole = {0};

    buf_printf(&whole, "%s %s", value->text, text);
    set_value(reader, id, buf_cstr(&whole), value);
    buf_deinit(&whole);
}

static bool is_list(const struct conf_option *option)
{
    return option->type == CONF_LIST || option->type == CONF_DOMAINS;
}

static void take_value(struct conf_reader *reader, int id, const char *text,
                       struct conf_value *value)
{
    if (!value->is_set) {
        set_value(reader, id, text, value);
    } else if (!reader->is_continuation) {
        say_at(reader, &conf_options[id], "is set a second time; allowed: once");
    } else if (!is_list(&conf_options[id])) {
        say_at(reader, &conf_options[id], "goes on in an indented line; allowed: lists only");
    } else {
        continue_list(reader, id, text, value);
    }
}

/* The value of `id` for the domain, which is made when it is met first. */
static struct conf_value *domain_value(struct conf_reader *reader, int id, struct span domain)
{
    struct conf_setting *setting = conf_setting_find(reader->conf, (enum conf_id)id, domain);

    if (setting == NULL) {
        struct buf place = {0};
        buf_printf(&place, "%s:%d", reader->path, reader->line);
        setting = conf_setting_add(reader->conf, (enum conf_id)id, buf_cstr(&place), domain);
        buf_deinit(&place);
    }
    return &setting->value;
}

static void take_domain_option(struct conf_reader *reader, const struct heading *heading, int id,
                               const char *text)
{
    const struct conf_option *option = &conf_options[id];
    struct arena arena = {0};
    struct span domain;

    if (!option->is_per_domain) {
        say_not_per_domain(reader, heading, option->name);
    } else if (jid_normalise_domain(heading->domain, &arena, &domain) != 0) {
        say_place(reader);
        buf_printf(reader->error, "[%s] names no valid domain; allowed: [%s example.org]\n",
                   heading->whole, heading->section);
    } else {
        take_value(reader, id, text, domain_value(reader, id, domain));
    }
    arena_deinit(&arena);
}

/* The parser cuts long names of sections: the line was kept. */
static const char *whole_section(struct conf_reader *reader, const char *cut)
{
    const char *whole = buf_cstr(&reader->section);

    return strncmp(whole, cut, strlen(cut)) == 0 ? whole : cut;
}

static int on_option(void *arg, const char *section, const char *name, const char *text)
{
    struct conf_reader *reader = arg;
    struct heading heading;
    int id;

    heading_init(&heading, whole_section(reader, section));
    id = conf_find(heading.section, name);
    if (id < 0) {
        say_unknown(reader, heading.section, name);
    } else if (!span_is_empty(heading.domain)) {
        take_domain_option(reader, &heading, id, text);
    } else {
        take_value(reader, id, text, &reader->conf->values[id]);
    }
    heading_deinit(&heading);
    return 1;
}

/* ---- lines ---- */
/* The parser would take a line that is longer than its buffer for two. */
static void skip_rest_of_line(struct conf_reader *reader, int size)
{
    int c;

    say_place(reader);
    buf_printf(reader->error,
               "line too long; allowed: %d bytes, a list may go on in indented lines\n", size - 2);
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
    if (text[0] == '[') {
        buf_reset(&reader->section);
        buf_append_span(&reader->section, span_of(text + 1, strcspn(text + 1, "]\n")));
    }
    if (strlen(text) == (size_t)size - 1 && text[size - 2] != '\n') {
        skip_rest_of_line(reader, size);
    }
    return text;
}

void conf_read_file(struct conf_reader *reader)
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
    buf_deinit(&reader->section);
}
