/* Text as it is searched: letters that differ in case only become the same. */
#ifndef JACKDAW_ARCHIVE_FOLD_H
#define JACKDAW_ARCHIVE_FOLD_H

#include "base/buf.h"
#include "base/span.h"

/* Appends `text` (UTF-8) in lower case: Latin, Greek and Cyrillic letters; all others stay. */
void fold_text(struct span text, struct buf *out);

#endif
