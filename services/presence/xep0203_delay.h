/* XEP-0203 delayed delivery: presence that is repeated to somebody says when it came (RFC 6121
 * section 4.3.2, XEP-0256 section 2.2). */
#ifndef JACKDAW_PRESENCE_XEP0203_DELAY_H
#define JACKDAW_PRESENCE_XEP0203_DELAY_H

#include "job.h"

/* Adds <delay/> from the account's domain. Not when `since_ms` (real time) is 0, nor when the stanza
 * has one: there is "one and only one". The new parts are in the job's arena. */
void delay_add(struct job *job, uint64_t since_ms, struct stanza *stanza);

#endif
