/* Hashing of bytes: SipHash-1-3 (keyed, so that who does not know the seed cannot make collisions).
 */
#ifndef JACKDAW_BASE_HASH_H
#define JACKDAW_BASE_HASH_H

#include "base/span.h"

#include <stdint.h>

uint64_t hash_bytes(uint64_t seed, struct span bytes);
/* With a fixed seed: the same in every daemon on every machine. For choosing an instance by hash.
 */
uint64_t hash_span(struct span bytes);
/* Mixes an integer well (bijective). */
uint64_t hash_u64(uint64_t seed, uint64_t value);
/* A random number chosen once per process: the seed of every map. Thread-safe. */
uint64_t hash_process_seed(void);

#endif
