/* The table of options with types, and the parsing of values: shared by conf.c and its writers. */
#ifndef JACKDAW_CONF_CONF_INTERNAL_H
#define JACKDAW_CONF_CONF_INTERNAL_H

#include "conf/conf.h"

enum conf_type {
    CONF_BOOL,
    CONF_UINT,
    CONF_DURATION,
    CONF_SIZE,
    CONF_STRING,
    CONF_PATH,
    CONF_LIST,
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
};

extern const struct conf_option conf_options[CONF_COUNT];

/* Whether option `i` is the first of its section: the table may name a section in several places.
 */
bool conf_opens_section(size_t i);

struct conf_value {
    char *text;  /* as written; owned */
    bool is_set; /* by file or environment */
    uint64_t number;
    struct span *items; /* LIST; owned */
    size_t item_count;
    char *item_bytes; /* what items point into; owned */
};

/* Parses `text` as the option's type into *value (freed before). 0, or -1 when it is not allowed.
 */
int conf_value_parse(const struct conf_option *option, const char *text, struct conf_value *value);
void conf_value_deinit(struct conf_value *value);
/* Appends what the option allows: "a number from 1 to 10". */
void conf_write_allowed(const struct conf_option *option, struct buf *out);

#endif
