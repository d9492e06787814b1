/* Wakes the loop from another thread. */
#ifndef JACKDAW_LOOP_WAKE_H
#define JACKDAW_LOOP_WAKE_H

struct loop;
struct loop_wake;

typedef void loop_wake_fn(void *arg);

/* Returns owned. */
struct loop_wake *loop_wake_new(struct loop *loop, loop_wake_fn *fn, void *arg);
/* From any thread: fn will run on the loop at least once after this. Many sends may become one
 * call. */
void loop_wake_send(struct loop_wake *wake);
/* Takes; no thread may send any more. NULL is fine. */
void loop_wake_free(struct loop_wake *wake);

#endif
