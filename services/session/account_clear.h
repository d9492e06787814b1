/* Before an account is made: nothing may be left of an earlier one of that name.
 *
 * Services hear of a removal by a notice, which one that is away does not hear. So a name is cleared
 * before it is given to somebody: an item goes through a router to every kind of service that keeps
 * data of accounts, and is settled when all of them have forgotten it. A service that is away
 * for CLEAR_WAIT_MS makes the new account wait: it is refused, to be tried again. (Only a router that
 * has started since and never met that service does not wait for it.)
 */
#ifndef JACKDAW_SESSION_ACCOUNT_CLEAR_H
#define JACKDAW_SESSION_ACCOUNT_CLEAR_H

#include "account_store.h"
#include "session.h"

#define CLEAR_WAIT_MS 5000

/* Adds the account as account_store_add does, to a name that was cleared. ACCOUNT_DOWN also when it
 * could not be. Borrows `verifiers` until `fn` is called. */
void account_clear_add(struct session *session, struct span account,
                       const struct account_verifiers *verifiers, account_done_fn *fn, void *arg);
/* Frees what waits: at exit, when the bus is gone. */
void account_clear_free(struct session *session);

#endif
