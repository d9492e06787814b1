/* The one event loop of a daemon. The only user of libuv.
 *
 * Single-threaded: everything here and in the other headers of this folder belongs to the loop's
 * thread (but loop_wake_send). Objects made on a loop are freed before the loop.
 */
#ifndef JACKDAW_LOOP_LOOP_H
#define JACKDAW_LOOP_LOOP_H

#include <stdint.h>

struct loop;

/* Returns owned. Aborts when the kernel has no file descriptors left for it. */
struct loop *loop_new(void);
/* Runs what is pending of closing handles, then frees. Timers and tasks need not be stopped. */
void loop_free(struct loop *loop);
/* Runs until loop_stop, or until nothing is left that could call back. */
void loop_run(struct loop *loop);
/* One turn: what is due now; with `block` waits for at least one event. For tests. */
void loop_run_once(struct loop *loop, int block);
void loop_stop(struct loop *loop);
/* Monotonic milliseconds as of the start of this turn: cheap. */
uint64_t loop_now_ms(const struct loop *loop);
/* The uv_loop_t, for libraries that want to join the loop. */
void *loop_native(struct loop *loop);

#endif
