/* Clocks: the monotonic one for durations and deadlines, the real one for what people read. */
#ifndef JACKDAW_BASE_CLOCK_H
#define JACKDAW_BASE_CLOCK_H

#include "base/span.h"

#include <stdint.h>

uint64_t clock_mono_ms(void);
uint64_t clock_mono_us(void);
/* CPU time this process has used, all threads. */
uint64_t clock_cpu_us(void);
/* Since 1970-01-01T00:00:00Z. */
uint64_t clock_real_ms(void);
uint64_t clock_real_us(void);

#define CLOCK_XEP82_SIZE 32
/* XEP-0082 DateTime in UTC: 2026-01-02T03:04:05.678Z, NUL-terminated. */
void clock_format_xep82(uint64_t real_ms, char out[CLOCK_XEP82_SIZE]);
/* Reads one, with or without a fraction of a second (of which milliseconds count) and with any time
 * zone. 0 and *real_ms_out, or -1; years before 1970 are 0. */
int clock_parse_xep82(struct span text, uint64_t *real_ms_out);

#endif
