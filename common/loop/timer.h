/* Timers: an intrusive struct on one shared heap, cheap by the ten thousand. */
#ifndef JACKDAW_LOOP_TIMER_H
#define JACKDAW_LOOP_TIMER_H

#include <stdbool.h>
#include <stdint.h>

struct loop;

typedef void loop_timer_fn(void *arg);

/* Embeddable; private but for its size. */
struct loop_timer {
    struct loop *loop;
    loop_timer_fn *fn;
    void *arg;
    uint64_t due_ms;
    uint32_t repeat_ms;
    uint32_t place; /* in the heap, + 1; 0: not active */
};

void loop_timer_init(struct loop_timer *timer, struct loop *loop, loop_timer_fn *fn, void *arg);
/* Calls fn in `delay_ms`, then every `repeat_ms` (0: once). Starting an active timer moves it. fn
 * may stop, restart or free its timer. */
void loop_timer_start(struct loop_timer *timer, uint32_t delay_ms, uint32_t repeat_ms);
/* Harmless when not active. Must precede freeing what the timer is embedded in. */
void loop_timer_stop(struct loop_timer *timer);

static inline bool loop_timer_is_active(const struct loop_timer *timer)
{
    return timer->place != 0;
}

#endif
