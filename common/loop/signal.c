/* Signals on uv_signal. */
#include "loop/signal.h"

#include "base/assert.h"
#include "base/mem.h"
#include "loop/loop_internal.h"

struct loop_signal {
    uv_signal_t uv;
    loop_signal_fn *fn;
    void *arg;
};

static void on_signal(uv_signal_t *uv, int signum)
{
    struct loop_signal *signal = uv->data;

    signal->fn(signal->arg, signum);
}

struct loop_signal *loop_signal_new(struct loop *loop, int signum, loop_signal_fn *fn, void *arg)
{
    struct loop_signal *signal = mem_calloc(1, sizeof(*signal));

    signal->fn = fn;
    signal->arg = arg;
    int rc = uv_signal_init(&loop->uv, &signal->uv);
    ASSERT(rc == 0);
    signal->uv.data = signal;
    rc = uv_signal_start(&signal->uv, on_signal, signum);
    ASSERT(rc == 0);
    uv_unref((uv_handle_t *)&signal->uv);
    return signal;
}

static void on_closed(uv_handle_t *handle)
{
    mem_free(handle->data);
}

void loop_signal_free(struct loop_signal *signal)
{
    if (signal)
        uv_close((uv_handle_t *)&signal->uv, on_closed);
}
