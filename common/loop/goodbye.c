/* The end of a connection whose last bytes must arrive: our end is sent, the peer's is waited for. */
#include "base/mem.h"
#include "loop/loop_internal.h"
#include "loop/timer.h"

struct tcp_goodbye {
    struct loop_timer patience;
    uv_shutdown_t shutdown;
    bool is_shut;
};

static void out_of_patience(void *arg)
{
    tcp_close(arg);
}

void tcp_goodbye(struct tcp_conn *conn, uint32_t patience_ms)
{
    if (conn->is_closed || conn->goodbye)
        return;
    conn->goodbye = mem_calloc(1, sizeof(*conn->goodbye));
    loop_timer_init(&conn->goodbye->patience, conn->loop, out_of_patience, conn);
    loop_timer_start(&conn->goodbye->patience, patience_ms, 0);
    tcp_finish(conn);
    if (conn->is_closed || conn->is_ended)
        return;
    conn->is_reading = true;
    tcp_apply_reading(conn);
}

static void on_shut(uv_shutdown_t *shutdown, int status)
{
    (void)shutdown; /* the connection, and so this request, lives until its handle is closed */
    (void)status;
}

void tcp_goodbye_drained(struct tcp_conn *conn)
{
    if (conn->goodbye->is_shut)
        return;
    conn->goodbye->is_shut = true;
    if (uv_shutdown(&conn->goodbye->shutdown, &conn->handle.stream, on_shut) != 0)
        tcp_close(conn);
}

void tcp_goodbye_stop(struct tcp_conn *conn)
{
    if (conn->goodbye)
        loop_timer_stop(&conn->goodbye->patience);
}
