/* Whether somebody could take a message to an account right now: some available session has a
 * priority of 0 or more. Redis says so. */
#ifndef JACKDAW_ARCHIVE_AWAKE_H
#define JACKDAW_ARCHIVE_AWAKE_H

#include "base/span.h"

struct redis;

enum awake { AWAKE_NO, AWAKE_YES, AWAKE_UNKNOWN /* Redis is away */ };

/* `fn` is called once, never from inside. */
typedef void awake_fn(void *arg, enum awake awake);
void awake_ask(struct redis *redis, struct span account, awake_fn *fn, void *arg);

#endif
