/* Watches a file descriptor of a foreign library. */
#ifndef JACKDAW_LOOP_POLL_H
#define JACKDAW_LOOP_POLL_H

struct loop;
struct loop_poll;

#define LOOP_READABLE 1u
#define LOOP_WRITABLE 2u

/* `events`: LOOP_READABLE, LOOP_WRITABLE or both; an error of the descriptor reports all that was
 * asked for, reading or writing then tells. */
typedef void loop_poll_fn(void *arg, unsigned events);

/* Returns owned, watching nothing yet; NULL when the descriptor cannot be watched (closed, or a
 * file). Does not own `fd`. One watcher per descriptor. */
struct loop_poll *loop_poll_new(struct loop *loop, int fd, loop_poll_fn *fn, void *arg);
/* Watches for `events` from now on; 0: for nothing. */
void loop_poll_set(struct loop_poll *poll, unsigned events);
/* Takes. The descriptor may be closed right after. NULL is fine. */
void loop_poll_free(struct loop_poll *poll);

#endif
