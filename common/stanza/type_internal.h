/* The table of stanza kinds and types. */
#ifndef JACKDAW_STANZA_TYPE_INTERNAL_H
#define JACKDAW_STANZA_TYPE_INTERNAL_H

#include "stanza/stanza.h"

/* 0, or -1 for no kind of stanza. */
int type_find_kind(struct span name, enum stanza_kind *kind_out);
bool type_fits(enum stanza_kind kind, enum stanza_type type);
/* The type that `name` (the attribute's value, "" when absent) means for this kind: 0, or -1. */
int type_find(enum stanza_kind kind, struct span name, enum stanza_type *type_out);

#endif
