/* Descriptor watchers on uv_poll. */
#include "loop/poll.h"

#include "base/assert.h"
#include "base/mem.h"
#include "loop/loop_internal.h"

struct loop_poll {
    uv_poll_t uv;
    loop_poll_fn *fn;
    void *arg;
    unsigned wanted;
};

static void on_poll(uv_poll_t *uv, int status, int events)
{
    struct loop_poll *poll = uv->data;
    unsigned seen = poll->wanted;

    if (status == 0)
        seen = (events & UV_READABLE ? LOOP_READABLE : 0u) |
               (events & UV_WRITABLE ? LOOP_WRITABLE : 0u);
    poll->fn(poll->arg, seen);
}

struct loop_poll *loop_poll_new(struct loop *loop, int fd, loop_poll_fn *fn, void *arg)
{
    struct loop_poll *poll = mem_calloc(1, sizeof(*poll));

    poll->fn = fn;
    poll->arg = arg;
    if (uv_poll_init(&loop->uv, &poll->uv, fd) != 0) {
        mem_free(poll);
        return NULL;
    }
    poll->uv.data = poll;
    return poll;
}

void loop_poll_set(struct loop_poll *poll, unsigned events)
{
    int wanted =
        (events & LOOP_READABLE ? UV_READABLE : 0) | (events & LOOP_WRITABLE ? UV_WRITABLE : 0);

    if (events == poll->wanted && events)
        return;
    poll->wanted = events;
    int rc = wanted ? uv_poll_start(&poll->uv, wanted, on_poll) : uv_poll_stop(&poll->uv);
    ASSERT(rc == 0);
}

static void on_closed(uv_handle_t *handle)
{
    mem_free(handle->data);
}

void loop_poll_free(struct loop_poll *poll)
{
    if (poll)
        uv_close((uv_handle_t *)&poll->uv, on_closed);
}
