/* jackdaw-c2s - where desktop and mobile clients connect: XMPP over TCP
 *
 * SYNOPSIS
 *     jackdaw-c2s [--config FILE] [--instance NAME] [--check | --options | --help]
 *
 * DESCRIPTION
 *     Carries clients' streams over TCP: port 5222 with STARTTLS, port 5223 with TLS from the
 *     first byte (XEP-0368). Login and resource binding are asked of session; stanzas go to
 *     routers as parsed stanzas, and come back from them. Any number may run; a client may
 *     connect to any. With c2s.client_ca, clients may show a certificate of their own.
 *
 * MESSAGES
 *     As jackdaw-edge: takes deliver, end_session and stream_features; sends route and missed; calls session for
 *     SASL, binding and registration.
 *
 * STATE
 *     The connections, and a lease in Redis for the sessions on them.
 *
 * CONFIGURATION
 *     Sections c2s, tls and stream, session.registration, cluster, bus, redis, log, health.
 *     SIGHUP reads it and the certificates of all domains again without closing a connection.
 *     SIGTERM drains: streams are told c2s.see_other_host or system-shutdown, stream.drain_rate of
 *     them a second, their sessions said unavailable and unbound; the others are served meanwhile.
 *
 * FAILURE
 *     As jackdaw-edge. Killed: the connections are lost, the lease lapses and session cleans up.
 */
#include "c2s.h"

int main(int argc, char **argv)
{
    static const struct daemon_spec spec = {
        .name = "c2s",
        .summary = "XMPP for desktop and mobile clients over TCP",
        .flags = DAEMON_DIALS_ROUTERS | DAEMON_DIALS_SESSIONS,
        .announce = stream_announce,
        .handlers = {.item = c2s_item, .peer_down = c2s_peer_down},
        .open = c2s_open,
        .is_ready = c2s_is_ready,
        .reload = c2s_reload,
        .drain = c2s_drain,
        .close = c2s_close,
    };

    return daemon_main(argc, argv, &spec);
}
