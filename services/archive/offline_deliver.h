/* Delivering what is stored for an account: page by page, one run for an account at a time. */
#ifndef JACKDAW_ARCHIVE_OFFLINE_DELIVER_H
#define JACKDAW_ARCHIVE_OFFLINE_DELIVER_H

#include "archive.h"

struct deliverer;

/* Returns owned. */
struct deliverer *deliverer_new(struct archive *archive);
void deliverer_free(struct deliverer *deliverer);

/* Delivers all there is for the account, after a run that is going on. `read_ms` not 0: what the
 * archive has and came until then is forgotten instead. `started` is called, never from inside,
 * when the account is noted as due or nothing is there: the run cannot be lost any more. While the
 * database is away it is tried again. */
void deliverer_start(struct deliverer *deliverer, struct span account, uint64_t read_ms,
                     void (*started)(void *arg), void *arg);

#endif
