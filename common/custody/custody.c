/* The one struct of a process. */
#include "custody/custody.h"

#include "custody/custody_internal.h"

#define ARENA_BLOCK 1024

void custody_init(struct custody *custody, const struct custody_options *options)
{
    *custody = (struct custody){.options = *options};
    seen_init(&custody->seen, options->loop, options->remember_ms);
    list_init(&custody->held);
    list_init(&custody->untold);
    list_init(&custody->told);
    list_init(&custody->dirty);
    list_init(&custody->active);
    list_init(&custody->noting);
    loop_task_init(&custody->flush, options->loop, custody_write_dirty, custody);
    loop_timer_init(&custody->tell_again, options->loop, custody_tell_again, custody);
    loop_timer_init(&custody->write_again, options->loop, custody_write_dirty, custody);
    loop_timer_init(&custody->tick, options->loop, custody_tick, custody);
    arena_init(&custody->arena, ARENA_BLOCK);
    if (options->redis)
        loop_timer_start(&custody->tick, options->keep_ms, 0);
}

void custody_deinit(struct custody *custody)
{
    loop_task_cancel(&custody->flush);
    loop_timer_stop(&custody->tell_again);
    loop_timer_stop(&custody->write_again);
    loop_timer_stop(&custody->tick);
    custody_deliveries_free(custody);
    custody_forget_noting(custody);
    seen_deinit(&custody->seen);
    arena_deinit(&custody->arena);
    buf_deinit(&custody->encoded);
}
