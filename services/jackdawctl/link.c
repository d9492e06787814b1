/* The way to a session daemon. One is enough, so only one is dialled at a time: whoever leaves
 * while a connection is being made costs the other side work. */
#include "base/rand.h"
#include "conf/conf.h"
#include "ctl.h"
#include "daemon/daemon.h"
#include "loop/loop.h"
#include "loop/timer.h"

#define DIAL_MS 3000 /* for each address */

struct dialling {
    struct loop *loop;
    bool is_up;
};

static void on_up(void *ctx, struct bus_peer *peer)
{
    struct dialling *dialling = ctx;
    (void)peer;
    if (!dialling->is_up) /* later ones are no business of whoever runs the loop then */
        loop_stop(dialling->loop);
    dialling->is_up = true;
}

static void on_late(void *arg)
{
    struct dialling *dialling = arg;
    loop_stop(dialling->loop);
}

/* Whether the daemon at `address` is there; if so ctl->bus is the way to it. */
static bool dial(struct ctl *ctl, const struct bus_options *base, const char *address, char *error,
                 size_t error_size)
{
    /* Outlives this call: the bus refers to it. */
    struct dialling *dialling = arena_calloc(&ctl->arena, 1, sizeof(*dialling));
    struct bus_options options = *base;
    struct loop_timer timer;
    dialling->loop = ctl->loop;
    options.dial = &address;
    options.dial_count = 1;
    options.handlers.peer_up = on_up;
    options.ctx = dialling;
    ctl->bus = bus_new(&options, error, error_size);
    if (!ctl->bus)
        return false;
    loop_timer_init(&timer, ctl->loop, on_late, dialling);
    loop_timer_start(&timer, DIAL_MS, 0);
    loop_run(ctl->loop);
    loop_timer_stop(&timer);
    if (!dialling->is_up) {
        bus_free(ctl->bus);
        ctl->bus = NULL;
    }
    return dialling->is_up;
}

int ctl_link_open(struct ctl *ctl, char *error, size_t error_size)
{
    struct bus_options options;
    struct span instance =
        arena_printf(&ctl->arena, "jackdawctl-%016llx", (unsigned long long)rand_u64());
    daemon_bus_options(ctl->conf, "jackdawctl", DAEMON_DIALS_SESSIONS, &ctl->arena, &options);
    ctl->loop = loop_new();
    options.loop = ctl->loop;
    options.instance = instance.data;
    options.hub_count = 0; /* neither gives nor wants notices */
    error[0] = '\0';
    for (size_t i = 0; i < options.dial_count && error[0] == '\0'; i++)
        if (dial(ctl, &options, options.dial[i], error, error_size))
            return 0;
    return -1;
}

void ctl_link_close(struct ctl *ctl)
{
    if (ctl->bus)
        bus_free(ctl->bus);
    if (ctl->loop)
        loop_free(ctl->loop);
    ctl->bus = NULL;
    ctl->loop = NULL;
}
