/* The loop: libuv's, with one prepare handle for tasks and one timer for all timers. */
#include "loop/loop.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/loop_internal.h"

#include <signal.h>

#define CLOSING_TURNS 64

static void on_prepare(uv_prepare_t *prepare)
{
    loop_run_tasks(prepare->data);
}

struct loop *loop_new(void)
{
    struct loop *loop = mem_calloc(1, sizeof(*loop));
    int rc = uv_loop_init(&loop->uv);

    ASSERT(rc == 0);
    /* A write to a peer that has gone must be an error, not the end of the process. */
    (void)signal(SIGPIPE, SIG_IGN);
    list_init(&loop->tasks);
    /* The prepare handle that was started first runs last: foreign ones may still schedule tasks.
     */
    rc = uv_prepare_init(&loop->uv, &loop->prepare);
    ASSERT(rc == 0);
    loop->prepare.data = loop;
    rc = uv_prepare_start(&loop->prepare, on_prepare);
    ASSERT(rc == 0);
    uv_unref((uv_handle_t *)&loop->prepare);
    rc = uv_timer_init(&loop->uv, &loop->clock);
    ASSERT(rc == 0);
    loop->clock.data = loop;
    return loop;
}

void loop_free(struct loop *loop)
{
    int rc = UV_EBUSY;

    if (!loop)
        return;
    uv_close((uv_handle_t *)&loop->prepare, NULL);
    uv_close((uv_handle_t *)&loop->clock, NULL);
    /* Closing handles take a turn each way; foreign libraries close in several steps. */
    for (int turn = 0; turn < CLOSING_TURNS && rc == UV_EBUSY; turn++) {
        uv_run(&loop->uv, UV_RUN_NOWAIT);
        rc = uv_loop_close(&loop->uv);
    }
    if (rc != 0) {
        /* Its memory must stay: a handle still points into it. */
        LOG_WARN("loop_left_open", "reason=%s", uv_strerror(rc));
        return;
    }
    mem_free(loop->timers);
    mem_free(loop->read_buffer);
    mem_free(loop);
}

void loop_run(struct loop *loop)
{
    loop_run_tasks(loop);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    loop_run_tasks(loop);
}

void loop_run_once(struct loop *loop, int block)
{
    loop_run_tasks(loop);
    uv_run(&loop->uv, block ? UV_RUN_ONCE : UV_RUN_NOWAIT);
    loop_run_tasks(loop);
}

void loop_stop(struct loop *loop)
{
    uv_stop(&loop->uv);
}

uint64_t loop_now_ms(const struct loop *loop)
{
    return uv_now(&loop->uv);
}

void *loop_native(struct loop *loop)
{
    return &loop->uv;
}
