/* The schema of all tables of this daemon. */
#include "schema.h"

/* Table by table:
 *  - offline: messages for accounts nobody could take; `uid` names one for good, `version` counts how
 *    often it came back, `is_stamped`: it goes out with its uid as stanza-id.
 *  - offline_due: accounts whose messages are being delivered, or are to be tried again; due_ms is
 *    when another instance may take over. */
const struct sql_migration schema_migrations[] = {
    {1, "CREATE TABLE offline ("
        "  id @ID@, uid @BLOB@ NOT NULL UNIQUE, account @TEXT@ NOT NULL,"
        "  origin_sid BIGINT NOT NULL, origin_n BIGINT NOT NULL, at_ms BIGINT NOT NULL,"
        "  version BIGINT NOT NULL, is_stamped BIGINT NOT NULL, stanza @BLOB@ NOT NULL);"
        "CREATE INDEX offline_by_account ON offline (account, id);"
        "CREATE TABLE offline_due (account @TEXT@ PRIMARY KEY, due_ms BIGINT NOT NULL);"
        "CREATE INDEX offline_due_by_time ON offline_due (due_ms)"},
};
const size_t schema_migration_count = sizeof(schema_migrations) / sizeof(schema_migrations[0]);
