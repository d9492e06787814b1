/* jackdaw-session - accounts, logins and the registry of sessions
 *
 * SYNOPSIS
 *     jackdaw-session [--config FILE] [--instance NAME] [--check | --options | --help]
 *
 * DESCRIPTION
 *     Owns the accounts of the cluster's domains (SCRAM verifiers in SQL, never a password),
 *     answers the SASL steps of clients' streams, binds resources and keeps the registry of
 *     sessions in Redis. It serves XEP-0077 to users who are logged in, and ends the sessions of
 *     daemons that died. Several may run; any of them can take the next step of a login another
 *     one began.
 *
 * MESSAGES
 *     Calls answered: sasl_start, sasl_step (one login: SCRAM, ANONYMOUS; on encrypted streams
 *     PLAIN, OAUTHBEARER, or EXTERNAL with the JIDs of the client's certificate; or a token that an
 *     earlier login was given, XEP-0484); bind, unbind, session_flags, detach, resume (a session
 *     comes, goes, changes, is handed over for a client that comes back, XEP-0198); account_add,
 *     account_remove, account_password, account_exists, account_list; session_list;
 *     trace_read.
 *
 *     Items taken: handle, for iqs in jabber:iq:register to the server or the own account.
 *
 *     As a holder of sessions whose client is away: deliver, adopt, end_session; missed, for what
 *     such a session did not get when its time is over.
 *
 *     Items sent to routers: clear_account (before an account is made: what an earlier one of that
 *     name has left goes first), end_session (resource taken, account removed), route (unavailable
 *     presence for the sessions of a dead daemon), forward (answers).
 *
 *     Notices published: session_changed, account_removed; after Redis or SQL has it.
 *
 * STATE
 *     SQL: accounts, verifiers, tokens (sealed), secrets. Redis: jd:s:*, jd:x:*, jd:e:*,
 *     jd:{leases}*, jd:a:*, jd:q:*, jd:h:*, jd:r:*, jd:n:* (redis/keys.def). An anonymous account is in no table: its name says what it
 *     is, and account_removed is published when its session ends. Nothing in memory that another
 *     instance needs.
 *
 * CONFIGURATION
 *     SIGHUP reads it and the files of session.oauth_keys again: files that cannot be used leave
 *     the old keys. Section session, cluster.domains, cluster.routers, cluster.lease, redis, sql,
 *     bus, daemon, log, health.
 *
 * FAILURE
 *     Redis away: logins and binds get a temporary error, sessions that are bound stay. Database
 *     away: logins get a temporary error. Killed: calls under way are lost (callers give up or
 *     ask another instance), a sweep under way is claimed by another instance when its claim
 *     lapses, and so are the sessions it kept for clients that are away.
 */
#include "serve.h"

static const struct daemon_spec spec = {
    .name = "session",
    .summary = "accounts, logins and the registry of sessions",
    .flags = DAEMON_DIALS_ROUTERS | DAEMON_LISTENS,
    .announce = serve_announce,
    .handlers =
        {
            .peer_down = serve_peer_down,
            .item = serve_item,
            .call = serve_call,
        },
    .open = serve_open,
    .is_ready = serve_is_ready,
    .reload = serve_reload,
    .drain = serve_drain,
    .close = serve_close,
};

int main(int argc, char **argv)
{
    return daemon_main(argc, argv, &spec);
}
