/* jackdaw-router - routes parsed stanzas
 *
 * Messages answered
 *   route        a client's stanza, from the daemon that holds its stream; settled when everything
 * it caused is: deliver at the holders of its recipients, handle at the service that owns it, or
 * the error reply. forward      a stanza a service made, for one or many recipients; one deliver
 * per holder. missed       a holder does not have these sessions any more: routed anew without
 * them. end_session  passed on to the holder. Notices: session_changed, presence_changed,
 * account_removed. A router also relays all notices. iq to the server or an account: disco
 * (XEP-0030), ping (0199), version (0092), time (0202) and the server's last activity (0012) are
 * answered here, other namespaces go to who announced them.
 *
 * State owned
 *   None that lasts. It remembers accounts' sessions (registry and presence state in Redis), kept
 *   fresh by notices, and the stanzas on their way.
 *
 * Configuration
 *   [cluster] domains routers; [router] listen cache_accounts bare_messages order_wait holder_wait
 *   max_waiting session_waiting; [redis] url; [bus], [daemon], [log], [health].
 *
 * On failure
 *   Killed: whoever sent it stanzas still has those that were not settled and sends them again,
 * here or to another router. Redis gone: what is remembered goes on being delivered, what would
 * have to be looked up waits 10 s, then senders are told to try again. A service gone: its stanzas
 * wait for the next instance. A holder gone: its sessions count as not there.
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
