/* XEP-0153 vCard-based avatars: the hash of the photo in a vCard, which the presence daemon adds to
 * what clients broadcast that do not know it themselves. */
#ifndef JACKDAW_PUBSUB_XEP0153_PHOTO_H
#define JACKDAW_PUBSUB_XEP0153_PHOTO_H

#include "base/arena.h"
#include "base/span.h"

/* The SHA-1 in hexadecimal of the photo in this vCard (canonical XML), in `arena`; empty when it
 * has none that can be read. */
struct span xep0153_hash(struct span vcard, struct arena *arena);

#endif
