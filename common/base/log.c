/* One line per event, built on the stack and written with one system call.
 *
 * The pairs are formatted in one go with the spaces between them replaced by a byte that text does
 * not hold, then cut there and quoted one by one. Values come from outside: when one smuggles in
 * that byte, the cuts do not match the format and everything becomes the value of one pair.
 */
#include "base/log.h"

#include "base/clock.h"
#include "base/span.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#define LINE_MAX_BYTES 2048
#define ARGS_MAX_BYTES 1024 /* less than half a line: quoting may double it */
#define NAME_MAX_BYTES 64
#define PAIR_MIN_BYTES ((size_t)16) /* what quotes, separators and one escape take */
#define CUT            '\x1f'

struct line {
    char text[LINE_MAX_BYTES];
    size_t len;
    bool is_json;
};

static struct {
    char daemon[NAME_MAX_BYTES];
    char instance[NAME_MAX_BYTES];
    _Atomic int level;
    _Atomic uint64_t lines[4]; /* by level */
    enum log_format format;
    int fd;
} the_log = {.level = LOG_LEVEL_INFO, .fd = STDERR_FILENO};

static const char *const level_names[] = {"error", "warn", "info", "debug"};

static void copy_name(char to[NAME_MAX_BYTES], const char *from)
{
    size_t len = strlen(from);

    if (len >= NAME_MAX_BYTES)
        len = NAME_MAX_BYTES - 1;
    memcpy(to, from, len);
    to[len] = '\0';
}

void log_open(const char *daemon, const char *instance, enum log_level level,
              enum log_format format)
{
    copy_name(the_log.daemon, daemon);
    copy_name(the_log.instance, instance);
    the_log.format = format;
    log_set_level(level);
}

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&the_log.level, (int)level, memory_order_relaxed);
}

void log_set_fd(int fd)
{
    the_log.fd = fd;
}

bool log_is_on(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&the_log.level, memory_order_relaxed);
}

uint64_t log_lines(enum log_level level)
{
    return atomic_load_explicit(&the_log.lines[level], memory_order_relaxed);
}

static void put(struct line *line, char c)
{
    if (line->len < sizeof(line->text) - 2) /* room for '}' and the line's end */
        line->text[line->len++] = c;
}

static void put_text(struct line *line, struct span text)
{
    for (size_t i = 0; i < text.len; i++)
        put(line, text.data[i]);
}

static bool needs_quotes(struct span value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.data[i];
        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7f)
            return true;
    }
    return value.len == 0;
}

static void put_quoted(struct line *line, struct span value)
{
    static const char hex[] = "0123456789abcdef";

    put(line, '"');
    for (size_t i = 0; i < value.len && line->len + PAIR_MIN_BYTES < sizeof(line->text); i++) {
        unsigned char c = (unsigned char)value.data[i];
        if (c == '"' || c == '\\') {
            put(line, '\\');
            put(line, (char)c);
        } else if (c < ' ' || c == 0x7f) {
            put_text(line, SPAN("\\u00"));
            put(line, hex[c >> 4]);
            put(line, hex[c & 15]);
        } else {
            put(line, (char)c);
        }
    }
    put(line, '"');
}

/* A JSON value stays bare when it is a plain decimal number. */
static bool is_number(struct span value)
{
    struct span digits = span_from(value, value.len && value.data[0] == '-' ? 1 : 0);

    for (size_t i = 0; i < digits.len; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9')
            return false;
    }
    return digits.len == 1 || (digits.len > 1 && digits.len < 16 && digits.data[0] != '0');
}

static void put_pair(struct line *line, struct span key, struct span value)
{
    bool is_first = line->len == 0;

    if (line->len + key.len + 2 * PAIR_MIN_BYTES > sizeof(line->text))
        return;
    if (!line->is_json) {
        if (!is_first)
            put(line, ' ');
        put_text(line, key);
        put(line, '=');
        if (needs_quotes(value))
            put_quoted(line, value);
        else
            put_text(line, value);
        return;
    }
    put(line, is_first ? '{' : ',');
    put_quoted(line, key);
    put(line, ':');
    if (is_number(value))
        put_text(line, value);
    else
        put_quoted(line, value);
}

/* Whether a new pair (`key=`) starts at `text`. */
static bool is_key(const char *text)
{
    size_t len = 0;

    while ((text[len] >= 'a' && text[len] <= 'z') || text[len] == '_')
        len++;
    return len > 0 && text[len] == '=';
}

/* Copies `format` with CUT before every pair but the first; returns the number of pairs, 0 when the
 * format does not begin with one or is too long. */
static size_t cut_format(const char *format, char cut[ARGS_MAX_BYTES])
{
    size_t pairs = is_key(format) ? 1 : 0;
    size_t len = strlen(format);

    if (len >= ARGS_MAX_BYTES)
        return 0;
    memcpy(cut, format, len + 1);
    for (size_t i = 0; pairs && i < len; i++) {
        if (cut[i] == ' ' && is_key(format + i + 1)) {
            cut[i] = CUT;
            pairs++;
        }
    }
    return pairs;
}

static size_t count_cuts(struct span text)
{
    size_t count = 0;

    for (size_t i = 0; i < text.len; i++)
        count += text.data[i] == CUT;
    return count;
}

static void put_args(struct line *line, struct span args, size_t pairs)
{
    /* When the text was truncated, cuts may be missing: only too many are suspicious. */
    if (pairs == 0 || count_cuts(args) >= pairs) {
        put_pair(line, SPAN("text"), args);
        return;
    }
    while (args.len) {
        struct span pair = span_head(args, span_find(args, CUT));
        size_t equals = span_find(pair, '=');
        put_pair(line, span_head(pair, equals), span_from(pair, equals + 1));
        args = span_from(args, pair.len + 1);
    }
}

static void put_head(struct line *line, enum log_level level, const char *event)
{
    char now[CLOCK_XEP82_SIZE];

    clock_format_xep82(clock_real_ms(), now);
    put_pair(line, SPAN("time"), span_cstr(now));
    put_pair(line, SPAN("level"), span_cstr(level_names[level]));
    if (the_log.daemon[0]) {
        put_pair(line, SPAN("daemon"), span_cstr(the_log.daemon));
        put_pair(line, SPAN("instance"), span_cstr(the_log.instance));
    }
    put_pair(line, SPAN("event"), span_cstr(event));
}

/* The cut copy is no literal, but log_write's own format was checked by the compiler. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static struct span format_args(char args[ARGS_MAX_BYTES], const char *format, va_list list)
{
    int len = vsnprintf(args, ARGS_MAX_BYTES, format, list);

    if (len < 0)
        return SPAN("?");
    return span_of(args, len < ARGS_MAX_BYTES ? (size_t)len : ARGS_MAX_BYTES - 1);
}
#pragma GCC diagnostic pop

void log_write(enum log_level level, const char *event, const char *format, ...)
{
    struct line line = {.len = 0, .is_json = the_log.format == LOG_FORMAT_JSON};
    char cut[ARGS_MAX_BYTES];
    char args[ARGS_MAX_BYTES];
    size_t pairs = cut_format(format, cut);
    va_list list;

    va_start(list, format);
    struct span text = format_args(args, pairs ? cut : format, list);
    va_end(list);
    put_head(&line, level, event);
    if (text.len)
        put_args(&line, text, pairs);
    if (line.is_json)
        line.text[line.len++] = '}';
    line.text[line.len++] = '\n';
    atomic_fetch_add_explicit(&the_log.lines[level], 1, memory_order_relaxed);
    /* A log that cannot be written must not stop the daemon. */
    if (write(the_log.fd, line.text, line.len) < 0)
        return;
}
