/* The log: one line per event on standard error, logfmt or JSON.
 *
 *     LOG_INFO("listening", "port=%u addr=%s", port, addr);
 *     time=2026-01-02T03:04:05.678Z level=info daemon=edge instance=edge-1 event=listening
 * port=5280 ...
 *
 * The format is `key=value` pairs with lower-case keys, one space between; a value that needs
 * quotes gets them here, so a value from outside can neither end its line nor forge a pair. "" for
 * no pairs. Never log a password, a secret or the body of a message. A level that is off costs one
 * call. May be used from any thread.
 */
#ifndef JACKDAW_BASE_LOG_H
#define JACKDAW_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
enum log_format { LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON };

/* Copies `daemon` and `instance`. Before this call lines carry no names, level info and logfmt. */
void log_open(const char *daemon, const char *instance, enum log_level level,
              enum log_format format);
void log_set_level(enum log_level level);
/* Where lines go, 2 at first; the log does not own it. */
void log_set_fd(int fd);
bool log_is_on(enum log_level level);
/* How many lines of that level were written so far. */
uint64_t log_lines(enum log_level level);
void log_write(enum log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define LOG_AT(level, ...) (log_is_on(level) ? log_write(level, __VA_ARGS__) : (void)0)
#define LOG_ERROR(...)     LOG_AT(LOG_LEVEL_ERROR, __VA_ARGS__)
#define LOG_WARN(...)      LOG_AT(LOG_LEVEL_WARN, __VA_ARGS__)
#define LOG_INFO(...)      LOG_AT(LOG_LEVEL_INFO, __VA_ARGS__)
#define LOG_DEBUG(...)     LOG_AT(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
