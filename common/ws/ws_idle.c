/* Idle connections: lists, each oldest first, looked at once a second by one timer. No timer of
 * libwebsockets per connection: its sorted list makes each of them cost more the more there are,
 * and one that is set from outside its callbacks is not noticed before it has something else to do.
 */
#include "loop/loop.h"
#include "metric/metric.h"
#include "ws/ws_internal.h"

#define IDLE_TICK_MS 1000

static uint32_t now_s(const struct ws_server *server)
{
    return (uint32_t)(loop_now_ms(server->options.loop) / 1000);
}

static bool is_due(const struct ws_conn *conn, uint32_t now, uint32_t limit_ms)
{
    return (uint64_t)(now - conn->last_rx_s) * 1000 >= limit_ms;
}

static struct ws_conn *oldest(struct list_node *list)
{
    return list_is_empty(list) ? NULL : CONTAINER_OF(list->next, struct ws_conn, idle);
}

static void kill_due(struct ws_server *server, struct list_node *list, uint32_t limit_ms)
{
    struct ws_conn *conn;
    while ((conn = oldest(list)) && is_due(conn, now_s(server), limit_ms)) {
        if (conn->is_paused) { /* it is we who do not listen */
            ws_idle_touch(conn);
            continue;
        }
        if (list == &server->pinged)
            metric_inc(METRIC_ws_ping_timeouts);
        list_remove(&conn->idle); /* it may outlive this */
        ws_conn_kill(conn);
    }
}

static void tick(void *arg)
{
    struct ws_server *server = arg;
    const struct ws_limits *limits = &server->options.limits;
    struct ws_conn *conn;
    kill_due(server, &server->finishing, WS_FINISH_SECONDS * 1000);
    kill_due(server, &server->pinged, limits->ping_after_ms + limits->ping_timeout_ms);
    if (limits->ping_after_ms == 0)
        return;
    while ((conn = oldest(&server->quiet)) && is_due(conn, now_s(server), limits->ping_after_ms)) {
        list_remove(&conn->idle);
        list_add_tail(&server->pinged, &conn->idle);
        conn->is_pinged = true;
        ws_conn_ping(conn);
    }
}

void ws_idle_start(struct ws_server *server)
{
    loop_timer_init(&server->idle_timer, server->options.loop, tick, server);
    loop_timer_start(&server->idle_timer, IDLE_TICK_MS, IDLE_TICK_MS);
}

void ws_idle_add(struct ws_conn *conn)
{
    conn->last_rx_s = now_s(conn->server);
    list_add_tail(&conn->server->quiet, &conn->idle);
}

void ws_idle_touch(struct ws_conn *conn)
{
    uint32_t now = now_s(conn->server);
    if (conn->is_finishing || (conn->last_rx_s == now && !conn->is_pinged))
        return; /* its place in the list is right to the second */
    conn->last_rx_s = now;
    conn->is_pinged = false;
    list_remove(&conn->idle);
    list_add_tail(&conn->server->quiet, &conn->idle);
}

/* From now on only the time counts: input does not help. */
void ws_idle_finish(struct ws_conn *conn)
{
    conn->last_rx_s = now_s(conn->server);
    list_remove(&conn->idle);
    list_add_tail(&conn->server->finishing, &conn->idle);
}
