/* Accounts that begin: what earlier ones of their names have left is cleared, again and again until that
 * has succeeded. */
#include "service/clear_internal.h"

#include "base/mem.h"
#include "loop/timer.h"

#define RETRY_MS 1000

struct clearing {
    struct service_clear pub;
    struct list_node node;
    const struct service_options *options;
    struct bus_peer *peer; /* NULL: gone */
    uint64_t token;
    struct loop_timer retry;
    char text[];
};

static void clearing_free(struct clearing *clearing)
{
    loop_timer_stop(&clearing->retry);
    list_remove(&clearing->node);
    mem_free(clearing);
}

static void begin(void *arg)
{
    struct clearing *clearing = arg;

    clearing->options->table->clear(clearing->options->ctx, &clearing->pub);
}

void clear_item(const struct service_options *options, struct list_node *clears,
                const struct clear_item *item)
{
    struct clearing *clearing = mem_calloc(1, sizeof(*clearing) + item->account.len);

    if (item->account.len > 0)
        memcpy(clearing->text, item->account.data, item->account.len);
    clearing->pub.account = span_of(clearing->text, item->account.len);
    clearing->options = options;
    clearing->peer = item->peer;
    clearing->token = item->token;
    loop_timer_init(&clearing->retry, options->loop, begin, clearing);
    list_add_tail(clears, &clearing->node);
    begin(clearing);
}

void service_cleared(struct service_clear *clear, bool ok)
{
    struct clearing *clearing = CONTAINER_OF(clear, struct clearing, pub);

    if (!ok) {
        loop_timer_start(&clearing->retry, RETRY_MS, 0);
        return;
    }
    if (clearing->peer)
        bus_settle(clearing->peer, clearing->token);
    clearing_free(clearing);
}

void clear_peer_down(struct list_node *clears, const struct bus_peer *peer)
{
    LIST_FOREACH(node, clears)
    {
        struct clearing *clearing = CONTAINER_OF(node, struct clearing, node);

        if (clearing->peer == peer)
            clearing->peer = NULL;
    }
}

void clear_free(struct list_node *clears)
{
    LIST_FOREACH_SAFE(node, clears)
    {
        clearing_free(CONTAINER_OF(node, struct clearing, node));
    }
}
