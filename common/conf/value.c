/* Values of options: parsing by type, and saying what is allowed. */
#include "conf/conf_internal.h"

#include "base/arena.h"
#include "base/mem.h"
#include "jid/jid.h"

#include <inttypes.h>

#define OPT_ANY           false, 0, 0, NULL
#define OPT_RANGE(a, b)   true, (a), (b), NULL
#define OPT_CHOICES(text) false, 0, 0, text

const struct conf_option conf_options[CONF_COUNT] = {
#define ANY           OPT_ANY
#define RANGE(a, b)   OPT_RANGE(a, b)
#define CHOICES(text) OPT_CHOICES(text)
#define OPTION(section, name, type, fallback, limits, prose)                                       \
    {#section, #name, CONF_##type, fallback, limits, prose, false},
#define DOMAIN_OPTION(section, name, type, fallback, limits, prose)                                \
    {#section, #name, CONF_##type, fallback, limits, prose, true},
#include "conf/options.def"
#undef OPTION
#undef CHOICES
#undef RANGE
#undef ANY
};

bool conf_opens_section(size_t i)
{
    for (size_t before = 0; before < i; before++) {
        if (strcmp(conf_options[before].section, conf_options[i].section) == 0) {
            return false;
        }
    }
    return true;
}

bool conf_has_domain_options(const char *section)
{
    for (size_t i = 0; i < CONF_COUNT; i++) {
        if (conf_options[i].is_per_domain && strcmp(conf_options[i].section, section) == 0) {
            return true;
        }
    }
    return false;
}

struct unit {
    const char *suffix;
    uint64_t factor;
};

static const struct unit units_duration[] = {{"ms", 1},      {"s", 1000},     {"m", 60000},
                                             {"h", 3600000}, {"d", 86400000}, {NULL, 0}};
static const struct unit units_size[] = {{"", 1},
                                         {"k", UINT64_C(1) << 10},
                                         {"m", UINT64_C(1) << 20},
                                         {"g", UINT64_C(1) << 30},
                                         {NULL, 0}};
static const struct unit units_none[] = {{"", 1}, {NULL, 0}};

/* A decimal number with one of the units. "0" needs none. */
static int parse_number(struct span text, const struct unit *units, uint64_t *number_out)
{
    size_t digits = 0;
    uint64_t number;

    while (digits < text.len && text.data[digits] >= '0' && text.data[digits] <= '9') {
        digits++;
    }
    if (span_to_u64(span_head(text, digits), &number) != 0) {
        return -1;
    }
    if (number == 0 && digits == text.len) {
        *number_out = 0;
        return 0;
    }
    for (; units->suffix != NULL; units++) {
        if (span_is(span_from(text, digits), units->suffix)) {
            *number_out = number * units->factor;
            return number > UINT64_MAX / units->factor ? -1 : 0;
        }
    }
    return -1;
}

static int parse_uint(const struct conf_option *option, struct span text, struct conf_value *value)
{
    (void)option;
    return parse_number(text, units_none, &value->number);
}

static int parse_duration(const struct conf_option *option, struct span text,
                          struct conf_value *value)
{
    (void)option;
    return parse_number(text, units_duration, &value->number);
}

static int parse_size(const struct conf_option *option, struct span text, struct conf_value *value)
{
    (void)option;
    return parse_number(text, units_size, &value->number);
}

static int parse_bool(const struct conf_option *option, struct span text, struct conf_value *value)
{
    static const char *const words[] = {"no",  "false", "off", "0", /* the first half is false */
                                        "yes", "true",  "on",  "1"};
    const size_t count = sizeof(words) / sizeof(words[0]);

    (void)option;
    for (size_t i = 0; i < count; i++) {
        if (span_is(text, words[i])) {
            value->number = i >= count / 2;
            return 0;
        }
    }
    return -1;
}

static int parse_enum(const struct conf_option *option, struct span text, struct conf_value *value)
{
    struct span rest = span_cstr(option->choices);

    for (uint64_t index = 0; rest.len > 0; index++) {
        struct span choice = span_head(rest, span_find(rest, ' '));
        if (span_eq(choice, text)) {
            value->number = index;
            return 0;
        }
        rest = span_from(rest, choice.len + 1);
    }
    return -1;
}

static bool is_separator(char c)
{
    return c == ',' || c == ' ' || c == '\t' || c == '\n';
}

static int parse_list(const struct conf_option *option, struct span text, struct conf_value *value)
{
    size_t at = 0;

    (void)option;
    value->item_bytes = mem_strdup_span(text);
    value->items = mem_calloc(text.len / 2 + 1, sizeof(*value->items));
    while (at < text.len) {
        size_t begin = at;
        while (at < text.len && !is_separator(text.data[at])) {
            at++;
        }
        if (at > begin) {
            value->items[value->item_count++] = span_of(value->item_bytes + begin, at - begin);
            value->item_bytes[at] = '\0';
        }
        at++;
    }
    value->number = value->item_count;
    return 0;
}

/* ---- domains ---- */
static bool is_among(const struct span *items, size_t count, struct span item)
{
    for (size_t i = 0; i < count; i++) {
        if (span_eq(items[i], item)) {
            return true;
        }
    }
    return false;
}

/* Each normalised and kept once. The bytes move while they grow: the spans are made at the end. */
static int parse_domains(const struct conf_option *option, struct span text,
                         struct conf_value *value)
{
    struct conf_value written = {0};
    struct arena arena = {0};
    size_t bytes = 0;
    int result = parse_list(option, text, &written);

    value->items = mem_calloc(written.item_count + 1, sizeof(*value->items));
    for (size_t i = 0; i < written.item_count && result == 0; i++) {
        struct span domain;
        result = jid_normalise_domain(written.items[i], &arena, &domain);
        if (result == 0 && !is_among(value->items, value->item_count, domain)) {
            value->items[value->item_count++] = domain;
            bytes += domain.len + 1;
        }
    }
    value->item_bytes = mem_calloc(1, bytes + 1);
    bytes = 0;
    for (size_t i = 0; i < value->item_count; i++) {
        char *at = value->item_bytes + bytes;
        memcpy(at, value->items[i].data, value->items[i].len);
        bytes += value->items[i].len + 1;
        value->items[i].data = at;
    }
    value->item_count = result == 0 ? value->item_count : 0;
    value->number = value->item_count;
    conf_value_deinit(&written);
    arena_deinit(&arena);
    return result;
}

static int parse_text(const struct conf_option *option, struct span text, struct conf_value *value)
{
    (void)option;
    (void)text;
    (void)value;
    return 0;
}

struct conf_kind {
    const char *allowed; /* before the limits */
    int (*parse)(const struct conf_option *option, struct span text, struct conf_value *value);
};

static const struct conf_kind conf_kinds[] = {
    [CONF_BOOL] = {"yes or no", parse_bool},
    [CONF_UINT] = {"a whole number", parse_uint},
    [CONF_DURATION] = {"a duration such as 500ms, 30s, 5m, 2h or 1d", parse_duration},
    [CONF_SIZE] = {"a size such as 512, 64k, 4m or 1g", parse_size},
    [CONF_STRING] = {"text", parse_text},
    [CONF_PATH] = {"a path", parse_text},
    [CONF_LIST] = {"a list separated by commas or spaces", parse_list},
    [CONF_DOMAINS] = {"a list of domain names separated by commas or spaces", parse_domains},
    [CONF_ENUM] = {"one of", parse_enum},
};

void conf_value_deinit(struct conf_value *value)
{
    mem_free(value->text);
    mem_free(value->items);
    mem_free(value->item_bytes);
    *value = (struct conf_value){0};
}

int conf_value_parse(const struct conf_option *option, const char *text, struct conf_value *value)
{
    conf_value_deinit(value);
    value->text = mem_strdup(text);
    if (conf_kinds[option->type].parse(option, span_cstr(text), value) != 0) {
        return -1;
    }
    return option->is_bounded && (value->number < option->min || value->number > option->max) ? -1
                                                                                              : 0;
}

/* ---- limits as people write them ---- */
static void write_number(const struct conf_option *option, uint64_t number, struct buf *out)
{
    const struct unit *units = option->type == CONF_DURATION ? units_duration
                               : option->type == CONF_SIZE   ? units_size
                                                             : units_none;
    const struct unit *best = units;

    for (const struct unit *unit = units; unit->suffix != NULL; unit++) {
        if (number > 0 && number % unit->factor == 0) {
            best = unit;
        }
    }
    buf_printf(out, "%" PRIu64 "%s", number / best->factor, number > 0 ? best->suffix : "");
}

static bool is_list(const struct conf_option *option)
{
    return option->type == CONF_LIST || option->type == CONF_DOMAINS;
}

void conf_write_allowed(const struct conf_option *option, struct buf *out)
{
    buf_append_cstr(out, conf_kinds[option->type].allowed);
    if (option->choices != NULL) {
        buf_printf(out, " %s", option->choices);
    } else if (option->is_bounded) {
        buf_append_cstr(out, is_list(option) ? ", elements: " : ", ");
        write_number(option, option->min, out);
        buf_append_cstr(out, " to ");
        write_number(option, option->max, out);
    }
}
