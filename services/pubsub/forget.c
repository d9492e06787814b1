/* What is under way is kept in a list, so that it is freed with the daemon. */
#include "forget.h"

#include "base/mem.h"
#include "redis/keys.h"
#include "store.h"

struct forgetting {
    struct store_forgetting pub;
    struct list_node node;
    struct service_clear *clear; /* or NULL: nobody waits */
    char text[];
};

static void forgetting_free(struct forgetting *forgetting)
{
    list_remove(&forgetting->node);
    mem_free(forgetting);
}

static void on_forgotten(struct store_forgetting *pub, bool ok)
{
    struct forgetting *forgetting = CONTAINER_OF(pub, struct forgetting, pub);
    if (forgetting->clear) {
        service_cleared(forgetting->clear, ok);
    }
    forgetting_free(forgetting);
}

void forget_account(struct pubsub *pubsub, struct span account, struct service_clear *clear)
{
    struct arena arena = {0};
    struct forgetting *forgetting = mem_calloc(1, sizeof(*forgetting) + account.len);
    memcpy(forgetting->text, account.data, account.len);
    forgetting->pub.account = span_of(forgetting->text, account.len);
    forgetting->pub.done = on_forgotten;
    forgetting->clear = clear;
    list_add_tail(&pubsub->forgetting, &forgetting->node);
    store_forget(pubsub->sql, &forgetting->pub);
    redis_call(pubsub->redis, NULL, NULL, SPAN("DEL"),
               redis_key(REDIS_KEY_avatar, account, (struct span){0}, &arena));
    arena_deinit(&arena);
}

void forget_clear(void *ctx, struct service_clear *clear)
{
    forget_account(ctx, clear->account, clear);
}

void forget_free(struct pubsub *pubsub)
{
    LIST_FOREACH_SAFE(node, &pubsub->forgetting)
    {
        forgetting_free(CONTAINER_OF(node, struct forgetting, node));
    }
}
