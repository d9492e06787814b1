/* Random numbers fit for secrets, from the kernel. */
#ifndef JACKDAW_BASE_RAND_H
#define JACKDAW_BASE_RAND_H

#include <stddef.h>
#include <stdint.h>

/* Fills `out`; never fails (aborts when the kernel has no entropy source). */
void rand_bytes(void *out, size_t len);
uint64_t rand_u64(void);

#endif
