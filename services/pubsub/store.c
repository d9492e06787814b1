/* Schema, and the removal of an account. */
#include "store.h"

#include "base/hash.h"
#include "base/log.h"

/* `xml` is a whole element in canonical form (xml/xml.h), as it goes into an answer. */
const struct sql_migration store_migrations[] = {
    {1, "CREATE TABLE vcard (account @TEXT@ PRIMARY KEY, xml @TEXT@ NOT NULL);"
        "CREATE TABLE private_xml ("
        "  account @TEXT@ NOT NULL, ns @TEXT@ NOT NULL, name @TEXT@ NOT NULL,"
        "  xml @TEXT@ NOT NULL, PRIMARY KEY (account, ns, name))"},
};
const size_t store_migration_count = sizeof(store_migrations) / sizeof(store_migrations[0]);

uint64_t store_key(struct span account)
{
    return hash_span(account);
}

static void on_forgotten(void *arg, const struct sql_result *result)
{
    const char *table = arg;
    if (sql_status(result) != SQL_OK) {
        LOG_ERROR("rows_of_removed_account_stay", "table=%s", table);
    } else if (sql_affected(result) > 0) {
        LOG_INFO("rows_removed", "table=%s rows=%lld", table, (long long)sql_affected(result));
    }
}

void store_forget(struct sql *sql, struct span account)
{
    static char vcard[] = "vcard", private_xml[] = "private_xml";
    sql_query(sql, store_key(account),
              &SQL("DELETE FROM vcard WHERE account = $1", sql_text(account)), on_forgotten, vcard);
    sql_query(sql, store_key(account),
              &SQL("DELETE FROM private_xml WHERE account = $1", sql_text(account)), on_forgotten,
              private_xml);
}
