/* Worker threads for what takes long: the hashing of passwords. */
#ifndef JACKDAW_SESSION_WORK_H
#define JACKDAW_SESSION_WORK_H

#include <stddef.h>
#include <stdint.h>

struct loop;
struct work;

/* Returns owned. At most `max_queued` jobs may wait. */
struct work *work_new(struct loop *loop, uint32_t threads, uint32_t max_queued);
/* Waits for the jobs under way; the others are dropped. No callback is called any more. */
void work_free(struct work *work);

/* Runs `run` on a thread, then `done` on the loop, never from inside this call. `run` touches
 * nothing but what only `arg` holds. 0, or -1 when too many wait (nothing is called). */
int work_add(struct work *work, void (*run)(void *arg), void (*done)(void *arg), void *arg);

#endif
