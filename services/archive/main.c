/* jackdaw-archive - keeps what was said, and messages for who is not there
 *
 * SYNOPSIS
 *     jackdaw-archive [--config FILE] [--instance NAME] [--check | --options | --help]
 *
 * DESCRIPTION
 *     Owns the message archives of accounts (XEP-0313), searched by time, by the other side, by ids
 *     and by words (XEP-0431), with preferences (XEP-0441); and the offline store (XEP-0160):
 *     messages for accounts nobody was there to take, delivered in order when a session comes online.
 *     Writes in groups: what comes while one transaction runs is written with the next. Dials every
 *     router; any number may run, and each account is served by whichever instance the routers
 *     choose for it.
 *
 * MESSAGES
 *     keep: a message to be kept for an account; settled when it is committed, or when its sender
 *     was told that it could not be kept.
 *
 *     came: a session of an account can take messages; settled when it is noted that the account's
 *     messages are to be delivered.
 *
 *     clear_account: an account of that name is about to be made; settled when nothing is left of
 *     an earlier one.
 *
 *     Takes `handle` items: iqs in urn:xmpp:mam:2. Sends `forward` items: what was found, messages
 *     that were stored, errors. Hears `account_removed`: forgets all of the account.
 *
 * STATE
 *     SQL: the tables archive, archive_prefs, offline, offline_due. Redis: reads sessions and their
 *     presence (jd:s:*, jd:p:*). In memory only items under way, which accounts have no preferences,
 *     and which sessions have read their archive before they came online.
 *
 * CONFIGURATION
 *     Section archive, cluster, bus, redis, sql, log, health. SIGHUP reads it again; limits apply at once,
 *     addresses stay.
 *
 * FAILURE
 *     The database away: messages wait for it up to archive.retry_for, then their senders get
 *     resource-constraint; delivery to who is online goes on. Killed: routers give its items to
 *     another instance, which drops what is committed already and goes on delivering what is due.
 */
#include "archive.h"

static const struct daemon_spec spec = {
    .name = "archive",
    .summary = "message archives and offline messages of accounts",
    .flags = DAEMON_DIALS_ROUTERS | DAEMON_WANTS_NOTICES,
    .announce = archive_announce,
    .handlers = {.item = archive_item, .peer_down = archive_peer_down, .notice = archive_notice},
    .open = archive_open,
    .is_ready = archive_is_ready,
    .reload = archive_reload,
    .drain = archive_drain,
    .close = archive_close,
};

int main(int argc, char **argv)
{
    return daemon_main(argc, argv, &spec);
}
