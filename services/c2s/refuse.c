/* Connections beyond a limit: over plain TCP they are told which, with a stream error; where TLS
 * would have to come first they are closed. */
#include "c2s.h"

#include "base/log.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "metric/metric.h"

#define GOODBYE_MS 2000

struct refusal {
    bool (*applies)(const struct c2s *c2s, uint64_t key);
    const char *condition; /* RFC 6120 section 4.9.3 */
    const char *event;
    const char *option;
    enum metric_id metric;
};

static bool is_full(const struct c2s *c2s, uint64_t key)
{
    (void)key;
    return c2s->conn_count >= c2s->max_connections;
}

static bool is_crowded(const struct c2s *c2s, uint64_t key)
{
    return !admit_has_room(&c2s->addresses, key, c2s->max_per_address);
}

static const struct refusal refusals[C2S_REFUSALS] = {
    {is_full, "resource-constraint", "too-many-connections", "c2s.max_connections",
     METRIC_limit_connections},
    {is_crowded, "policy-violation", "too-many-from-address", "c2s.max_per_address",
     METRIC_limit_address},
};

/* ---- a connection that only hears why ---- */
static void on_read(void *arg, struct span bytes)
{
    (void)arg;
    (void)bytes;
}

struct refused {
    struct list_node node;
    struct c2s *c2s;
    struct tcp_conn *tcp;
};

static void on_closed(void *arg)
{
    struct refused *refused = arg;

    refused->c2s->refused_count--;
    list_remove(&refused->node);
    mem_free(refused);
}

static const struct tcp_handlers handlers = {.on_read = on_read, .on_closed = on_closed};

static void tell(struct c2s *c2s, struct tcp_conn *tcp, const char *condition)
{
    struct refused *refused = mem_calloc(1, sizeof(*refused));
    struct buf words = {0};

    *refused = (struct refused){.c2s = c2s, .tcp = tcp};
    list_add_tail(&c2s->refused, &refused->node);
    c2s->refused_count++;
    tcp_conn_start(tcp, &handlers, refused);
    stream_write_refusal(c2s->holder.streams, condition, &words);
    tcp_write(tcp, buf_span(&words));
    tcp_goodbye(tcp, GOODBYE_MS);
    buf_deinit(&words);
}

void refuse_close_all(struct c2s *c2s)
{
    LIST_FOREACH_SAFE(node, &c2s->refused)
    {
        tcp_close(CONTAINER_OF(node, struct refused, node)->tcp);
    }
}

static void say(struct c2s *c2s, size_t which, const struct tcp_conn *tcp)
{
    uint32_t more;

    metric_inc(refusals[which].metric);
    if (admit_may_say(&c2s->said[which], loop_now_ms(c2s->holder.daemon->loop), &more)) {
        LOG_WARN(refusals[which].event, "address=%s open=%u more=%u hint=%s", tcp_peer(tcp),
                 c2s->conn_count, more, refusals[which].option);
    }
}

bool refuse_connection(struct c2s *c2s, struct tcp_conn *tcp, uint64_t key, bool is_direct)
{
    for (size_t i = 0; i < C2S_REFUSALS; i++) {
        if (!refusals[i].applies(c2s, key)) {
            continue;
        }
        say(c2s, i, tcp);
        if (is_direct || c2s->refused_count >= C2S_REFUSED) {
            tcp_close(tcp);
        } else {
            tell(c2s, tcp, refusals[i].condition);
        }
        return true;
    }
    return false;
}
