/* Tasks: a list that is emptied before the loop blocks. */
#include "loop/task.h"

#include "loop/loop_internal.h"

void loop_task_init(struct loop_task *task, struct loop *loop, loop_task_fn *fn, void *arg)
{
    list_init(&task->node);
    task->loop = loop;
    task->fn = fn;
    task->arg = arg;
}

void loop_task_schedule(struct loop_task *task)
{
    if (!list_is_linked(&task->node))
        list_add_tail(&task->loop->tasks, &task->node);
}

void loop_task_schedule_first(struct loop_task *task)
{
    list_remove(&task->node);
    list_add_head(&task->loop->tasks, &task->node);
}

void loop_task_cancel(struct loop_task *task)
{
    list_remove(&task->node);
}

void loop_run_tasks(struct loop *loop)
{
    struct list_node *node;

    while ((node = list_pop(&loop->tasks))) {
        struct loop_task *task = CONTAINER_OF(node, struct loop_task, node);
        task->fn(task->arg);
    }
}
