/* jackdaw-pubsub - what accounts keep on the server: vCards and private XML
 *
 * SYNOPSIS
 *     jackdaw-pubsub [--config FILE] [--instance NAME] [--check | --options | --help]
 *
 * DESCRIPTION
 *     Owns the data that clients store for their accounts: vcard-temp (XEP-0054) and private XML
 *     (XEP-0049). Presence learns from it which photo is in a vCard (XEP-0153). Dials every router; any number may run, and each account is served by whichever
 *     instance the routers choose for it.
 *
 * MESSAGES
 *     Takes `handle` items: iqs in vcard-temp and jabber:iq:private. Sends `forward` items: the
 *     answers. Hears `account_removed`: forgets what the account had stored; takes
 *     `clear_account`: does so before an account of that name is made anew.
 *
 * STATE
 *     SQL: the tables vcard, private_xml. Redis: the hash of the photo in a vCard (jd:v:*). In
 *     memory only requests under way.
 *
 * CONFIGURATION
 *     Section pubsub, cluster, bus, redis, sql, log, health. SIGHUP reads it again; limits apply at once,
 *     addresses stay.
 *
 * FAILURE
 *     The database away: requests wait for it up to pubsub.retry_for, then get resource-constraint;
 *     so does who stores a vCard while Redis is away, at once.
 *     Killed: routers give its requests to another instance, which carries them out as if for the
 *     first time; storing the same again changes nothing.
 */
#include "pubsub.h"

static const struct daemon_spec spec = {
    .name = "pubsub",
    .summary = "vCards and private XML of accounts",
    .flags = DAEMON_DIALS_ROUTERS | DAEMON_WANTS_NOTICES,
    .announce = pubsub_announce,
    .handlers = {.item = pubsub_item, .peer_down = pubsub_peer_down, .notice = pubsub_notice},
    .open = pubsub_open,
    .is_ready = pubsub_is_ready,
    .reload = pubsub_reload,
    .drain = pubsub_drain,
    .close = pubsub_close,
};

int main(int argc, char **argv)
{
    return daemon_main(argc, argv, &spec);
}
