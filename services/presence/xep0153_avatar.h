/* XEP-0153 vCard-based avatars: available presence says which photo is in the account's vCard, also
 * when the client does not (XEP-0398 section 5). The pubsub daemon, who has the vCard, keeps the
 * photo's hash in Redis. */
#ifndef JACKDAW_PRESENCE_XEP0153_AVATAR_H
#define JACKDAW_PRESENCE_XEP0153_AVATAR_H

#include "job.h"

#include <stdbool.h>

struct avatar {
    bool is_known;    /* the account has stored a vCard */
    struct span hash; /* of its photo; empty: there is none in it */
};

/* Fills `avatar`, in the job's arena, and holds the job. */
void avatar_read(struct job *job, struct avatar *avatar);
/* Adds the hash to the stanza, in place of an element without a photo element. One that has a photo
 * element, be it empty, is the client's own affair. New parts are in the job's arena. */
void avatar_add(struct job *job, const struct avatar *avatar, struct stanza *stanza);

#endif
