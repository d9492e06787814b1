/* Immutable bytes with a reference count: what asynchronous work holds on to.
 *
 * One thread only: the count is not atomic.
 */
#ifndef JACKDAW_BASE_BLOB_H
#define JACKDAW_BASE_BLOB_H

#include "base/span.h"

struct blob;

/* Returns owned: a copy of `bytes` with one reference. */
struct blob *blob_new(struct span bytes);
/* One reference more; returns `blob`. */
struct blob *blob_ref(struct blob *blob);
/* Takes one reference; the last one frees. NULL is fine. */
void blob_unref(struct blob *blob);
/* The bytes; borrows. */
struct span blob_span(const struct blob *blob);

#endif
