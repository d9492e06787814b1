/* jackdaw-router - routes parsed stanzas
 *
 * SYNOPSIS
 *     jackdaw-router [--config FILE] [--instance NAME] [--check | --options | --help]
 *
 * DESCRIPTION
 *     Knows who is where and applies RFC 6121 section 8 to every stanza. Answers, for the server
 *     and for accounts, service discovery (XEP-0030, with contact
 *     addresses, XEP-0157), ping (XEP-0199), version (XEP-0092), time
 *     (XEP-0202) and the server's last activity (XEP-0012); iqs in other namespaces go to the
 *     service that announced them. Relays the notices of all daemons. Any number may run; all
 *     others dial every one.
 *
 * MESSAGES
 *     route: a client's stanza, from the daemon that holds its stream; settled when everything
 *     it caused is: deliver at the holders of its recipients, handle at the service that owns
 *     it, or the error reply.
 *
 *     A message that is archived or that nobody can take now goes to the archive daemon as keep,
 *     when there is one; that a session can take messages from now on, as came.
 *
 *     missed: a delivery whose sessions its holder has not (any more): goes to where they are now,
 *     to a session daemon as adopt when nobody has them, or to others.
 *
 *     forward: a stanza a service made, for one or many recipients; one deliver per holder.
 *
 *     dealt: a service has sent what a client's stanza asked for: the client's next one, which
 *     waited so as not to overtake, goes on.
 *
 *     end_session: passed on to the holder.
 *
 *     clear_account: passed on to one instance of each kind that keeps data of accounts.
 *
 *     stream_features: sent to daemons with clients' streams: the server's capabilities (XEP-0115,
 *     XEP-0390) as disco#info has them now.
 *
 *     Notices heard: session_changed, presence_changed, account_removed.
 *
 * STATE
 *     None that lasts. It remembers accounts' sessions (registry and presence state in Redis),
 *     kept fresh by notices, and the stanzas on their way.
 *
 * CONFIGURATION
 *     Sections router and contact, cluster.domains, cluster.routers, redis, bus, daemon, log, health.
 *
 * FAILURE
 *     Killed: whoever sent it stanzas still has those that were not settled and sends them
 *     again, here or to another router. Redis gone: what is remembered goes on being delivered,
 *     what would have to be looked up waits 10 s, then senders are told to try again. A service
 *     gone: its stanzas wait for the next instance. A holder gone: its sessions count as not
 *     there, but for those that can be resumed: a session daemon keeps what comes for them.
 */
#include "daemon/daemon.h"
#include "life.h"
#include "router.h"

static const struct daemon_spec spec = {
    .name = "router",
    .summary = "routes parsed stanzas between the daemons that hold streams and the services",
    .flags = DAEMON_LISTENS | DAEMON_IS_HUB | DAEMON_WANTS_NOTICES,
    .handlers =
        {
            .peer_up = router_peer_up,
            .peer_down = router_peer_down,
            .item = router_item,
            .notice = router_notice,
            .notice_gap = router_notice_gap,
        },
    .open = life_open,
    .is_ready = life_is_ready,
    .reload = life_reload,
    .drain = life_drain,
    .close = life_close,
};

int main(int argc, char **argv)
{
    return daemon_main(argc, argv, &spec);
}
