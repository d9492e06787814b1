/* Verifiers for accounts from before a hash was offered. Only the password makes one, so it is made
 * when the password is at hand: at a PLAIN login here, else at the next change of password. */
#ifndef JACKDAW_SESSION_ACCOUNT_UPGRADE_H
#define JACKDAW_SESSION_ACCOUNT_UPGRADE_H

#include "session.h"

/* `password` was proven by `proven`, the account's verifier of `hash`. Copies what it needs; nobody
 * waits for it, and when it cannot be done now, the next login tries again. */
void account_upgrade(struct session *session, struct span account, struct span password,
                     enum crypt_hash hash, const struct scram_verifier *proven);

#endif
