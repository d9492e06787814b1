/* Keeping archives small: messages go when they are too old, and the oldest of an account when it has
 * too many (archive.max_age, archive.max_messages). A piece at a time, so that writing goes on; and
 * the archive of an account that was removed. */
#ifndef JACKDAW_ARCHIVE_TRIM_H
#define JACKDAW_ARCHIVE_TRIM_H

#include "archive.h"

struct trim;

/* Returns owned. */
struct trim *trim_new(struct archive *archive);
void trim_free(struct trim *trim);
/* The archive of the account has grown. */
void trim_note(struct trim *trim, struct span account);
/* Removes everything of the account, in the archive and the offline store. `done`, which may be NULL,
 * is called when that is committed; `ok` false: it could not be done now. */
void trim_forget(struct trim *trim, struct span account, void (*done)(void *arg, bool ok),
                 void *arg);
/* Looks for what is too old and too much now: for the timer, and for tests. */
void trim_run(struct trim *trim);

#endif
