/* On or off, and who waits. */
#include "await.h"

#include "base/mem.h"
#include "redis/keys.h"
#include "redis/redis.h"
#include "route.h"
#include "router.h"
#include "services.h"

#define RETRY_MS 50 /* while Redis is away */

/* At Redis; may outlive the router. */
struct await_question {
    struct router *router; /* or NULL */
};

/* Those that wait again would be for ever at the end of the list that is worked off. */
static void end(void *arg)
{
    struct router *router = arg;
    struct list_node todo;
    struct list_node *node;

    list_init(&todo);
    router->await.is_on = false;
    loop_timer_stop(&router->await.timer);
    loop_timer_stop(&router->await.retry);
    while ((node = list_pop(&router->await.jobs)) != NULL)
        list_add_tail(&todo, node);
    while ((node = list_pop(&todo)) != NULL) {
        struct job *job = CONTAINER_OF(node, struct job, wait);

        route_job(job);
        job_release(job);
    }
}

static void on_known(void *arg, const struct redis_reply *reply)
{
    struct await_question *question = arg;
    struct router *router = question->router;

    mem_free(question);
    if (!router)
        return;
    router->await.question = NULL;
    if (router->await.is_on && redis_failed(reply))
        loop_timer_start(&router->await.retry, RETRY_MS, 0);
    else if (router->await.is_on && redis_type(reply) == REDIS_NIL)
        end(router);
}

static void ask(void *arg)
{
    struct router *router = arg;
    struct arena arena = {0};

    router->await.question = mem_calloc(1, sizeof(*router->await.question));
    router->await.question->router = router;
    redis_call(router->redis, on_known, router->await.question, SPAN("GET"),
               redis_key(REDIS_KEY_archive, (struct span){0}, (struct span){0}, &arena));
    arena_deinit(&arena);
}

void await_init(struct router *router)
{
    list_init(&router->await.jobs);
    loop_timer_init(&router->await.timer, router->loop, end, router);
    loop_timer_init(&router->await.retry, router->loop, ask, router);
}

void await_deinit(struct router *router)
{
    router->await.is_on = false;
    if (router->await.question)
        router->await.question->router = NULL;
    loop_timer_stop(&router->await.timer);
    loop_timer_stop(&router->await.retry);
}

void await_begin(struct router *router)
{
    router->await.is_on = true;
    loop_timer_start(&router->await.timer, AWAIT_MS, 0);
    ask(router);
}

void await_check(struct router *router)
{
    if (router->await.is_on && services_is_archived(router->services))
        end(router);
}

bool await_hold(struct router *router, struct job *job)
{
    if (!router->await.is_on)
        return false;
    job_hold(job);
    list_add_tail(&router->await.jobs, &job->wait);
    return true;
}
