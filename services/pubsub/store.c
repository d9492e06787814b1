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

/* On a worker. */
static int forget_all(struct sql_conn *conn, void *arg)
{
    const struct store_forgetting *forgetting = arg;
    struct sql_value account = sql_text(forgetting->account);
    const struct sql_statement statements[] = {
        {.text = "DELETE FROM vcard WHERE account = $1", .params = &account, .param_count = 1},
        {.text = "DELETE FROM private_xml WHERE account = $1",
         .params = &account,
         .param_count = 1},
    };
    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++) {
        if (sql_status(sql_exec(conn, &statements[i])) != SQL_OK) {
            return -1;
        }
    }
    return 0;
}

static void on_forgotten(void *arg, enum sql_status status)
{
    struct store_forgetting *forgetting = arg;
    if (status != SQL_OK) {
        LOG_ERROR("rows_of_removed_account_stay", "account=%.*s", SPAN_ARG(forgetting->account));
    }
    forgetting->done(forgetting, status == SQL_OK);
}

void store_forget(struct sql *sql, struct store_forgetting *forgetting)
{
    sql_transaction(sql, store_key(forgetting->account), forget_all, on_forgotten, forgetting);
}
