/* How many files and sockets this process may have open (RLIMIT_NOFILE). */
#ifndef JACKDAW_ADMIT_DESCRIPTORS_H
#define JACKDAW_ADMIT_DESCRIPTORS_H

#include <stdint.h>

/* Sets the soft limit to what so many connections need; logs when the hard limit is lower. Returns
 * the limit that holds now. */
uint64_t admit_fit_descriptors(uint32_t connections);
/* The limit for so many connections. */
uint64_t admit_descriptors_for(uint32_t connections);

#endif
