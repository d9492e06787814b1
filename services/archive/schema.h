/* The tables of this daemon; their queries are in the files of what they are for. */
#ifndef JACKDAW_ARCHIVE_SCHEMA_H
#define JACKDAW_ARCHIVE_SCHEMA_H

#include "sql/sql.h"

#include <stddef.h>

extern const struct sql_migration schema_migrations[];
extern const size_t schema_migration_count;

#endif
