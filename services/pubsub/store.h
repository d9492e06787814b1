/* The tables vcard and private_xml: their schema, and what is done to all of them. The queries of
 * one XEP are in its file. */
#ifndef JACKDAW_PUBSUB_STORE_H
#define JACKDAW_PUBSUB_STORE_H

#include "base/span.h"
#include "sql/sql.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern const struct sql_migration store_migrations[];
extern const size_t store_migration_count;

/* What keeps the statements of an account in order. */
uint64_t store_key(struct span account);
/* An account that was removed. */
struct store_forgetting {
    struct span account;
    void (*done)(struct store_forgetting *forgetting, bool ok);
};
/* Forgets all rows of the account, then calls `done`; borrows `forgetting` until then. A failure is
 * logged. */
void store_forget(struct sql *sql, struct store_forgetting *forgetting);

#endif
