/* What sessions with a resume queue were delivered, in Redis: for whoever takes them over.
 *
 * The queue itself tells what is still in it; before an entry is trimmed, what it delivered is noted in
 * jd:o:{account}:SID, a hash of origin session to numbers (seen.h). It only ever says what is true, so
 * it needs no epoch; it expires by itself when no session can be resumed any more that sent something.
 */
#ifndef JACKDAW_CUSTODY_REMEMBER_H
#define JACKDAW_CUSTODY_REMEMBER_H

#include "custody/custody_internal.h"

/* Notes what is new of the queue's session. Redis is up; uses custody->arena. */
void remember_write(struct custody_queue *queue);
/* Reads it all into custody->seen; the answer comes before that of any later command. */
void remember_read(struct custody_queue *queue);

#endif
