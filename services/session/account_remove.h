/* Removing an account, in the two steps that in-band removal needs apart (XEP-0077 section 3.2):
 * the account goes first, its sessions end when the requester has its answer. */
#ifndef JACKDAW_SESSION_ACCOUNT_REMOVE_H
#define JACKDAW_SESSION_ACCOUNT_REMOVE_H

#include "session.h"

/* Removes the account and lets nobody bind for it. Told ACCOUNT_OK also when only Redis could not
 * be told; ACCOUNT_NOT_FOUND, ACCOUNT_DOWN: nothing has changed. */
void account_remove_first(struct session *session, struct span account, account_done_fn *fn,
                          void *arg);
/* Ends the account's sessions with not-authorized and tells everybody that the account is gone. */
void account_remove_then(struct session *session, struct span account);

/* An anonymous account's session ended: with the last one the account goes, too. Everybody is told,
 * as of any account, so that what services kept for it goes. */
void account_end_anonymous(struct session *session, struct span account);

#endif
