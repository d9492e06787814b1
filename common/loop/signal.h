/* Signals as events of the loop. */
#ifndef JACKDAW_LOOP_SIGNAL_H
#define JACKDAW_LOOP_SIGNAL_H

struct loop;
struct loop_signal;

typedef void loop_signal_fn(void *arg, int signum);

/* Returns owned. Does not keep the loop running by itself. */
struct loop_signal *loop_signal_new(struct loop *loop, int signum, loop_signal_fn *fn, void *arg);
/* Takes. NULL is fine. */
void loop_signal_free(struct loop_signal *signal);

#endif
