/* jackdaw-c2s - XMPP for desktop and mobile clients over TCP
 *
 * Carries clients' streams over TCP: port 5222 with STARTTLS, port 5223 with TLS from the first
 * byte (XEP-0368). Run as many as there are cores or hosts to use; a client may connect to any.
 *
 * Messages: takes deliver and end_session from routers; sends route and missed to them; calls
 * session for SASL, binding and registration. State: the connections and nothing else. Sessions are
 * in the registry in Redis; a lease there says that this daemon lives. Configuration: [cluster]
 * [c2s] [tls] [stream] [bus] [redis] [health] [log]. Signals: SIGHUP reads configuration and
 * certificates again without closing a connection; SIGTERM ends each stream with system-shutdown or
 * see-other-host, then exits. Failure: SIGKILL loses the connections; the lease lapses and the
 * sessions end. Without routers or session daemons it is not ready and tells clients to come back
 * later.
 */
#include "c2s.h"

int main(int argc, char **argv)
{
    static const struct daemon_spec spec = {
        .name = "c2s",
        .summary = "XMPP for desktop and mobile clients over TCP",
        .flags = DAEMON_DIALS_ROUTERS | DAEMON_DIALS_SESSIONS,
        .handlers = {.item = c2s_item, .peer_down = c2s_peer_down},
        .open = c2s_open,
        .is_ready = c2s_is_ready,
        .reload = c2s_reload,
        .drain = c2s_drain,
        .close = c2s_close,
    };

    return daemon_main(argc, argv, &spec);
}
