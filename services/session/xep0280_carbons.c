/* XEP-0280 sections 4 and 5: a session turns copies on and off. What is copied is the routers' affair: they
 * see the flag in the session's record. Asking again for what is so already is fine. */
#include "xep0280_carbons.h"

#include "base/mem.h"
#include "session.h"

struct switching {
    struct job job;
    struct service_request *request;
};

static void on_changed(void *arg, enum registry_status status)
{
    struct switching *switching = arg;
    struct service_request *request = switching->request;

    if (status == REGISTRY_OK)
        service_reply_result(request, (struct span){0});
    else if (status == REGISTRY_GONE)
        service_finish(request); /* nobody is there to be told */
    else
        service_reply_error(request, "resource-constraint",
                            "Redis cannot be reached at the moment. Try again soon.");
    job_result(&switching->job, "", "");
}

static void drop_answer(void *arg, const struct wire_msg *reply)
{
    (void)arg;
    (void)reply;
}

static void change(struct session *session, struct service_request *request, uint32_t set,
                   uint32_t clear)
{
    struct switching *switching = job_new(session, sizeof(*switching), drop_answer, NULL);
    const struct session_flags flags = {
        .account = request->from_bare, .sid = request->origin_sid, .set = set, .clear = clear};

    switching->request = request;
    session_change_flags(session, &flags, on_changed, switching);
}

void xep0280_enable(void *ctx, struct service_request *request)
{
    change(ctx, request, WIRE_SESSION_CARBONS, 0);
}

void xep0280_disable(void *ctx, struct service_request *request)
{
    change(ctx, request, 0, WIRE_SESSION_CARBONS);
}
