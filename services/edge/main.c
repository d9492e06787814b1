/* jackdaw-edge - where browsers connect: HTTP, WebSocket, the web client's files
 *
 * SYNOPSIS
 *     jackdaw-edge [--config FILE] [--instance NAME] [--check | --options | --help]
 *
 * DESCRIPTION
 *     Listens for HTTP (5280) and HTTPS (5281). A WebSocket upgrade with the subprotocol xmpp on
 *     /, /ws or /xmpp-websocket becomes an XMPP stream (RFC 7395, or the older framing that
 *     begins with <stream:stream>). Login and resource binding are asked of session; stanzas go
 *     to routers as parsed stanzas, and come back from them. Other requests get the files of
 *     edge.web_root and /.well-known/host-meta and host-meta.json (XEP-0156).
 *
 *     Dials every router and every session daemon; any number of edges may run.
 *
 * MESSAGES
 *     Takes the items deliver (writes the stanza to the sessions it names; those that are not
 *     here any more go back to the router as missed), end_session, and stream_features (what the
 *     server says of itself to clients that have logged in). Sends route items, and the calls
 *     sasl_start, sasl_step, bind, unbind, session_flags, detach, resume, account_add.
 *
 * STATE
 *     The connections, and a lease in Redis for the sessions on them. With stream management
 *     (XEP-0198) also what they have not acknowledged, in Redis: jd:q:* (redis/keys.def).
 *
 * CONFIGURATION
 *     Sections edge, tls and stream, session.registration, cluster, bus, redis, log, health.
 *     SIGHUP reads it again, the certificates of all domains too, without closing a connection;
 *     listeners and ports stay. SIGTERM drains: no new connections, streams are told
 *     edge.see_other_uri or system-shutdown, stream.drain_rate of them a second, their sessions
 *     said unavailable and unbound; the others are served meanwhile.
 *
 * FAILURE
 *     No session daemon or no Redis: logins get temporary-auth-failure or resource-constraint
 *     within stream.call_deadline; who is logged in stays. No router: stanzas wait, bounded by
 *     bus.max_unsettled and stream.max_backlog, then the stream ends with resource-constraint. A
 *     lost lease ends all streams. A killed edge's sessions are cleaned up by session when its
 *     lease lapses; those with stream management are kept there, and resumed at any edge or c2s.
 *     Redis gone: such sessions go on, acknowledgements wait, bounded by stream.max_unacked.
 */
#include "edge.h"

static const struct daemon_spec spec = {
    .name = "edge",
    .summary = "WebSocket and HTTP for browsers",
    .flags = DAEMON_DIALS_ROUTERS | DAEMON_DIALS_SESSIONS,
    .announce = stream_announce,
    .handlers = {.item = edge_item, .peer_down = edge_peer_down},
    .open = edge_open,
    .is_ready = edge_is_ready,
    .reload = edge_reload,
    .drain = edge_drain,
    .close = edge_close,
};

int main(int argc, char **argv)
{
    return daemon_main(argc, argv, &spec);
}
