/* A binary heap of timers under one libuv timer.
 *
 * Stopping or postponing the first timer leaves the clock as it is armed: one wake-up for nothing
 * is cheaper than arming anew with every message of every session.
 */
#include "loop/timer.h"

#include "base/assert.h"
#include "base/mem.h"
#include "loop/loop_internal.h"

static void place(struct loop *loop, uint32_t at, struct loop_timer *timer)
{
    loop->timers[at] = timer;
    timer->place = at + 1;
}

static void sift_up(struct loop *loop, uint32_t at)
{
    struct loop_timer *timer = loop->timers[at];

    while (at > 0 && loop->timers[(at - 1) / 2]->due_ms > timer->due_ms) {
        place(loop, at, loop->timers[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    place(loop, at, timer);
}

static void sift_down(struct loop *loop, uint32_t at)
{
    struct loop_timer *timer = loop->timers[at];

    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child + 1 < loop->timer_count &&
            loop->timers[child + 1]->due_ms < loop->timers[child]->due_ms)
            child++;
        if (child >= loop->timer_count || loop->timers[child]->due_ms >= timer->due_ms)
            break;
        place(loop, at, loop->timers[child]);
        at = child;
    }
    place(loop, at, timer);
}

static void on_clock(uv_timer_t *clock)
{
    struct loop *loop = clock->data;

    loop->armed_ms = 0;
    loop_run_timers(loop);
}

/* Makes sure the clock fires when the first timer is due, or earlier, but not before `min_ms`. */
static void arm(struct loop *loop, uint64_t min_ms)
{
    if (loop->is_in_timers)
        return; /* armed once, at the end */
    if (loop->timer_count == 0) {
        /* Nothing may keep an otherwise finished loop running. */
        uv_timer_stop(&loop->clock);
        loop->armed_ms = 0;
        return;
    }
    uint64_t due = loop->timers[0]->due_ms;
    if (loop->armed_ms && loop->armed_ms <= due)
        return;
    uint64_t now = uv_now(&loop->uv);
    uint64_t delay_ms = due > now ? due - now : 0;
    int rc = uv_timer_start(&loop->clock, on_clock, delay_ms > min_ms ? delay_ms : min_ms, 0);
    ASSERT(rc == 0);
    loop->armed_ms = due ? due : 1;
}

void loop_timer_init(struct loop_timer *timer, struct loop *loop, loop_timer_fn *fn, void *arg)
{
    *timer = (struct loop_timer){.loop = loop, .fn = fn, .arg = arg};
}

static void insert(struct loop_timer *timer)
{
    struct loop *loop = timer->loop;

    if (loop->timer_count == loop->timer_capacity) {
        loop->timer_capacity = loop->timer_capacity ? loop->timer_capacity * 2 : 16;
        loop->timers =
            mem_realloc_array(loop->timers, loop->timer_capacity, sizeof(struct loop_timer *));
    }
    loop->timers[loop->timer_count] = timer;
    sift_up(loop, loop->timer_count++);
}

static void take_out(struct loop_timer *timer)
{
    struct loop *loop = timer->loop;
    uint32_t at = timer->place - 1;
    struct loop_timer *last = loop->timers[--loop->timer_count];

    timer->place = 0;
    if (last == timer)
        return;
    place(loop, at, last);
    sift_up(loop, at);
    sift_down(loop, last->place - 1);
}

void loop_timer_start(struct loop_timer *timer, uint32_t delay_ms, uint32_t repeat_ms)
{
    if (timer->place)
        take_out(timer);
    timer->due_ms = uv_now(&timer->loop->uv) + delay_ms;
    timer->repeat_ms = repeat_ms;
    insert(timer);
    arm(timer->loop, 0);
}

void loop_timer_stop(struct loop_timer *timer)
{
    if (!timer->place)
        return;
    take_out(timer);
    if (timer->loop->timer_count == 0)
        arm(timer->loop, 0);
}

void loop_run_timers(struct loop *loop)
{
    uint64_t now = uv_now(&loop->uv);

    loop->is_in_timers = true;
    /* Bounded: a timer that restarts itself with no delay waits for the next turn. */
    for (uint32_t left = loop->timer_count; left > 0 && loop->timer_count > 0; left--) {
        struct loop_timer *timer = loop->timers[0];
        if (timer->due_ms > now)
            break;
        take_out(timer);
        if (timer->repeat_ms) {
            timer->due_ms = now + timer->repeat_ms;
            insert(timer);
        }
        timer->fn(timer->arg);
    }
    loop->is_in_timers = false;
    /* libuv runs a timer that is due again without looking at anything else: give the sockets a
     * turn. */
    arm(loop, 1);
}
