/* Wake-ups from other threads on uv_async, which coalesces them. */
#include "loop/wake.h"

#include "base/assert.h"
#include "base/mem.h"
#include "loop/loop_internal.h"

struct loop_wake {
    uv_async_t uv;
    loop_wake_fn *fn;
    void *arg;
};

static void on_async(uv_async_t *uv)
{
    struct loop_wake *wake = uv->data;

    wake->fn(wake->arg);
}

struct loop_wake *loop_wake_new(struct loop *loop, loop_wake_fn *fn, void *arg)
{
    struct loop_wake *wake = mem_calloc(1, sizeof(*wake));

    wake->fn = fn;
    wake->arg = arg;
    int rc = uv_async_init(&loop->uv, &wake->uv, on_async);
    ASSERT(rc == 0);
    wake->uv.data = wake;
    return wake;
}

void loop_wake_send(struct loop_wake *wake)
{
    int rc = uv_async_send(&wake->uv);

    ASSERT(rc == 0);
}

static void on_closed(uv_handle_t *handle)
{
    mem_free(handle->data);
}

void loop_wake_free(struct loop_wake *wake)
{
    if (wake)
        uv_close((uv_handle_t *)&wake->uv, on_closed);
}
