/* The table of options with types, the parsing of values, and what the parts of a load share. */
#ifndef JACKDAW_CONF_CONF_INTERNAL_H
#define JACKDAW_CONF_CONF_INTERNAL_H

#include "conf/conf.h"

#include <stdio.h>

#define CONF_ENV_PREFIX "JACKDAW_"

enum conf_type {
    CONF_BOOL,
    CONF_UINT,
    CONF_DURATION,
    CONF_SIZE,
    CONF_STRING,
    CONF_PATH,
    CONF_LIST,
    CONF_DOMAINS,
    CONF_ENUM,
};

struct conf_option {
    const char *section;
    const char *name;
    enum conf_type type;
    const char *fallback;
    bool is_bounded;
    uint64_t min;
    uint64_t max;
    const char *choices; /* ENUM: separated by single spaces */
    const char *prose;
    bool is_per_domain;
};

extern const struct conf_option conf_options[CONF_COUNT];

/* Whether option `i` is the first of its section: the table may name a section in several places.
 */
bool conf_opens_section(size_t i);
/* Whether the section has options that can be set per domain. */
bool conf_has_domain_options(const char *section);

struct conf_value {
    char *text;  /* as written; owned */
    bool is_set; /* by file or environment */
    uint64_t number;
    struct span *items; /* LIST, DOMAINS; owned */
    size_t item_count;
    char *item_bytes; /* what items point into; owned */
};

/* Parses `text` as the option's type into *value (freed before). 0, or -1 when it is not allowed.
 */
int conf_value_parse(const struct conf_option *option, const char *text, struct conf_value *value);
void conf_value_deinit(struct conf_value *value);
/* Appends what the option allows: "a number from 1 to 10". */
void conf_write_allowed(const struct conf_option *option, struct buf *out);

/* One option set for one domain. */
struct conf_setting {
    enum conf_id id;
    bool is_from_env;
    char *place;  /* for mistakes: "file:line" or "environment"; owned */
    char *domain; /* as written, normalised when the load is over; owned */
    struct conf_value value;
};

struct conf {
    struct conf_value values[CONF_COUNT];
    struct conf_setting *settings; /* by option, then domain */
    size_t setting_count;
};

/* A load under way. */
struct conf_reader {
    struct conf *conf;
    const char *path;
    FILE *file;
    int line;
    bool is_continuation; /* the line is indented: it goes on with the option before */
    struct buf section;   /* the last [section] that was not indented, whole */
    struct buf *error;
    bool has_failed;
};

/* file.c, environment.c */
void conf_read_file(struct conf_reader *reader);
void conf_read_environment(struct conf_reader *reader);

/* domain.c: what is set per domain. Domains are looked at when everything is read, for
 * cluster.domains may come last. */
/* The setting of `id` that the file has for `domain` (normalised) so far, or NULL. */
struct conf_setting *conf_setting_find(struct conf *conf, enum conf_id id, struct span domain);
/* Appends one without a value; takes nothing. */
struct conf_setting *conf_setting_add(struct conf *conf, enum conf_id id, const char *place,
                                      struct span domain);
/* Every setting finds its domain, the environment's replace the file's. */
void conf_settings_resolve(struct conf_reader *reader);
void conf_settings_free(struct conf *conf);

/* Goes on with a mistake's line: the value is not allowed, and what is. */
void conf_say_value(struct conf_reader *reader, const struct conf_option *option, const char *text);

#endif
