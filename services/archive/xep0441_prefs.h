/* XEP-0441 Message Archive Management Preferences: which messages an account wants archived.
 *
 * Most accounts have none: everything is archived. That an account has none is remembered for a
 * minute, so that writing does not ask again; whoever sets some makes his instance forget it.
 * 'roster' as the default would take the roster, which is the presence daemon's: it is answered with
 * what is applied instead (section 2.1), 'always'.
 */
#ifndef JACKDAW_ARCHIVE_XEP0441_PREFS_H
#define JACKDAW_ARCHIVE_XEP0441_PREFS_H

#include "archive.h"

struct kept;
struct prefs;

/* Returns owned. */
struct prefs *prefs_new(struct archive *archive);
void prefs_free(struct prefs *prefs);

/* Notes in `kept` whether its account is known to have none. */
void prefs_recall(const struct prefs *prefs, struct kept *kept);
/* In a transaction: 1 when a message to or from `peer` is wanted, 0 when not, -1 on failure. Notes in
 * `kept` too that the account has none. */
int prefs_allow(struct sql_conn *conn, struct kept *kept, struct span peer);
/* What was noted. */
void prefs_learn(struct prefs *prefs, const struct kept *kept);
/* The account may have some now. */
void prefs_forget(struct prefs *prefs, struct span account);
/* In a transaction: those of an account that was removed. */
int prefs_remove(struct sql_conn *conn, struct span account);

service_handler_fn xep0441_get;
service_handler_fn xep0441_set;

#endif
