/* jackdaw-presence - rosters, subscriptions and the presence of everybody
 *
 * SYNOPSIS
 *     jackdaw-presence [--config FILE] [--instance NAME] [--check | --options | --help]
 *
 * DESCRIPTION
 *     Owns what RFC 6121 says about rosters (section 2), subscriptions (section 3, Appendix A) and
 *     presence (section 4): roster get, set, push and versioning, the subscription state machine
 *     with pre-approval, initial and later presence, probes, directed presence and its clean-up,
 *     last activity of accounts, and who may ask their sessions for theirs (XEP-0012), and
 *     block lists (XEP-0191; routers act on them). Dials every router; any number may run, and each
 *     account is served by whichever instance the routers choose for it.
 *
 * MESSAGES
 *     Takes `handle` items: presence of and for accounts, and iqs in jabber:iq:roster and
 *     jabber:iq:last and urn:xmpp:blocking. Sends `forward` and `forget_account` items, publishes
 *     `presence_changed` and `block_changed`. Hears `account_removed`:
 *     cancels that account's subscriptions and forgets its roster; takes `clear_account`: does so
 *     before an account of that name is made anew.
 *
 * STATE
 *     SQL: the tables roster_version, roster_item, last_activity, blocked, block_change. Redis:
 *     presence of sessions (jd:p:*), whom they sent directed presence (jd:d:*), copies of block
 *     lists for routers (jd:b:*). In memory only requests under way.
 *
 * CONFIGURATION
 *     Section presence, cluster, bus, redis, sql, log, health. SIGHUP reads it again; limits apply
 *     at once, addresses stay.
 *
 * FAILURE
 *     Redis or the database away: requests wait up to presence.retry_for, then get
 *     resource-constraint. Killed: routers give its requests to another instance, which carries
 *     them out as if for the first time.
 */
#include "presence.h"

static const struct daemon_spec spec = {
    .name = "presence",
    .summary = "rosters, subscriptions and presence",
    .flags = DAEMON_DIALS_ROUTERS | DAEMON_WANTS_NOTICES,
    .announce = presence_announce,
    .handlers = {.item = presence_item, .peer_down = presence_peer_down, .notice = presence_notice},
    .open = presence_open,
    .is_ready = presence_is_ready,
    .reload = presence_reload,
    .drain = presence_drain,
    .close = presence_close,
};

int main(int argc, char **argv)
{
    return daemon_main(argc, argv, &spec);
}
