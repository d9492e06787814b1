/* The schema of all tables of this daemon. */
#include "schema.h"

/* Table by table:
 *  - offline: messages for accounts nobody could take; `uid` names one for good, `version` counts how
 *    often it came back, `is_stamped`: it goes out with its uid as stanza-id.
 *  - offline_due: accounts whose messages are being delivered, or are to be tried again; due_ms is
 *    when another instance may take over.
 *  - archive: messages to and from accounts, ordered by `id`. `peer` is the bare JID of the other
 *    side, `resource` the rest of it, `xml` the message as it goes into <forwarded/>, `body` its text
 *    as it is searched (fold.h). Without `xml` it is not to be shown, but its uid is known to the client.
 *  - archive_prefs: of accounts that have some; JIDs separated by line ends. */
const struct sql_migration schema_migrations[] = {
    {1, "CREATE TABLE offline ("
        "  id @ID@, uid @BLOB@ NOT NULL UNIQUE, account @TEXT@ NOT NULL,"
        "  origin_sid BIGINT NOT NULL, origin_n BIGINT NOT NULL, at_ms BIGINT NOT NULL,"
        "  version BIGINT NOT NULL, is_stamped BIGINT NOT NULL, stanza @BLOB@ NOT NULL);"
        "CREATE INDEX offline_by_account ON offline (account, id);"
        "CREATE TABLE offline_due (account @TEXT@ PRIMARY KEY, due_ms BIGINT NOT NULL);"
        "CREATE INDEX offline_due_by_time ON offline_due (due_ms)"},
    {2, "CREATE TABLE archive ("
        "  id @ID@, uid @BLOB@ NOT NULL UNIQUE, account @TEXT@ NOT NULL, peer @TEXT@ NOT NULL,"
        "  resource @TEXT@ NOT NULL, at_ms BIGINT NOT NULL, body @TEXT@, xml @TEXT@);"
        "CREATE INDEX archive_by_account ON archive (account, id);"
        "CREATE INDEX archive_by_peer ON archive (account, peer, id);"
        "CREATE INDEX archive_by_time ON archive (account, at_ms, id);"
        "CREATE TABLE archive_prefs ("
        "  account @TEXT@ PRIMARY KEY, fallback @TEXT@ NOT NULL,"
        "  always @TEXT@ NOT NULL, never @TEXT@ NOT NULL)"},
};
const size_t schema_migration_count = sizeof(schema_migrations) / sizeof(schema_migrations[0]);
