/* Accounts that are gone: what they had stored goes, in SQL and in Redis. */
#ifndef JACKDAW_PUBSUB_FORGET_H
#define JACKDAW_PUBSUB_FORGET_H

#include "pubsub.h"

/* Forgets everything of the account; then ends `clear`, which may be NULL: nobody waits. */
void forget_account(struct pubsub *pubsub, struct span account, struct service_clear *clear);
/* An account of that name is about to be made. */
service_clear_fn forget_clear;
/* What is under way: when no answer can come any more. */
void forget_free(struct pubsub *pubsub);

#endif
