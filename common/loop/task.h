/* Tasks: run once at the end of this turn of the loop, before it blocks. For coalescing: what many
 * events of one turn want done (flush this, write that) happens once.
 */
#ifndef JACKDAW_LOOP_TASK_H
#define JACKDAW_LOOP_TASK_H

#include "base/list.h"

#include <stdbool.h>

struct loop;

typedef void loop_task_fn(void *arg);

/* Embeddable; private but for its size. */
struct loop_task {
    struct list_node node;
    struct loop *loop;
    loop_task_fn *fn;
    void *arg;
};

void loop_task_init(struct loop_task *task, struct loop *loop, loop_task_fn *fn, void *arg);
/* Idempotent: a task that waits already keeps its place. Tasks run in the order they were
 * scheduled; a task scheduled by a task runs in the same turn. fn may reschedule or free its task.
 */
void loop_task_schedule(struct loop_task *task);
/* The same, before all that wait: for what must have happened before anybody else is told of it. */
void loop_task_schedule_first(struct loop_task *task);
/* Harmless when not scheduled. Must precede freeing what the task is embedded in. */
void loop_task_cancel(struct loop_task *task);

static inline bool loop_task_is_scheduled(const struct loop_task *task)
{
    return list_is_linked(&task->node);
}

#endif
